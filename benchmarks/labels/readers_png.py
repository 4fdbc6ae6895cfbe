"""Time reading and checking 100,000 objects of the forms with mask files and of CVAT, Roboflow, Supervisely.

    python -m benchmarks.labels.readers_png
    python -m benchmarks.labels.readers_png --objects 10000 --forms masks cvat --width 2048 --height 1024

Pictures of 640x480 with 20 discs each are drawn: polygons of 32 points for CVAT and Roboflow, masks for the
others. `files` is dataset=masks with a file for each object. Prints a JSON object: seconds of
`read_annotations` in this process (wall and processor) and the megabytes of labels. The check of the pictures
themselves is not in it: `benchmarks.data check` measures that.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import cv2
import numpy as np

from src.config import load_config
from src.data.findings import Findings
from src.data.sources.read import read_annotations
from src.data_settings import annotation_settings

OBJECTS_A_PICTURE = 20
_POINTS = 32


class Scene:
    """Drawn discs of pictures.

    Args:
        width, height: of the pictures, in pixels.
        objects: how many in all.
    """

    def __init__(self, width: int, height: int, objects: int):
        self.width = width
        self.height = height
        self.pictures = -(-objects // OBJECTS_A_PICTURE)
        self.largest = min(width, height) // 12
        done, data = cv2.imencode(".jpg", np.full((height, width, 3), 99, np.uint8))
        assert done
        self.picture = data.tobytes()

    def write_picture(self, folder: Path, name: str) -> None:
        """A picture; all are links to one file of the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        first = folder / ".picture"
        if not first.exists():
            first.write_bytes(self.picture)
        os.link(first, folder / name)

    def discs(self, number: int) -> Iterator[Tuple[float, float, float]]:
        """(x, y, radius) of a picture's discs, which do not cover each other."""
        rng = np.random.default_rng(number)
        for index in range(OBJECTS_A_PICTURE):
            row, column = divmod(index, 5)
            x = (column + 0.5) * self.width / 5
            y = (row + 0.5) * self.height / 4
            yield x, y, float(rng.uniform(0.3, 1)) * self.largest

    def outlines(self, number: int) -> Iterator[np.ndarray]:
        angles = np.linspace(0, 2 * np.pi, _POINTS, endpoint=False)
        for x, y, radius in self.discs(number):
            yield np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], 1).round(2)

    def ids(self, number: int, values: List[int]) -> np.ndarray:
        mask = np.zeros((self.height, self.width), np.uint16)
        for value, (x, y, radius) in zip(values, self.discs(number)):
            cv2.circle(mask, (int(x), int(y)), int(radius), value, -1)
        return mask


def draw_masks(root: Path, scene: Scene) -> None:
    (root / "masks").mkdir(parents=True)
    for number in range(scene.pictures):
        scene.write_picture(root / "images", f"{number:06d}.jpg")
        values = scene.ids(number, list(range(1, OBJECTS_A_PICTURE + 1))).astype(np.uint8)
        cv2.imwrite(str(root / "masks" / f"{number:06d}.png"), values)


def draw_files(root: Path, scene: Scene) -> None:
    for number in range(scene.pictures):
        scene.write_picture(root / "images", f"{number:06d}.jpg")
        folder = root / "masks" / f"{number:06d}"
        folder.mkdir(parents=True)
        ids = scene.ids(number, list(range(1, OBJECTS_A_PICTURE + 1)))
        for value in range(1, OBJECTS_A_PICTURE + 1):
            cv2.imwrite(str(folder / f"{value}.png"), np.where(ids == value, 255, 0).astype(np.uint8))


def draw_cityscapes(root: Path, scene: Scene) -> None:
    folder = root / "gtFine" / "train" / "city"
    folder.mkdir(parents=True)
    for number in range(scene.pictures):
        scene.write_picture(root / "leftImg8bit" / "train" / "city", f"{number:06d}_leftImg8bit.png")
        values = scene.ids(number, [26000 + index for index in range(OBJECTS_A_PICTURE)])
        cv2.imwrite(str(folder / f"{number:06d}_gtFine_instanceIds.png"), np.where(values, values, 7))


