"""Both readers on thousands of made files: never an exception that is not the project's own, and records that hold what they promise.

Hypothesis draws bytes, and `Source` turns them into a file: mostly a well-formed one with a few values replaced by odd ones, so that the checks
of single records are reached, sometimes with its text cut or changed.
"""

from __future__ import annotations

import collections
import json
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from src.config import load_config
from src.data.annotations.coco_reader import read_coco
from src.data.annotations.txt_reader import read_txt
from src.data.findings import Findings
from src.data.images.masks import rle_counts
from src.errors import UserError

ODD = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    3,
    7,
    2**31,
    2**40,
    2**63,
    -(2**70),
    10**400,
    0.5,
    -0.0,
    3.0,
    5e-324,
    1e-246,
    1e-12,
    1e9,
    1e30,
    -1e300,
    1e400,
    float("nan"),
    float("-inf"),
    "",
    "1",
    "3",
    " 7 ",
    "1.5",
    "a",
    "\ud800",
    "\0",
    "a\nb",
    "../x",
    "/x",
    "a.jpg",
    [],
    [[]],
    [1],
    {},
    {"id": 1},
    [None],
    [[1, 2]],
    {"size": [20, 30], "counts": [600]},
    {"size": [20, 30], "counts": "oooo"},
    {"size": [0, 0], "counts": []},
    {"size": None, "counts": 5},
    {"size": [20, 30], "counts": [100, 200, 300]},
    {"size": [2**40, 2**40], "counts": "P1"},
    [[0, 0, 1, 1, 2, 2, 3, 3]],
    [0, 0, 9, 0, 9, 9],
]
ODD_WORDS = [
    "",
    "x",
    "nan",
    "inf",
    "1e400",
    "-5",
    "0",
    "7",
    "1_0",
    "\u0661",
    "1;2",
    ",",
    ";",
    "\t",
    "\0",
    "\ufeff",
    "\x85",
    "b c.jpg",
    "../a.jpg",
    "9" * 30,
    "a.jpg",
    "1,2,3,4,1",
]


