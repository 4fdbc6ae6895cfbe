"""Time convert_data.py and check_data.py on 100,000 drawn objects, in each form that is written.

    python -m benchmarks.labels.forms
    python -m benchmarks.labels.forms --objects 10000 --forms coco yolo

A COCO data set is drawn: 7 objects a picture of 640x480, polygons of 8 to 40 points, every tenth object with
run lengths. It is converted to each form, pictures linked, and what was written is checked with
dataset=auto check_data=off. Prints a JSON object: wall and processor seconds and the largest memory of both
commands, and the megabytes of labels. Readers of further forms: `draw_data` makes the objects.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List

import cv2
import numpy as np
from pycocotools import mask as mask_api

from benchmarks.timing import ROOT

OBJECTS_A_PICTURE = 7
HEIGHT = 480
WIDTH = 640
_CLASSES = 20
_SPLIT = "train"
_PICTURES = (".png", ".jpg")


def draw_data(folder: Path, objects: int, seed: int = 0) -> None:
    """Write folder/annotations/instances_train.json and folder/train with links to one picture file."""
    rng = np.random.default_rng(seed)
    (folder / _SPLIT).mkdir(parents=True)
    (folder / "annotations").mkdir()
    first = folder / _SPLIT / "000001.jpg"
    cv2.imwrite(str(first), cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (WIDTH, HEIGHT)))
    images = []
    annotations = []
    for number in range(1, -(-objects // OBJECTS_A_PICTURE) + 1):
        name = f"{number:06d}.jpg"
        if number > 1:
            os.link(first, folder / _SPLIT / name)
        images.append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT})
        for _ in range(min(OBJECTS_A_PICTURE, objects - len(annotations))):
            annotations.append(_draw_object(rng, len(annotations) + 1, number))
    categories = [{"id": label, "name": f"class {label}"} for label in range(1, _CLASSES + 1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path = folder / "annotations" / f"instances_{_SPLIT}.json"
    path.write_text(json.dumps(content), encoding="utf-8")


def _draw_object(rng: np.random.Generator, number: int, image_id: int) -> Dict[str, Any]:
    """A star with one outline; every tenth one as run lengths, with a hole."""
    count = int(rng.integers(8, 41))
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    size = rng.uniform(10, 150)
    radius = rng.uniform(0.6, 1, count) * size
    points = np.stack([np.cos(angles), np.sin(angles)], 1) * radius[:, None]
    points = np.clip(points + rng.uniform(0, 1, 2) * (WIDTH, HEIGHT), 0, (WIDTH, HEIGHT)).round(2)
    low = points.min(0)
    high = np.maximum(points.max(0), low + 1)
    segmentation: Any = [points.ravel().tolist()]
    if number % 10 == 0:
        rles = mask_api.frPyObjects(segmentation, HEIGHT, WIDTH)
        mask = mask_api.decode(rles[0])
        middle = ((low + high) / 2).astype(int)
        mask[middle[1] - 2 : middle[1] + 2, middle[0] - 2 : middle[0] + 2] = 0
        if mask.any():
            rle = mask_api.encode(np.asfortranarray(mask))
            low = np.array([np.flatnonzero(mask.any(axis))[0] for axis in (0, 1)])
            high = np.array([np.flatnonzero(mask.any(axis))[-1] + 1 for axis in (0, 1)])
            segmentation = {"size": [HEIGHT, WIDTH], "counts": rle["counts"].decode()}
    return {
        "id": number,
        "image_id": image_id,
        "category_id": int(rng.integers(1, _CLASSES + 1)),
        "iscrowd": 0,
        "bbox": [*low.tolist(), *(high - low).tolist()],
        "segmentation": segmentation,
    }


def run(folder: Path, command: str, *words: str) -> Dict[str, Any]:
    """Seconds and memory of a command."""
    start = time.perf_counter()
    with open(folder / "output.txt", "w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / command), *words], cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    if process.returncode not in (0, 1):
        sys.exit(f"error: {command} {' '.join(words)}: {(folder / 'output.txt').read_text()[-2000:]}")
    return {
        "wall_seconds": round(wall, 1),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_rss_mb": round(usage.ru_maxrss / 1024),
    }


def check_words(form: str) -> List[str]:
    """check_data.py's words for a data set that convert_data.py wrote."""
    words = ["coco_classes=auto", "check_data=off"]
    if form == "txt":
        return [*words, "dataset=other", "IMAGE_DIR=txt", f"ANNO_PATH=txt/{_SPLIT}.txt"]
    return [*words, "dataset=auto", f"coco_root={form}"]


def main() -> int:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.labels.forms",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--forms", nargs="+", default=["coco", "labelme", "yolo", "txt"])
    args = parser.parse_args()
    result: Dict[str, Any] = {"objects": args.objects}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_data(folder / "drawn", args.objects)
        for form in args.forms:
            written = run(folder, "convert_data.py", "drawn", form, "--to", form)
            labels = (path for path in (folder / form).rglob("*.*") if path.suffix not in _PICTURES)
            megabytes = sum(path.stat().st_size for path in labels) / 1e6
            checked = run(folder, "check_data.py", *check_words(form))
            result[form] = {"written": written, "read_and_checked": checked, "megabytes": round(megabytes, 1)}
            print(json.dumps({form: result[form]}), file=sys.stderr, flush=True)
    print(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
