"""Small sets of label files of every form, and files made of them by random bytes: values, words, cuts.

A set is {path below the folder: bytes}. Its pictures a.png and b.png, of 30x20 pixels, stay as they are.
"""

from __future__ import annotations

import io
import json
import re
from typing import Callable, Dict

import numpy as np
from PIL import Image

from tests.data.annotations.drawn_files import ODD_VALUES, ODD_WORDS, Choices

Files = Dict[str, bytes]
PICTURES = ("a.png", "b.png")
_ODD_XML = [
    "<!ENTITY a 'b'>",
    "<!DOCTYPE a [<!ENTITY a 'b'>]>",
    "&lt;",
    "&a;",
    "<![CDATA[",
    "<!--",
    "<a>" * 200,
]
_ODD_TEXT = [
    "\ufeff",
    "\r\n",
    "\0",
    "\u2028",
    "é",
    "../",
    "[",
    "{",
    "}",
    '"',
    ",",
    ":",
    "*a",
    "&a [*a]",
    "#",
    "---",
]


def _square(choices: Choices):
    x = choices.below(20)
    y = choices.below(10)
    side = 1 + choices.below(9)
    return [[x, y], [x + side, y], [x + side, y + side], [x, y + side]]


def _flat(points):
    return [value for point in points for value in point]


def _json(content) -> bytes:
    return json.dumps(content).encode()


def labelme(choices: Choices) -> Files:
    shape = {"label": "cat", "points": _square(choices), "group_id": None, "shape_type": "polygon"}
    box = {**shape, "shape_type": "rectangle", "points": [[1, 2], [9, 8]], "group_id": 1}
    circle = {**shape, "shape_type": "circle", "points": [[10, 10], [10, 15]], "label": "dog"}
    files = {}
    for name, shapes in (("a", [shape, box]), ("b", [circle])):
        content = {"version": "5.5.0", "shapes": shapes, "imagePath": f"{name}.png", "imageData": None}
        files[f"{name}.json"] = _json({**content, "imageHeight": 20, "imageWidth": 30})
    return files


def yolo(choices: Choices) -> Files:
    points = " ".join(f"{value / 30:.4f}" for value in _flat(_square(choices)))
    folder = choices.one_of(["train: .", "train: [.]", "train: list.txt", "path: .\ntrain: ."])
    return {
        "data.yaml": f"{folder}\nnc: 2\nnames:\n  0: cat\n  1: dog\n".encode(),
        "a.txt": f"0 {points}\n1 0.5 0.5 0.25 0.5\n".encode(),
        "b.txt": f"1 {points}\n".encode(),
        "list.txt": b"./a.png\nb.png\n",
    }


def voc(choices: Choices) -> Files:
    files = {}
    for name in ("a", "b"):
        (left, top), _, (right, bottom), _ = _square(choices)
        box = f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
        item = f"<object><name>cat</name><difficult>0</difficult><bndbox>{box}</bndbox></object>"
        size = "<size><width>30</width><height>20</height><depth>3</depth></size>"
        text = f"<annotation><filename>{name}.png</filename>{size}{item}</annotation>"
        files[f"{name}.xml"] = text.encode()
    return files


def voc_masks(choices: Choices) -> Files:
    files = {
        "ImageSets/Segmentation/train.txt": b"a\nb\n",
        "labelmap.txt": b"background:0,0,0::\ncat:128,0,0::",
    }
    for name in ("a", "b"):
        (left, top), _, (right, bottom), _ = _square(choices)
        pixels = np.zeros((20, 30), np.uint8)
        pixels[top:bottom, left:right] = 1
        for folder in ("SegmentationObject", "SegmentationClass"):
            data = io.BytesIO()
            Image.fromarray(pixels).save(data, "PNG")
            files[f"{folder}/{name}.png"] = data.getvalue()
    return files


def label_studio(choices: Choices) -> Files:
    tasks = []
    for number, name in enumerate(PICTURES):
        points = [[x / 0.3, y / 0.2] for x, y in _square(choices)]
        regions = [
            {"type": "polygonlabels", "value": {"points": points, "polygonlabels": ["cat"]}},
            {"type": "rectanglelabels", "value": {"x": 5, "y": 5, "width": 9, "height": 9}},
            {"type": "brushlabels", "value": {"rle": [0, 0, 9, 96] + [59] * 12, "brushlabels": ["cat"]}},
        ]
        regions[1]["value"].update(rectanglelabels=["dog"], rotation=choices.below(90))
        result = [{**region, "original_width": 30, "original_height": 20} for region in regions]
        annotation = {"id": number, "completed_by": 1, "result": result}
        tasks.append({"id": number, "data": {"image": f"/data/upload/{name}"}, "annotations": [annotation]})
    return {"tasks.json": _json(tasks)}


