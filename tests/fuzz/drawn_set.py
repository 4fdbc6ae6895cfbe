"""A small drawn data set in COCO's form, in memory until it is written so that faults can change it all."""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import numpy as np
from PIL import Image, ImageDraw
from pycocotools import mask as mask_api

SPLITS = ("train2017", "val2017")
PICTURES = {"train2017": 4, "val2017": 2}
CATEGORIES = ((3, "square"), (7, "disc"), (8, "bar"))


@dataclass
class DrawnSplit:
    """One split.

    Attributes:
        name: its folder's, as "train2017".
        content: the annotation file's; a dict until a fault of the whole file puts something else there.
        pictures: {name below the picture folder: the file's bytes}. None stands for a folder of that name.
        raw: {a text in `content`: what is written instead of it and its quotation marks}, for numbers that
            Python's JSON cannot write.
        encode: the annotation file's bytes from its text; None where there is no file.
        on_disk: {image id: its picture's file} of images that are called otherwise in the annotation file.
    """

    name: str
    content: Any
    pictures: Dict[str, Optional[bytes]]
    raw: Dict[str, str] = field(default_factory=dict)
    encode: Optional[Callable[[str], bytes]] = str.encode
    on_disk: Dict[int, str] = field(default_factory=dict)

    def entries(self, key: str) -> List[dict]:
        """The dicts in the list that `content` has at a key; those that a fault has replaced are left out."""
        values = self.content.get(key) if isinstance(self.content, dict) else None
        return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []

    @property
    def images(self) -> List[dict]:
        return self.entries("images")

    @property
    def objects(self) -> List[dict]:
        return self.entries("annotations")

    @property
    def categories(self) -> List[dict]:
        return self.entries("categories")

    def objects_of(self, image: dict) -> List[dict]:
        return [item for item in self.objects if item.get("image_id") == image.get("id")]

    def image_of(self, item: dict) -> dict:
        """The image of an annotation; one of 96x96 where a fault has separated them."""
        images = (image for image in self.images if image.get("id") == item.get("image_id"))
        return next(images, {"width": 96, "height": 96})

    def rename(self, image: dict, name: str, on_disk: Optional[str] = None) -> None:
        """Give an image another name in the annotation file, and its picture too or a name of its own."""
        before = self.on_disk.pop(image["id"], image["file_name"])
        image["file_name"] = name
        if before in self.pictures:
            self.on_disk[image["id"]] = on_disk or name
            self.pictures[on_disk or name] = self.pictures.pop(before)


@dataclass
class DrawnSet:
    """A data set with its faults.

    Attributes:
        seed: from which it was drawn.
        splits: training and validation.
        words: settings that belong to it.
        faults: the names of its faults.
    """

    seed: int
    splits: List[DrawnSplit]
    words: List[str]
    faults: List[str] = field(default_factory=list)

    @property
    def train(self) -> DrawnSplit:
        return self.splits[0]

    @property
    def val(self) -> DrawnSplit:
        return self.splits[1]

    def write(self, root: Path) -> None:
        """Write it into a new folder, with annotations/, train2017/ and val2017/."""
        (root / "annotations").mkdir(parents=True)
        for split in self.splits:
            folder = root / split.name
            folder.mkdir()
            for name, data in split.pictures.items():
                _write_picture(folder, name, data)
            text = json.dumps(split.content)
            for mark, replacement in split.raw.items():
                text = text.replace(json.dumps(mark), replacement)
            if split.encode is not None:
                path = root / "annotations" / f"instances_{split.name}.json"
                path.write_bytes(split.encode(text))


def _write_picture(folder: Path, name: str, data: Optional[bytes]) -> None:
    """Write a picture's bytes, unless no file can have the name or it leads out of the folder."""
    path = os.path.normpath(os.path.join(folder, name))
    if not path.startswith(f"{folder}{os.sep}"):
        return
    try:
        os.makedirs(path if data is None else os.path.dirname(path), exist_ok=True)
        if data is not None and not os.path.isdir(path):
            Path(path).write_bytes(data)
    except (ValueError, OSError):
        # a NUL, a lone surrogate, or too long a name: the picture is missing then
        return


