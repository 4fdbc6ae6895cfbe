"""The check of picture files before a conversion: every picture decoded, and headers and ends alone.

python -m benchmarks.data check                       # 2,000 drawn pictures of about 160 KB, 2 threads
python -m benchmarks.data check --folder /data/coco/train2017 --threads 8
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from src.data.annotations.records import Record
from src.data.check.picture_files import check_pictures
from src.data.findings import Findings
from src.data.images.decode import picture_size
from src.errors import UserError

SUMMARY = "check_data=full and quick on picture files: pictures a second"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2, help="num_parallel_workers of the check")
    parser.add_argument("--folder", help="measure the JPEG files of this folder instead of drawn ones")


def run(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as drawn:
        if args.folder:
            files = sorted(Path(args.folder).rglob("*.jpg"))[: args.pictures]
        else:
            files = draw_pictures(Path(drawn), args.pictures)
        if not files:
            raise UserError(f"{args.folder}: no *.jpg files there")
        size = sum(file.stat().st_size for file in files) / len(files) / 1e3
        print(f"{len(files)} pictures of {size:.0f} KB, {os.cpu_count()} cores, {args.threads} threads")
        for mode in ("full", "quick"):
            low, median, high = sorted(_pictures_a_second(files, mode, args.threads) for _ in range(3))
            print(
                f"check_data={mode:6s} {median:7.0f} pictures/s (median of 3: {low:.0f} to {high:.0f})",
                flush=True,
            )


def _pictures_a_second(files: Sequence[Path], mode: str, threads: int) -> float:
    none = np.zeros(0)
    records = [
        Record(i, str(file), *picture_size(file)[::-1], none, none, none, none, none)
        for i, file in enumerate(files)
    ]
    findings = Findings("", collect=True)
    start = time.perf_counter()
    check_pictures(records, findings, files[0].parent, decode=mode == "full", threads=threads, quiet=True)
    seconds = time.perf_counter() - start
    if findings.counts:
        print(f"findings: {findings.counts}")
    return len(files) / seconds


def draw_pictures(folder: Path, count: int, seed: int = 1) -> list[Path]:
    """Write `count` JPEG files of 640x480 and about 160 KB, of smoothed noise, and return their paths."""
    rng = np.random.default_rng(seed)
    files = []
    for number in range(count):
        coarse = cv2.resize(
            rng.integers(0, 256, (30, 40, 3), dtype=np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC
        )
        fine = rng.normal(0, 17, (480, 640, 1))
        pixels = np.clip(coarse + fine, 0, 255).astype(np.uint8)
        files.append(folder / f"{number:06d}.jpg")
        cv2.imwrite(str(files[-1]), pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return files
