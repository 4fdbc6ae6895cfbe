"""Small sets of the forms with masks: PNG files, or PNG in JSON. `form_files` has the others."""

from __future__ import annotations

import base64
import io
import json
import zlib
from typing import Dict, List

import numpy as np
from PIL import Image

from tests.data.annotations.drawn_files import Choices

Files = Dict[str, bytes]
CITYSCAPES_PICTURES = tuple(f"leftImg8bit/train/aachen/{name}_leftImg8bit.png" for name in "ab")


def square(choices: Choices) -> List[List[int]]:
    """The corners [x, y] of a square within a picture of 30x20 pixels."""
    x = choices.below(20)
    y = choices.below(10)
    side = 1 + choices.below(9)
    return [[x, y], [x + side, y], [x + side, y + side], [x, y + side]]


def _image(values: np.ndarray, kind: str = "PNG") -> bytes:
    """A picture file of values."""
    data = io.BytesIO()
    Image.fromarray(values).save(data, kind)
    return data.getvalue()


def _ids(choices: Choices, *values: int, dtype: type = np.uint8, background: int = 0) -> np.ndarray:
    """Squares of these values, the later ones over the earlier ones."""
    pixels = np.full((20, 30), background, dtype)
    for value in values:
        (left, top), _, (right, bottom), _ = square(choices)
        pixels[top:bottom, left:right] = value
    return pixels


def voc_masks(choices: Choices) -> Files:
    files = {
        "ImageSets/Segmentation/train.txt": b"a\nb\n",
        "labelmap.txt": b"background:0,0,0::\ncat:128,0,0::",
    }
    for name in ("a", "b"):
        pixels = _image(_ids(choices, 1))
        for folder in ("SegmentationObject", "SegmentationClass"):
            files[f"{folder}/{name}.png"] = pixels
    return files


def masks(choices: Choices) -> Files:
    """A file with all objects, the same in the folder of a class, and one for each object."""
    return {
        "masks/a.png": _image(_ids(choices, 3, 4)),
        "masks/dog/b.tif": _image(_ids(choices, 3, dtype=np.uint16), "TIFF"),
        "masks/a/cat/1.png": _image(_ids(choices, 255)),
    }


def masks_apart(choices: Choices) -> Files:
    """A folder for each picture."""
    return {f"{name}/masks/dog/2.png": _image(_ids(choices, 255)) for name in ("a", "b")}


def cityscapes(choices: Choices) -> Files:
    """An object, a group and an ignored class on a road, with a list of classes."""
    rows = [f"{number} 0 0 class {number}" for number in range(40)]
    files = {"label_colors.txt": "\n".join(rows).encode()}
    for name in ("a", "b"):
        values = _ids(choices, 26000, 24, 29003, dtype=np.uint16, background=7)
        files[f"gtFine/train/aachen/{name}_gtFine_instanceIds.png"] = _image(values)
    return files


def supervisely(choices: Choices) -> Files:
    """A polygon with a hole, which is one object with another, a rectangle and a bitmap."""
    classes = [{"title": "cat", "shape": "polygon"}, {"title": "dog", "shape": "bitmap"}]
    files = {"meta.json": json.dumps({"classes": classes, "tags": []}).encode()}
    disc = base64.b64encode(zlib.compress(_image(np.array([[0, 1, 1], [1, 1, 0]], np.uint8)))).decode()
    for name in ("a", "b"):
        points = {"exterior": square(choices), "interior": [[[15.5, 8], [20, 8], [20, 12]]]}
        polygon = {"classTitle": "cat", "geometryType": "polygon", "points": points, "instance": "7"}
        whole = {"exterior": [[2, 2], [9, 2], [9, 9]], "interior": []}
        rectangle = {"exterior": [[25, 12], [20, 6]], "interior": []}
        bitmap = {"data": disc, "origin": [5, 9]}
        objects = [
            polygon,
            {**polygon, "points": whole},
            {"classTitle": "dog", "geometryType": "rectangle", "points": rectangle},
            {"classTitle": "dog", "geometryType": "bitmap", "bitmap": bitmap},
        ]
        content = {"size": {"height": 20, "width": 30}, "tags": [], "objects": objects}
        files[f"ds/ann/{name}.png.json"] = json.dumps(content).encode()
    return files