def draw_cvat(root: Path, scene: Scene) -> None:
    lines = ["<annotations><version>1.1</version><meta/>"]
    for number in range(scene.pictures):
        scene.write_picture(root / "images", f"{number:06d}.jpg")
        lines.append(
            f'<image id="{number}" name="{number:06d}.jpg" width="{scene.width}" height="{scene.height}">'
        )
        for outline in scene.outlines(number):
            points = ";".join(f"{x:.2f},{y:.2f}" for x, y in outline)
            lines.append(f'<polygon label="disc" occluded="0" z_order="0" points="{points}"></polygon>')
        lines.append("</image>")
    (root / "annotations.xml").write_text("\n".join([*lines, "</annotations>"]), encoding="utf-8")


def draw_roboflow(root: Path, scene: Scene) -> None:
    images: List[Any] = []
    annotations: List[Any] = []
    for number in range(scene.pictures):
        name = f"{number:06d}.jpg"
        scene.write_picture(root / "train", name)
        images.append({"id": number, "file_name": name, "width": scene.width, "height": scene.height})
        for outline in scene.outlines(number):
            low = outline.min(0)
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": number,
                    "category_id": 1,
                    "bbox": [*low.tolist(), *(outline.max(0) - low).tolist()],
                    "segmentation": [outline.ravel().tolist()],
                    "iscrowd": 0,
                }
            )
    categories = [{"id": 0, "name": "discs", "supercategory": "none"}]
    categories.append({"id": 1, "name": "disc", "supercategory": "discs"})
    content = {"categories": categories, "images": images, "annotations": annotations}
    (root / "train" / "_annotations.coco.json").write_text(json.dumps(content), encoding="utf-8")


def draw_supervisely(root: Path, scene: Scene) -> None:
    folder = root / "data" / "ann"
    folder.mkdir(parents=True)
    (root / "meta.json").write_text(json.dumps({"classes": [{"title": "disc", "shape": "bitmap"}]}))
    for number in range(scene.pictures):
        scene.write_picture(root / "data" / "img", f"{number:06d}.jpg")
        objects = []
        for x, y, radius in scene.discs(number):
            side = 2 * int(radius) + 1
            disc = np.zeros((side, side), np.uint8)
            cv2.circle(disc, (int(radius), int(radius)), int(radius), 1, -1)
            data = base64.b64encode(zlib.compress(cv2.imencode(".png", disc)[1].tobytes())).decode()
            bitmap = {"data": data, "origin": [int(x - radius), int(y - radius)]}
            objects.append({"classTitle": "disc", "geometryType": "bitmap", "bitmap": bitmap})
        content = {"size": {"width": scene.width, "height": scene.height}, "tags": [], "objects": objects}
        (folder / f"{number:06d}.jpg.json").write_text(json.dumps(content))


DRAWN: Dict[str, Callable[[Path, Scene], None]] = {
    "masks": draw_masks,
    "files": draw_files,
    "cityscapes": draw_cityscapes,
    "cvat": draw_cvat,
    "roboflow": draw_roboflow,
    "supervisely": draw_supervisely,
}


def measure(root: Path) -> Dict[str, Any]:
    """Seconds of reading and checking all of a folder's labels."""
    words = ["dataset=auto", f"coco_root={root}", "coco_classes=auto"]
    wall = time.perf_counter()
    processor = time.process_time()
    settings = annotation_settings(load_config(words))
    findings = Findings(str(root))
    source = read_annotations(settings, findings)
    return {
        "form": settings.format,
        "objects": sum(len(record.labels) for record in source.records),
        "wall_seconds": round(time.perf_counter() - wall, 1),
        "processor_seconds": round(time.process_time() - processor, 1),
        "label_megabytes": round(source.annotation_bytes / 1e6, 1),
        "findings": dict(findings.counts),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.labels.readers_png",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--forms", nargs="+", default=list(DRAWN), choices=list(DRAWN))
    args = parser.parse_args()
    result = {}
    for form in args.forms:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            DRAWN[form](root, Scene(args.width, args.height, args.objects))
            result[form] = measure(root)
            print(json.dumps({form: result[form]}), file=sys.stderr, flush=True)
    print(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
