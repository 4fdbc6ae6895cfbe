"""Annotation files made from random bytes: mostly right, with a few unusual values.

So the checks of single records are reached. Sometimes the text of the file is cut off or changed.
"""

from __future__ import annotations

import json

# values that may stand for any value of a JSON file
ODD_VALUES = [
    *(None, True, False),
    *(0, -1, 1, 2, 3, 7, 2**31, 2**40, 2**63, -(2**70), 10**400),
    *(0.5, -0.0, 3.0, 5e-324, 1e-246, 1e-12, 1e9, 1e30, -1e300, 1e400, float("nan"), float("-inf")),
    *("", "1", "3", " 7 ", "1.5", "a", "\ud800", "\0", "a\nb", "../x", "/x", "a.jpg"),
    *([], [[]], [1], {}, {"id": 1}, [None], [[1, 2]]),
    {"size": [20, 30], "counts": [600]},
    {"size": [20, 30], "counts": "oooo"},
    {"size": [0, 0], "counts": []},
    {"size": None, "counts": 5},
    {"size": [20, 30], "counts": [100, 200, 300]},
    {"size": [2**40, 2**40], "counts": "P1"},
    [[0, 0, 1, 1, 2, 2, 3, 3]],
    [0, 0, 9, 0, 9, 9],
]
# words that may stand in a row of a txt file
ODD_WORDS = [
    *("", "x", "nan", "inf", "1e400", "-5", "0", "7", "1_0", "\u0661"),
    *("1;2", ",", ";", "\t", "\0", "\ufeff", "\x85"),
    *("b c.jpg", "../a.jpg", "9" * 30, "a.jpg", "1,2,3,4,1"),
]


class Choices:
    """Choices by the bytes of `data`, one byte each; zeros when they are used up.

    Fewer bytes and smaller bytes give a plainer file. Hypothesis shrinks to these.
    """

    def __init__(self, data):
        self.data = data
        self.used = 0

    def below(self, count):
        """A whole number from 0 to count - 1."""
        byte = self.data[self.used] if self.used < len(self.data) else 0
        self.used += 1
        return byte % count

    def one_of(self, items):
        return items[self.below(len(items))]

    def number(self):
        """Mostly within a picture of 30x20, sometimes unusual."""
        if self.below(12) == 11:
            return self.one_of(ODD_VALUES)
        value = self.below(256) / 8
        return value - 2 if self.below(4) == 3 else value


def _annotation(choices, number):
    """An annotation with the id `number`."""
    x, y, w, h = (choices.below(64) / 4 for _ in range(4))
    item = {
        "id": number,
        "image_id": 1 + choices.below(2),
        "category_id": choices.one_of([3, 3, 7]),
        "bbox": [x, y, w + 0.5, h + 0.5],
        "iscrowd": 0,
        "area": w * h,
        "segmentation": [
            [choices.number() for _ in range(choices.one_of([6, 8, 12, 6, 8, 7, 4]))]
            for _ in range(choices.one_of([1, 1, 2, 0]))
        ],
    }
    kind = choices.below(8)
    if kind == 1:
        counts = [100, choices.below(200), 300]
        item["segmentation"] = {"size": [20, 30], "counts": [*counts, 600 - sum(counts)]}
    elif kind == 2:
        counts = "".join(chr(48 + choices.below(64)) for _ in range(choices.below(12)))
        item["segmentation"] = {"size": [20, 30], "counts": counts}
    elif kind == 3:
        item["bbox"] = [choices.number() for _ in range(4)]
    for _ in range(choices.one_of([0, 1, 0, 2])):
        key = choices.one_of(
            ["id", "image_id", "category_id", "bbox", "segmentation", "iscrowd", "area", "is_crowd"]
        )
        if choices.below(6) == 5:
            item.pop(key, None)
        else:
            item[key] = choices.one_of(ODD_VALUES)
    return item


def coco_bytes(data):
    """A COCO-like file by the choices of `data`."""
    choices = Choices(data)
    content = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 30, "height": 20} for i in (1, 2)],
        "annotations": [_annotation(choices, number) for number in range(1, 2 + choices.below(4))],
        "categories": [{"id": 3, "name": "square"}, {"id": 7, "name": "disc"}],
    }
    rare = choices.below(16)
    if rare == 1:
        value = choices.one_of(ODD_VALUES)
        item = choices.one_of([content["images"], content["categories"]])[choices.below(2)]
        item[choices.one_of(["id", "file_name", "width", "name"])] = value
    elif rare == 2:
        content[choices.one_of(["images", "annotations", "categories"])] = choices.one_of(ODD_VALUES)
    elif rare == 3:
        items = choices.one_of([content["images"], content["annotations"], content["categories"]])
        items.append(choices.one_of(ODD_VALUES))
    elif rare == 4:
        content["annotations"] *= 3
    text = json.dumps(content).encode()
    if rare == 15:
        position = choices.below(256) * len(text) // 256
        changed = text[:position] + bytes([choices.below(256)]) + text[position + 1 :]
        text = choices.one_of([text[:position], changed, bytes(data)])
    return text


def _field(value):
    """A value as a field of a row."""
    if isinstance(value, int) and abs(value) >= 2**70:
        return "9" * 400
    return str(value)[:24].replace(" ", "")


def _row(choices):
    """A row of a txt file."""
    has_masks = choices.below(2)
    words = [choices.one_of(["a.jpg", "b.jpg"])]
    for _ in range(choices.below(4)):
        x = choices.below(30)
        y = choices.below(20)
        x2 = x + 1 + choices.below(12)
        y2 = y + 1 + choices.below(12)
        odd_label = choices.one_of([0, 3, "a", -1, 1.5])
        fields = [x, y, x2, y2, choices.one_of([1, 2, 1, 2, 1, 2, 1, odd_label])]
        if choices.below(16) == 15:
            fields[choices.below(4)] = _field(choices.one_of(ODD_VALUES))
        word = ",".join(map(str, fields))
        if has_masks:
            numbers = [_field(choices.number()) for _ in range(choices.one_of([6, 6, 8, 7, 4]))]
            word += ";" + ",".join(numbers)
        words.append(word)
    if choices.below(8) == 7:
        position = choices.below(len(words))
        word = words[position].replace(",", choices.one_of(ODD_WORDS), 1)
        words[position] = choices.one_of([word, choices.one_of(ODD_WORDS)])
    return " ".join(words)


def txt_bytes(data):
    """Rows of the txt format by the choices of `data`."""
    choices = Choices(data)
    rows = [_row(choices) for _ in range(1 + choices.below(3))]
    text = choices.one_of(["\n", "\n", "\r\n"]).join(rows).encode("utf-8", "surrogatepass")
    if choices.below(24) == 23:
        return choices.one_of([b"\xef\xbb\xbf" + text, b"\xff" + text, b"", text + bytes(data)])
    return text
