"""Time the readers of label files on 100,000 drawn objects a form: read and checked, no picture decoded.

    python -m benchmarks.labels.readers
    python -m benchmarks.labels.readers --objects 10000 --forms voc via

10 objects a picture of 640x480, polygons of 20 points; in voc_masks and label_studio_brush masks of 60x40
pixels. Prints for each form a JSON row: seconds on the wall and of the processor, megabytes of labels, and
the largest memory of the process so far. benchmarks.labels.forms times the forms that are written too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, List

import cv2
import numpy as np
from PIL import Image

from src.config import load_config
from src.data.check.data_check import check_data
from src.data_settings import data_check_settings

_WIDTH = 640
_HEIGHT = 480
_EACH = 10  # objects of a picture
_NAMES = [f"class {i}" for i in range(20)]


class _Picture:
    """A picture's drawn objects: class numbers, polygons [20, 2], and corners of masks."""

    def __init__(self, number: int):
        rng = np.random.default_rng(number)
        self.name = f"{number:06d}"
        self.labels = rng.integers(0, len(_NAMES), _EACH).tolist()
        angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        radii = rng.uniform(10, 30, (_EACH, 20, 1))
        centres = rng.uniform([40, 40], [_WIDTH - 40, _HEIGHT - 40], (_EACH, 2))
        self.polygons = centres[:, None] + radii * np.stack([np.cos(angles), np.sin(angles)], 1)
        self.corners = [(x * 64, y * 48) for x, y in zip(range(_EACH), rng.integers(0, 9, _EACH).tolist())]


def _yolo(folder: Path, pictures: List[_Picture]) -> None:
    (folder / "data.yaml").write_text(f"train: .\nnames: {json.dumps(_NAMES)}\n")
    for picture in pictures:
        shares = picture.polygons / [_WIDTH, _HEIGHT]
        rows = [
            f"{label} " + " ".join(f"{value:.6f}" for value in polygon.ravel())
            for label, polygon in zip(picture.labels, shares)
        ]
        (folder / f"{picture.name}.txt").write_text("\n".join(rows))


def _voc(folder: Path, pictures: List[_Picture]) -> None:
    for picture in pictures:
        text = f"<annotation>\n<filename>{picture.name}.png</filename>\n"
        text += f"<size><width>{_WIDTH}</width><height>{_HEIGHT}</height><depth>3</depth></size>\n"
        for label, polygon in zip(picture.labels, picture.polygons):
            sides = np.concatenate([polygon.min(0) + 1, polygon.max(0)]).astype(int).tolist()
            box = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), sides))
            text += f"<object>\n<name>{_NAMES[label]}</name>\n<pose>Unspecified</pose>\n"
            text += f"<truncated>0</truncated>\n<difficult>0</difficult>\n<bndbox>{box}</bndbox>\n</object>\n"
        (folder / f"{picture.name}.xml").write_text(text + "</annotation>")


def _voc_masks(folder: Path, pictures: List[_Picture]) -> None:
    for part in ("SegmentationObject", "SegmentationClass"):
        (folder / part).mkdir()
    for picture in pictures:
        objects = np.zeros((_HEIGHT, _WIDTH), np.uint8)
        classes = objects.copy()
        for number, (label, (x, y)) in enumerate(zip(picture.labels, picture.corners), 1):
            objects[y : y + 40, x : x + 60] = number
            classes[y : y + 40, x : x + 60] = label + 1
        Image.fromarray(objects).save(folder / "SegmentationObject" / f"{picture.name}.png")
        Image.fromarray(classes).save(folder / "SegmentationClass" / f"{picture.name}.png")


def _label_studio(folder: Path, pictures: List[_Picture], brush: bool = False) -> None:
    tasks = []
    for picture in pictures:
        result = []
        for label, polygon, corner in zip(picture.labels, picture.polygons, picture.corners):
            value = {"points": (polygon / [_WIDTH / 100, _HEIGHT / 100]).tolist()}
            kind = "brushlabels" if brush else "polygonlabels"
            if brush:
                value = {"format": "rle", "rle": _brush(*corner)}
            value[kind] = [_NAMES[label]]
            size = {"original_width": _WIDTH, "original_height": _HEIGHT, "image_rotation": 0}
            result.append({"id": "x", "type": kind, **size, "value": value})
        data = {"image": f"/data/upload/1/{picture.name}.png"}
        annotations = [{"id": 1, "completed_by": 1, "result": result}]
        tasks.append({"id": len(tasks) + 1, "annotations": annotations, "data": data})
    (folder / "export.json").write_text(json.dumps(tasks))


