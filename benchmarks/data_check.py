"""The check of picture files that runs before a conversion, on pictures of about 160 KB: every picture decoded, and headers and ends alone.

python benchmarks/data.py check                       # 2,000 pictures, 2 threads
python benchmarks/data.py check --folder /data/coco/train2017 --threads 8
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

SUMMARY = "check_data=full and quick on picture files: pictures a second"


def add_arguments(parser):
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2, help="num_parallel_workers of the check")
    parser.add_argument("--folder", help="measure the JPEG files of this folder instead of drawn ones")


def run(args):
    with tempfile.TemporaryDirectory() as made:
        files = (
            sorted(Path(args.folder).rglob("*.jpg"))[: args.pictures]
            if args.folder
            else draw_pictures(Path(made), args.pictures)
        )
        size = sum(file.stat().st_size for file in files)
        print(
            f"{len(files)} pictures of {size / len(files) / 1e3:.0f} KB, {os.cpu_count()} cores, {args.threads} threads"
        )
        for mode in ("full", "quick"):
            rates = sorted(_rate(files, mode, args.threads) for _ in range(3))
            print(
                f"check_data={mode:6s} {rates[1]:7.0f} pictures/s (median of 3: {rates[0]:.0f} to {rates[2]:.0f})",
                flush=True,
            )


def _rate(files, mode, threads):
    from src.data.annotations.records import Record
    from src.data.findings import Findings
    from src.data.images.decode import picture_size
    from src.data.images.picture_checks import check_pictures

    none = np.zeros(0)
    records = [
        Record(i, str(file), *picture_size(file)[::-1], none, none, none, none, none)
        for i, file in enumerate(files)
    ]
    findings, start = Findings("", collect=True), time.perf_counter()
    check_pictures(records, findings, files[0].parent, decode=mode == "full", threads=threads, quiet=True)
    seconds = time.perf_counter() - start
    if findings.counts:
        print(f"findings: {findings.counts}")
    return len(files) / seconds


def draw_pictures(folder, count, seed=1):
    """Write `count` JPEG files of 640x480 and about 160 KB, of smoothed noise, and return their Paths."""
    generator, files = np.random.default_rng(seed), []
    for number in range(count):
        coarse = cv2.resize(
            generator.integers(0, 256, (30, 40, 3), dtype=np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC
        )
        fine = generator.normal(0, 17, (480, 640, 1))
        files.append(folder / f"{number:06d}.jpg")
        cv2.imwrite(
            str(files[-1]), np.clip(coarse + fine, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90]
        )
    return files
