"""Read, check and index an annotation file of COCO's size; pycocotools loads the same file for comparison.

    python -m benchmarks.data index                                   # 118,000 pictures, 860,000 objects
    python -m benchmarks.data index --pictures 1000 --objects 7000

Each reader runs in a process of its own. The file is drawn: fields as in COCO's, polygons of 27 points on
average, one object in a hundred a crowd as uncompressed RLE, 80 classes with gaps in their ids. Memory is the
largest resident size of the process, with the interpreter and its libraries.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Union

import numpy as np

from benchmarks.timing import ROOT

SUMMARY = "an annotation file of COCO's size: time and memory to read, check and index it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pictures", type=int, default=118_000)
    parser.add_argument("--objects", type=int, default=860_000)
    parser.add_argument("--file", help="measure this COCO JSON instead of a drawn one")
    parser.add_argument(
        "--load",
        choices=sorted(READERS),
        help="load --file with this reader in this process and print its figures as JSON",
    )


def run(args: argparse.Namespace) -> None:
    if args.load:
        print(json.dumps(_measure_reader(READERS[args.load], args.file)))
    elif args.file:
        measure(args.file)
    else:
        draw_and_measure(args.pictures, args.objects)


def draw_and_measure(num_pictures: int, num_objects: int) -> None:
    """Draw an annotation file and `measure` it."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "instances.json")
        write_annotations(path, num_pictures, num_objects)
        measure(path)


def measure(path: str) -> None:
    """Print each reader's time and memory for an annotation file."""
    size = os.path.getsize(path) / 1e6
    machine = platform.processor() or platform.machine()
    print(f"{size:.0f} MB of annotations; {machine}, {os.cpu_count()} cores")
    command = [sys.executable, "-m", "benchmarks.data", "index", "--file", os.path.abspath(path), "--load"]
    for name in READERS:
        done = subprocess.run([*command, name], cwd=ROOT, check=True, capture_output=True, text=True)
        figures = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{name:11s} {figures['seconds']:6.1f} s  {figures['megabytes']:6.0f} MB  {figures['summary']}",
            flush=True,
        )


def _measure_reader(read: Callable[[str], str], path: str) -> dict:
    start = time.perf_counter()
    summary = read(path)
    return {
        "seconds": time.perf_counter() - start,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "summary": summary,
    }


def _read_project(path: str) -> str:
    from src.config import load_config
    from src.data.annotations.coco_reader import read_coco
    from src.data_settings import annotation_settings

    settings = annotation_settings(load_config(["coco_classes=auto"]))
    source = read_coco(dataclasses.replace(settings, path=path))
    return f"{len(source.records)} pictures, {sum(len(record.labels) for record in source.records)} objects"


def _read_pycocotools(path: str) -> str:
    from pycocotools.coco import COCO

    coco = COCO(path)
    return f"{len(coco.imgs)} pictures, {len(coco.anns)} objects (loaded and indexed, nothing checked)"


READERS = {"project": _read_project, "pycocotools": _read_pycocotools}


def write_annotations(path: Union[str, Path], num_pictures: int, num_objects: int, seed: int = 1) -> None:
    """Write a COCO-format JSON of random star-shaped polygons, in COCO's order of keys, to `path`."""
    rng = np.random.default_rng(seed)
    category_ids = [number for number in range(1, 91) if number % 9 or number == 90][:80]
    picture_of = np.sort(rng.integers(0, num_pictures, num_objects))
    with open(path, "w", encoding="ascii") as file:
        file.write(
            '{"info": {"description": "drawn", "year": 2026}, "licenses": [{"id": 1, "name": "none"}], '
        )
        file.write('"images": [')
        for first in range(0, num_pictures, 1000):
            items = [json.dumps(_picture(i)) for i in range(first, min(first + 1000, num_pictures))]
            file.write(", " * (first > 0) + ", ".join(items))
        file.write('], "annotations": [')
        for first in range(0, num_objects, 10_000):
            items = _annotations(rng, first, picture_of[first : first + 10_000], category_ids)
            file.write(", " * (first > 0) + ", ".join(items))
        categories = [{"supercategory": "thing", "id": i, "name": f"class {i}"} for i in category_ids]
        file.write(f'], "categories": {json.dumps(categories)}}}')


def _picture(index: int) -> dict:
    name = f"{index + 1:012d}"
    return {
        "license": 1,
        "file_name": f"{name}.jpg",
        "height": 480,
        "width": 640,
        "id": index + 1,
        "coco_url": f"http://images.cocodataset.org/train2017/{name}.jpg",
        "date_captured": "2013-11-14 11:18:45",
        "flickr_url": f"http://farm9.staticflickr.com/8186/{name}_2e1a0b6d0c_z.jpg",
    }


def _annotations(
    rng: np.random.Generator, first: int, picture_of: np.ndarray, category_ids: list[int]
) -> Iterator[str]:
    """The JSON text of each annotation, from number `first` on; `picture_of` has their pictures' indices."""
    count = len(picture_of)
    num_points = np.minimum(3 + rng.geometric(1 / 24, count), 400)
    size = np.minimum(np.exp(rng.normal(3.2, 1.0, (count, 1))), 230)
    radius = size * rng.uniform(0.6, 1.0, (count, 2))
    centre = radius + rng.uniform(0, 1, (count, 2)) * ((640, 480) - 2 * radius)
    classes = rng.integers(0, len(category_ids), count)
    for i in range(count):
        # angles rise and every radius starts at the centre, so that no polygon crosses itself
        angles = np.sort(rng.uniform(0, 2 * np.pi, num_points[i]))
        reach = rng.uniform(0.6, 1.0, (num_points[i], 1))
        polygon = centre[i] + radius[i] * reach * np.stack([np.cos(angles), np.sin(angles)], 1)
        x, y = (polygon - centre[i]).T
        if (first + i) % 100 == 99:
            is_crowd = 1
            segmentation = f'{{"counts": [{480 * 300}, {480 * 40}, {480 * 300}], "size": [480, 640]}}'
            box = (300, 0, 40, 480)
            area = 19200
        else:
            is_crowd = 0
            hundredths = np.rint(polygon * 100).astype(np.int64).ravel().tolist()
            segmentation = f"[[{', '.join(str(number / 100) for number in hundredths)}]]"
            box = (*polygon.min(0), *np.ptp(polygon, 0))
            area = round(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2, 4)
        sides = ", ".join(str(round(float(side), 2)) for side in box)
        yield (
            f'{{"segmentation": {segmentation}, "area": {area}, "iscrowd": {is_crowd}, '
            f'"image_id": {picture_of[i] + 1}, "bbox": [{sides}], '
            f'"category_id": {category_ids[classes[i]]}, "id": {first + i + 1}}}'
        )
