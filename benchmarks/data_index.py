"""Read, check and index an annotation file of COCO's size, and let pycocotools load the same file; each in a process of its own.

    python benchmarks/data.py index                                   # 118,000 pictures, 860,000 objects
    python benchmarks/data.py index --pictures 1000 --objects 7000

The file is drawn anew: fields as in COCO's, polygons of 27 points on average, one object in a hundred a crowd as uncompressed RLE, 80 classes
with gaps in their ids. Memory is the process's largest resident size, with the interpreter and its libraries.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SUMMARY = "an annotation file of COCO's size: time and memory to read, check and index it"
ROOT = Path(__file__).resolve().parents[1]


def add_arguments(parser):
    parser.add_argument("--pictures", type=int, default=118_000)
    parser.add_argument("--objects", type=int, default=860_000)
    parser.add_argument("--file", help="measure this COCO JSON instead of a drawn one")
    parser.add_argument(
        "--load",
        choices=sorted(LOADERS),
        help="load --file this way in this process and print its figures as JSON",
    )


def run(args):
    if args.load:
        print(json.dumps(_measure(LOADERS[args.load], args.file)))
    elif args.file:
        measure(args.file)
    else:
        draw_and_measure(args.pictures, args.objects)


def draw_and_measure(pictures, objects):
    """`measure` of a drawn file."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "instances.json")
        write_annotations(path, pictures, objects)
        measure(path)


def measure(path):
    """Print each loader's time and memory with an annotation file."""
    print(
        f"{os.path.getsize(path) / 1e6:.0f} MB of annotations; {platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    )
    for name in LOADERS:
        done = subprocess.run(
            [sys.executable, __file__.replace("data_index", "data"), "index", "--load", name, "--file", path],
            check=True,
            capture_output=True,
            text=True,
        )
        figures = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{name:11s} {figures['seconds']:6.1f} s  {figures['megabytes']:6.0f} MB  {figures['said']}",
            flush=True,
        )


def _measure(load, path):
    start = time.perf_counter()
    said = load(path)
    return {
        "seconds": time.perf_counter() - start,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "said": said,
    }


def _project(path):
    from src.config import load_config
    from src.data.annotations.coco_reader import read_coco

    source = read_coco(load_config(["coco_classes=auto"]), ann_file=path)
    return f"{len(source.records)} pictures, {sum(len(record.labels) for record in source.records)} objects"


def _pycocotools(path):
    from pycocotools.coco import COCO

    coco = COCO(path)
    return f"{len(coco.imgs)} pictures, {len(coco.anns)} objects (loaded and indexed, nothing checked)"


LOADERS = {"project": _project, "pycocotools": _pycocotools}


def write_annotations(path, pictures, objects, seed=1):
    """Write a COCO-format JSON of random star-shaped polygons, in COCO's order of keys, to `path`."""
    generator = np.random.default_rng(seed)
    category_ids = [number for number in range(1, 91) if number % 9 or number == 90][:80]
    text = [
        f"{number // 100}.{number % 100:02d}".rstrip("0") if number % 100 else f"{number // 100}.0"
        for number in range(64_100)
    ]
    owners = np.sort(generator.integers(0, pictures, objects))
    with open(path, "w", encoding="ascii") as file:
        file.write(
            '{"info": {"description": "drawn", "year": 2026}, "licenses": [{"id": 1, "name": "none"}], "images": ['
        )
        for first in range(0, pictures, 1000):
            items = [
                json.dumps(
                    {
                        "license": 1,
                        "file_name": f"{i + 1:012d}.jpg",
                        "height": 480,
                        "width": 640,
                        "id": i + 1,
                        "coco_url": f"http://images.cocodataset.org/train2017/{i + 1:012d}.jpg",
                        "date_captured": "2013-11-14 11:18:45",
                        "flickr_url": f"http://farm9.staticflickr.com/8186/{i + 1:012d}_2e1a0b6d0c_z.jpg",
                    }
                )
                for i in range(first, min(first + 1000, pictures))
            ]
            file.write(", " * (first > 0) + ", ".join(items))
        file.write('], "annotations": [')
        for first in range(0, objects, 10_000):
            part = owners[first : first + 10_000]
            file.write(
                ", " * (first > 0) + ", ".join(_annotations(generator, first, part, category_ids, text))
            )
        file.write('], "categories": ')
        file.write(
            json.dumps(
                [
                    {"supercategory": "thing", "id": number, "name": f"class {number}"}
                    for number in category_ids
                ]
            )
            + "}"
        )


def _annotations(generator, first, owners, category_ids, text):
    count = len(owners)
    points = np.minimum(3 + generator.geometric(1 / 24, count), 400)
    radius = np.minimum(np.exp(generator.normal(3.2, 1.0, (count, 1))), 230) * generator.uniform(
        0.6, 1.0, (count, 2)
    )
    centre = radius + generator.uniform(0, 1, (count, 2)) * ((640, 480) - 2 * radius)
    classes = generator.integers(0, len(category_ids), count)
    for i in range(count):
        # angles rise and every radius starts at the centre, so that no polygon crosses itself
        angles = np.sort(generator.uniform(0, 2 * np.pi, points[i]))
        reach = generator.uniform(0.6, 1.0, (points[i], 1))
        polygon = centre[i] + radius[i] * reach * np.stack([np.cos(angles), np.sin(angles)], 1)
        low, high = polygon.min(0), polygon.max(0)
        x, y = polygon[:, 0] - centre[i, 0], polygon[:, 1] - centre[i, 1]
        area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
        crowd = (first + i) % 100 == 99
        numbers = [text[number] for number in np.rint(polygon * 100).astype(np.int64).ravel().tolist()]
        segmentation = (
            f'{{"counts": [{480 * 300}, {480 * 40}, {480 * 300}], "size": [480, 640]}}'
            if crowd
            else f"[[{', '.join(numbers)}]]"
        )
        box = (300, 0, 40, 480) if crowd else (low[0], low[1], high[0] - low[0], high[1] - low[1])
        yield (
            f'{{"segmentation": {segmentation}, "area": {19200 if crowd else round(area, 4)}, "iscrowd": {int(crowd)}, '
            f'"image_id": {owners[i] + 1}, "bbox": [{", ".join(str(round(float(side), 2)) for side in box)}], '
            f'"category_id": {category_ids[classes[i]]}, "id": {first + i + 1}}}'
        )