def via(choices: Choices) -> Files:
    items = {}
    for name in PICTURES:
        points = _square(choices)
        polygon = {
            "name": "polygon",
            "all_points_x": [x for x, _ in points],
            "all_points_y": [y for _, y in points],
        }
        shapes = [polygon, {"name": "rect", "x": 1, "y": 2, "width": 5, "height": 6}]
        regions = [{"shape_attributes": shape, "region_attributes": {"class": "cat"}} for shape in shapes]
        items[name] = {"filename": name, "size": 1, "regions": regions, "file_attributes": {}}
    return {"via.json": _json(items)}


def via_csv(choices: Choices) -> Files:
    columns = "file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
    text = f"filename,{columns}\n"
    for name, item in json.loads(via(choices)["via.json"]).items():
        for region in item["regions"]:
            parts = [json.dumps(region[key]).replace('"', '""') for key in region]
            text += f'{name},1,"{{}}",2,0,"{parts[0]}","{parts[1]}"\n'
    return {"via.csv": text.encode()}


def via3(choices: Choices) -> Files:
    metadata = {
        name: {"vid": str(number), "flg": 0, "z": [], "xy": [7, *_flat(_square(choices))], "av": {"1": "0"}}
        for number, name in enumerate(PICTURES)
    }
    content = {
        "project": {"vid_list": ["0", "1"]},
        "attribute": {"1": {"aname": "class", "options": {"0": "cat"}}},
        "file": {str(i): {"fname": name, "type": 2, "loc": 1} for i, name in enumerate(PICTURES)},
        "view": {"0": {"fid_list": [0]}, "1": {"fid_list": [1]}},
        "metadata": metadata,
    }
    return {"via.json": _json(content)}


# {name: (form, function(choices) -> its files)}
SETS: Dict[str, tuple[str, Callable[[Choices], Files]]] = {
    "labelme": ("labelme", labelme),
    "yolo": ("yolo", yolo),
    "voc": ("voc", voc),
    "voc_masks": ("voc", voc_masks),
    "label_studio": ("label_studio", label_studio),
    "via": ("via", via),
    "via_csv": ("via", via_csv),
    "via3": ("via", via3),
}


def drawn_files(name: str, data: bytes) -> Files:
    """A set of files of a form, changed by the choices of `data`."""
    choices = Choices(data)
    files = SETS[name][1](choices)
    for _ in range(choices.below(4)):
        path = choices.one_of(sorted(files))
        change = choices.one_of([_value, _value, _value, _word, _word, _word, _cut, _byte, _coding, _gone])
        change(choices, files, path)
    return files


def _value(choices, files, path):
    """An odd value in the place of any value of a JSON file; of another file a word."""
    try:
        content = json.loads(files[path])
    except ValueError:
        _word(choices, files, path)
        return
    holder = content
    for _ in range(12):
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            break
        key = choices.one_of(keys)
        if not isinstance(holder[key], (dict, list)) or choices.below(8) == 7:
            if choices.below(6) == 5:
                del holder[key]
            else:
                holder[key] = choices.one_of(ODD_VALUES)
            break
        holder = holder[key]
    files[path] = _json(content)


def _word(choices, files, path):
    """A word, number or mark, replaced, or an odd one put before it."""
    text = files[path].decode("utf-8", "ignore")
    # of XML mostly a text between tags: changed tags are soon no XML
    texts_alone = path.endswith(".xml") and choices.below(4)
    words = list(re.finditer(r"(?<=>)[^<>]+(?=<)" if texts_alone else r"[-\w.]+|[<>/{}\[\]:,]", text))
    if not words or path.endswith(".png"):
        _byte(choices, files, path)
        return
    word = words[(choices.below(256) * 256 + choices.below(256)) % len(words)]
    odd = choices.one_of([*ODD_WORDS, *_ODD_TEXT, *([] if texts_alone else _ODD_XML)])
    end = word.end() if choices.below(2) else word.start()
    files[path] = (text[: word.start()] + odd + text[end:]).encode("utf-8", "surrogatepass")


def _cut(choices, files, path):
    files[path] = files[path][: choices.below(256) * len(files[path]) // 256]


def _byte(choices, files, path):
    data = bytearray(files[path])
    if data:
        data[(choices.below(256) * 256 + choices.below(256)) % len(data)] = choices.below(256)
    files[path] = bytes(data)


def _coding(choices, files, path):
    text = files[path].decode("utf-8", "ignore")
    files[path] = text.replace("\n", "\r\n").encode(
        choices.one_of(["utf-8-sig", "utf-16", "utf-32", "latin-1"]), "ignore"
    )


def _gone(choices, files, path):
    del choices
    if len(files) > 1:
        del files[path]