class Source:
    """Choices out of drawn bytes, and zeros when they are used up: the end of shrinking is the plain file."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def upto(self, count):
        """A whole number from 0 to count - 1."""
        self.at += 1
        return (self.data[self.at - 1] if self.at <= len(self.data) else 0) % count

    def of(self, items):
        return items[self.upto(len(items))]

    def number(self):
        """Mostly within a picture of 30x20, sometimes odd."""
        if self.upto(12) == 11:
            return self.of(ODD)
        value = self.upto(256) / 8
        return value - 2 if self.upto(4) == 3 else value


def annotation(source, number):
    x, y, w, h = (source.upto(64) / 4 for _ in range(4))
    item = {
        "id": number,
        "image_id": 1 + source.upto(2),
        "category_id": source.of([3, 3, 7]),
        "bbox": [x, y, w + 0.5, h + 0.5],
        "iscrowd": 0,
        "area": w * h,
        "segmentation": [
            [source.number() for _ in range(source.of([6, 8, 12, 6, 8, 7, 4]))]
            for _ in range(source.of([1, 1, 2, 0]))
        ],
    }
    kind = source.upto(8)
    if kind == 1:
        item["segmentation"] = {"size": [20, 30], "counts": [100, source.upto(200), 300]}
        item["segmentation"]["counts"].append(600 - sum(item["segmentation"]["counts"]))
    elif kind == 2:
        item["segmentation"] = {
            "size": [20, 30],
            "counts": "".join(chr(48 + source.upto(64)) for _ in range(source.upto(12))),
        }
    elif kind == 3:
        item["bbox"] = [source.number() for _ in range(4)]
    for _ in range(source.of([0, 1, 0, 2])):
        key = source.of(
            ["id", "image_id", "category_id", "bbox", "segmentation", "iscrowd", "area", "is_crowd"]
        )
        if source.upto(6) == 5:
            item.pop(key, None)
        else:
            item[key] = source.of(ODD)
    return item


def coco_bytes(data):
    """A COCO-like file of drawn bytes."""
    source = Source(data)
    content = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 30, "height": 20} for i in (1, 2)],
        "annotations": [annotation(source, number) for number in range(1, 2 + source.upto(4))],
        "categories": [{"id": 3, "name": "square"}, {"id": 7, "name": "disc"}],
    }
    rare = source.upto(16)
    if rare == 1:
        source.of([content["images"], content["categories"]])[source.upto(2)][
            source.of(["id", "file_name", "width", "name"])
        ] = source.of(ODD)
    elif rare == 2:
        content[source.of(["images", "annotations", "categories"])] = source.of(ODD)
    elif rare == 3:
        source.of([content["images"], content["annotations"], content["categories"]]).append(source.of(ODD))
    elif rare == 4:
        content["annotations"] *= 3
    text = json.dumps(content).encode()
    if rare == 15:
        place = source.upto(256) * len(text) // 256
        text = source.of(
            [text[:place], text[:place] + bytes([source.upto(256)]) + text[place + 1 :], bytes(data)]
        )
    return text


def spelled(value):
    """A value as a field of a row."""
    return str(value)[:24].replace(" ", "") if not isinstance(value, int) or abs(value) < 2**70 else "9" * 400


def txt_bytes(data):
    """Rows of drawn bytes."""
    source, rows = Source(data), []
    for _ in range(1 + source.upto(3)):
        masks, words = source.upto(2), [source.of(["a.jpg", "b.jpg"])]
        for _ in range(source.upto(4)):
            x, y = source.upto(30), source.upto(20)
            fields = [
                x,
                y,
                x + 1 + source.upto(12),
                y + 1 + source.upto(12),
                source.of([1, 2, 1, 2, 1, 2, 1, source.of([0, 3, "a", -1, 1.5])]),
            ]
            if source.upto(16) == 15:
                fields[source.upto(4)] = spelled(source.of(ODD))
            word = ",".join(map(str, fields))
            if masks:
                word += ";" + ",".join(spelled(source.number()) for _ in range(source.of([6, 6, 8, 7, 4])))
            words.append(word)
        if source.upto(8) == 7:
            place = source.upto(len(words))
            words[place] = source.of(
                [words[place].replace(",", source.of(ODD_WORDS), 1), source.of(ODD_WORDS)]
            )
        rows.append(" ".join(words))
    text = source.of(["\n", "\n", "\r\n"]).join(rows).encode("utf-8", "surrogatepass")
    return (
        text
        if source.upto(24) != 23
        else source.of([b"\xef\xbb\xbf" + text, b"\xff" + text, b"", text + bytes(data)])
    )


def holds(source, highest=None):
    """What a Record promises; highest: the number of classes, where the file may not bring its own (a check goes on with names that it does not know)."""
    highest = highest or len(source.class_names) - 1
    for record in source.records:
        count = len(record.labels)
        assert {
            len(column) for column in (record.boxes, record.crowd, record.annotation_ids, record.areas)
        } <= {count}
        assert (
            (record.boxes[:, 2:] > record.boxes[:, :2]).all()
            and (record.boxes >= 0).all()
            and (record.boxes <= [record.width, record.height] * 2).all()
        )
        assert ((record.labels >= 1) & (record.labels <= highest)).all() and (record.areas >= 0).all()
        for mask, crowd in zip(record.segmentations or (), record.crowd):
            assert mask is not None or crowd
            if isinstance(mask, dict):
                assert rle_counts(mask).sum() == record.width * record.height
            else:
                assert all(
                    len(polygon) >= 6 and len(polygon) % 2 == 0 and np.isfinite(polygon).all()
                    for polygon in mask or ()
                )


def run(reader, make, config, folder, count, highest):
    """Read `count` files twice, as training (the first fatal mistake ends it) and as a check (it goes on); returns how many inputs got how far."""
    seen = collections.Counter()
    memory = os.memfd_create(
        "annotations"
    )  # a file on the disk takes longer to write than the reader to read
    path = f"/proc/self/fd/{memory}"

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.binary(min_size=40, max_size=200))
    def one(data):
        os.ftruncate(memory, 0)
        os.pwrite(memory, make(data), 0)
        seen["inputs"] += 1
        for collect in (False, True):
            findings = Findings(path, collect=collect)
            try:
                holds(reader(config, path, folder, findings), None if collect else highest)
                seen["read" if not collect else "checked to the end"] += 1
            except UserError as error:
                assert "\n" not in str(error) and path in str(error)
            assert all("\n" not in line and line.isprintable() for line in findings.summary())
            json.dumps(findings.as_json())
            seen.update(findings.counts if collect else ())

    one()
    os.close(memory)
    return seen


def coco(config, path, folder, findings):
    return read_coco(config, ann_file=path, picture_folder=folder, findings=findings)


def txt(config, path, folder, findings):
    return read_txt(config, anno_path=path, findings=findings)


@pytest.mark.parametrize(
    "count", [1000, pytest.param(50_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
@pytest.mark.parametrize("form", ["coco", "txt"])
def test_any_file_gives_records_or_a_user_error(form, count, tmp_path):
    if form == "coco":
        seen = run(
            coco, coco_bytes, load_config(["coco_classes=[background,square,disc]"]), tmp_path, count, 2
        )
        kinds = {
            "box_empty",
            "box_outside",
            "box_partly",
            "polygon_odd",
            "polygon_far",
            "polygon_crossing",
            "rle_corrupt",
            "annotation_category",
            "respelled",
            "annotation_id",
            "mask_missing",
            "file_syntax",
            "file_form",
        }
    else:
        for name in ("a.jpg", "b.jpg"):
            Image.new("RGB", (30, 20)).save(tmp_path / name)
        config = load_config(
            ["dataset=other", f"IMAGE_DIR={tmp_path}", "coco_classes=[background,square,disc]"]
        )
        seen = run(txt, txt_bytes, config, tmp_path, count, 2)
        kinds = {
            "row_form",
            "row_number",
            "row_class",
            "box_partly",
            "polygon_odd",
            "masks_mixed",
            "windows_line_ends",
            "picture_missing",
        }
    assert seen["inputs"] >= count
    # a reader that comes to its end has parsed the file and checked its records one by one
    assert seen["checked to the end"] >= 0.5 * seen["inputs"], seen
    assert kinds - set(seen) == set()