def _label_studio_brush(folder: Path, pictures: List[_Picture]) -> None:
    _label_studio(folder, pictures, brush=True)


def _brush(x: int, y: int) -> List[int]:
    """The rle-pack bytes of a mask of 60x40 pixels: runs with lengths of 16 bits alone."""
    mask = np.zeros((_HEIGHT, _WIDTH), np.uint8)
    mask[y : y + 40, x : x + 60] = 255
    values = mask.ravel().repeat(4)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1, [len(values)]])
    bits = f"{len(values):032b}{7:05b}" + f"{15:04b}" * 4
    for start, end in zip(starts[:-1], starts[1:]):
        for first in range(start, end, 65536):
            bits += f"100{min(end - first, 65536) - 1:016b}{values[start]:08b}"
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def _via(folder: Path, pictures: List[_Picture]) -> None:
    content = {}
    for picture in pictures:
        regions = [
            {
                "shape_attributes": {
                    "name": "polygon",
                    "all_points_x": polygon[:, 0].tolist(),
                    "all_points_y": polygon[:, 1].tolist(),
                },
                "region_attributes": {"class": _NAMES[label]},
            }
            for label, polygon in zip(picture.labels, picture.polygons)
        ]
        name = f"{picture.name}.png"
        content[f"{name}1"] = {"filename": name, "size": 1, "regions": regions, "file_attributes": {}}
    (folder / "via.json").write_text(json.dumps(content))


def _lvis(folder: Path, pictures: List[_Picture]) -> None:
    images = []
    annotations = []
    for number, picture in enumerate(pictures, 1):
        url = f"http://images.cocodataset.org/train2017/{picture.name}.png"
        size = {"width": _WIDTH, "height": _HEIGHT}
        images.append({"id": number, "coco_url": url, **size, "neg_category_ids": [1]})
        for label, polygon in zip(picture.labels, picture.polygons):
            x, y, right, bottom = (*polygon.min(0).tolist(), *polygon.max(0).tolist())
            item = {"id": len(annotations) + 1, "image_id": number, "category_id": label + 1}
            box = [x, y, right - x, bottom - y]
            area = float(abs(np.cross(polygon, np.roll(polygon, -1, 0)).sum()) / 2)
            annotations.append(
                {**item, "bbox": box, "area": area, "segmentation": [polygon.ravel().tolist()]}
            )
    categories = [{"id": i, "name": name, "synset": name} for i, name in enumerate(_NAMES, 1)]
    content = {"annotations": annotations, "images": images, "categories": categories}
    (folder / "lvis_train.json").write_text(json.dumps(content))


_FORMS: Dict[str, Callable[[Path, List[_Picture]], None]] = {
    "yolo": _yolo,
    "voc": _voc,
    "voc_masks": _voc_masks,
    "label_studio": _label_studio,
    "label_studio_brush": _label_studio_brush,
    "via": _via,
    "lvis": _lvis,
}


def measure(form: str, objects: int, folder: Path) -> Dict[str, object]:
    """A row of figures of a form."""
    pictures = [_Picture(number) for number in range(objects // _EACH)]
    first = folder / f"{pictures[0].name}.png"
    cv2.imwrite(str(first), np.zeros((_HEIGHT, _WIDTH, 3), np.uint8))
    for picture in pictures[1:]:
        os.link(first, folder / f"{picture.name}.png")
    _FORMS[form](folder, pictures)
    labels = sum(
        path.stat().st_size for path in folder.rglob("*") if path.parent != folder or path.suffix != ".png"
    )
    settings = load_config(["dataset=auto", f"coco_root={folder}", "coco_classes=auto", "check_data=off"])
    started = time.monotonic()
    processor = time.process_time()
    check = check_data(data_check_settings(settings), quiet=True)
    return {
        "form": form,
        "objects": sum(len(record.labels) for record in check.source.records),
        "seconds": round(time.monotonic() - started, 1),
        "processor_seconds": round(time.process_time() - processor, 1),
        "label_megabytes": round(labels / 1e6, 1),
        "largest_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "findings": check.findings.counts,
    }


def main() -> None:
    """Measure the forms that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--forms", nargs="+", choices=_FORMS, default=list(_FORMS))
    args = parser.parse_args()
    for form in args.forms:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(form, args.objects, Path(folder))), flush=True)


if __name__ == "__main__":
    main()