def picture_bytes(picture: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    """A Pillow image as the bytes of a file."""
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def box_of(item: dict) -> List[float]:
    """The box x, y, width, height of an annotation; some box where a fault has replaced it."""
    box = item.get("bbox")
    is_box = isinstance(box, list) and len(box) == 4 and all(type(n) in (int, float) for n in box)
    return box if is_box and all(abs(n) < 1e6 for n in box) else [10.0, 10.0, 30.0, 20.0]


def outline(box: List[float]) -> List[float]:
    """An octagon that touches the four sides of a box x, y, width, height, as x, y, x, y, ..."""
    x, y, width, height = box
    steps = ((1, 0), (3, 0), (4, 1), (4, 3), (3, 4), (1, 4), (0, 3), (0, 1))
    points = [(x + width * across / 4, y + height * down / 4) for across, down in steps]
    return [round(value, 2) for point in points for value in point]


def compressed_rle(polygon: List[float], height: int, width: int) -> dict:
    """A polygon as COCO's compressed RLE, its counts as text."""
    rle = mask_api.frPyObjects([polygon], height, width)[0]
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def list_rle(polygon: List[float], height: int, width: int) -> dict:
    """A polygon as COCO's uncompressed RLE: run lengths, column by column, from a run of zeros."""
    pixels = mask_api.decode(mask_api.frPyObjects([polygon], height, width)[0]).reshape(-1, order="F")
    changes = np.flatnonzero(np.diff(pixels)) + 1
    runs = np.diff([0, *changes.tolist(), len(pixels)]).tolist()
    return {"size": [height, width], "counts": ([0] if pixels[0] else []) + runs}


def draw_set(seed: int, generator: np.random.Generator, form: Optional[str] = None) -> DrawnSet:
    """A data set without faults.

    Args:
        seed: under which it is known.
        generator: of what is drawn at random.
        form: "polygons", "rle", "mixed" (both) or "boxes" (no masks); drawn if it is None.
    """
    form = form or str(generator.choice(["polygons", "polygons", "polygons", "rle", "mixed", "boxes"]))
    splits = []
    for name in SPLITS:
        split = DrawnSplit(name, {}, {})
        split.content = {
            "images": [],
            "annotations": [],
            "categories": [{"id": number, "name": text} for number, text in CATEGORIES],
        }
        for number in range(1, PICTURES[name] + 1):
            _draw_picture(split, number, form, generator)
        splits.append(split)
    words = ["bad_pictures=skip"] if generator.random() < 0.6 else []
    words += ["keep_empty=True"] if generator.random() < 0.3 else []
    words += ["eval_classes=common"] if generator.random() < 0.3 else []
    return DrawnSet(seed, splits, words)


def _draw_picture(split: DrawnSplit, number: int, form: str, generator: np.random.Generator) -> None:
    """Add a picture with two to four objects to a split."""
    height, width = (int(side) for side in generator.integers(80, 112, 2))
    picture = Image.fromarray(generator.integers(0, 80, (height, width, 3), dtype=np.uint8))
    canvas = ImageDraw.Draw(picture)
    image = {"id": 10 * number, "file_name": f"{number:06d}.jpg", "height": height, "width": width}
    split.content["images"].append(image)
    for _ in range(int(generator.integers(2, 5))):
        low = generator.uniform(0, 0.55, 2) * (width, height)
        size = generator.uniform(0.2, 0.43, 2) * (width, height)
        box = [round(float(value), 2) for value in (*low, *size)]
        polygon = outline(box)
        canvas.polygon(polygon, fill=tuple(generator.integers(120, 256, 3).tolist()))
        item = {
            "id": len(split.content["annotations"]) + 1,
            "image_id": image["id"],
            "category_id": int(generator.choice([number for number, _ in CATEGORIES])),
            "iscrowd": int(generator.random() < 0.08),
            "bbox": box,
            "area": round(box[2] * box[3] * 7 / 8, 2),
        }
        if item["iscrowd"]:
            item["segmentation"] = list_rle(polygon, height, width)
        elif form == "rle" or (form == "mixed" and generator.random() < 0.5):
            item["segmentation"] = compressed_rle(polygon, height, width)
        elif form != "boxes":
            item["segmentation"] = [polygon]
        split.content["annotations"].append(item)
    split.pictures[image["file_name"]] = picture_bytes(picture, quality=90)
