"""Small sets of label files of every form.

A set is {path below the folder: bytes}. Its pictures, of 30x20 pixels, stay as they are.
"""

from __future__ import annotations

import json
from typing import Callable, Dict, NamedTuple, Sequence

from tests.data.annotations.drawn_files import Choices
from tests.fuzz import mask_files

Files = Dict[str, bytes]
PICTURES = ("a.png", "b.png")


class FormSet(NamedTuple):
    """A small set.

    Attributes:
        form: as the key `dataset` has it.
        draw: Choices -> its files.
        pictures: the paths of its pictures below the folder.
    """

    form: str
    draw: Callable[[Choices], Files]
    pictures: Sequence[str] = PICTURES


def _flat(points):
    return [value for point in points for value in point]


def _json(content) -> bytes:
    return json.dumps(content).encode()


def labelme(choices: Choices) -> Files:
    shape = {"label": "cat", "points": mask_files.square(choices), "group_id": None, "shape_type": "polygon"}
    box = {**shape, "shape_type": "rectangle", "points": [[1, 2], [9, 8]], "group_id": 1}
    circle = {**shape, "shape_type": "circle", "points": [[10, 10], [10, 15]], "label": "dog"}
    files = {}
    for name, shapes in (("a", [shape, box]), ("b", [circle])):
        content = {"version": "5.5.0", "shapes": shapes, "imagePath": f"{name}.png", "imageData": None}
        files[f"{name}.json"] = _json({**content, "imageHeight": 20, "imageWidth": 30})
    return files


def yolo(choices: Choices) -> Files:
    points = " ".join(f"{value / 30:.4f}" for value in _flat(mask_files.square(choices)))
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
        (left, top), _, (right, bottom), _ = mask_files.square(choices)
        box = f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
        item = f"<object><name>cat</name><difficult>0</difficult><bndbox>{box}</bndbox></object>"
        size = "<size><width>30</width><height>20</height><depth>3</depth></size>"
        text = f"<annotation><filename>{name}.png</filename>{size}{item}</annotation>"
        files[f"{name}.xml"] = text.encode()
    return files


def label_studio(choices: Choices) -> Files:
    tasks = []
    for number, name in enumerate(PICTURES):
        points = [[x / 0.3, y / 0.2] for x, y in mask_files.square(choices)]
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
        points = mask_files.square(choices)
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
    metadata = {}
    for number, name in enumerate(PICTURES):
        shape = [7, *_flat(mask_files.square(choices))]
        metadata[name] = {"vid": str(number), "flg": 0, "z": [], "xy": shape, "av": {"1": "0"}}
    content = {
        "project": {"vid_list": ["0", "1"]},
        "attribute": {"1": {"aname": "class", "options": {"0": "cat"}}},
        "file": {str(i): {"fname": name, "type": 2, "loc": 1} for i, name in enumerate(PICTURES)},
        "view": {"0": {"fid_list": [0]}, "1": {"fid_list": [1]}},
        "metadata": metadata,
    }
    return {"via.json": _json(content)}


def cvat(choices: Choices) -> Files:
    """All shapes that CVAT has, two of them in one group."""
    points = ";".join(f"{x},{y}" for x, y in mask_files.square(choices))
    crowd = '<attribute name="is_crowd">true</attribute>'
    grouped = f'<polygon label="car" points="{points}" group_id="1">{crowd}</polygon>'
    shapes = [
        '<box label="plate" xtl="20.5" ytl="5" xbr="27.5" ybr="9" occluded="1" z_order="4"></box>',
        '<box label="car" xtl="10" ytl="10" xbr="20" ybr="15" rotation="30"/>',
        f'<polygon label="car" points="{points}" z_order="1"/>',
        '<ellipse label="car" cx="15" cy="10" rx="6" ry="3" rotation="9"/>',
        '<mask label="car" source="manual" rle="2, 3, 1, 5, 1" left="5" top="9" width="4" height="3"></mask>',
        '<polyline label="car" points="1,1;5,5"/>',
        '<points label="car" points="1,1"/>',
        '<skeleton label="car"><points label="1" points="5,9"/></skeleton>',
        '<tag label="good"/>',
        '<cuboid label="car" xtl1="1" ytl1="1"/>',
        *[grouped] * 2,
    ]
    labels = "".join(f"<label><name>{name}</name><type>any</type></label>" for name in ("plate", "car"))
    meta = f"<version>1.1</version><meta><task><labels>{labels}</labels></task></meta>"
    files = {}
    for name in ("a", "b"):
        image = f'<image id="0" name="{name}.png" subset="train" width="30" height="20">'
        text = "\n".join(["<annotations>", meta, image, *shapes, "</image>", "</annotations>"])
        files[f"{name}.xml"] = text.encode()
    return files


SETS: Dict[str, FormSet] = {
    "labelme": FormSet("labelme", labelme),
    "yolo": FormSet("yolo", yolo),
    "voc": FormSet("voc", voc),
    "voc_masks": FormSet("voc", mask_files.voc_masks, ("JPEGImages/a.png", "JPEGImages/b.png")),
    "label_studio": FormSet("label_studio", label_studio),
    "via": FormSet("via", via),
    "via_csv": FormSet("via", via_csv),
    "via3": FormSet("via", via3),
    "cvat": FormSet("cvat", cvat, ("images/a.png", "images/b.png")),
    "supervisely": FormSet("supervisely", mask_files.supervisely, ("ds/img/a.png", "ds/img/b.png")),
    "masks": FormSet("masks", mask_files.masks, ("images/a.jpg", "images/b.jpg")),
    "masks_apart": FormSet("masks", mask_files.masks_apart, ("a/images/1.png", "b/images/1.png")),
    "cityscapes": FormSet("cityscapes", mask_files.cityscapes, mask_files.CITYSCAPES_PICTURES),
}
