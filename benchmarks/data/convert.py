"""Convert a drawn data set of COCO's form to MindRecord: pictures a second, sizes, and resuming after a kill.

    python -m benchmarks.data convert                             # 9,000 pictures of about 160 KB, then
    `index` python -m benchmarks.data convert --pictures 2000 --workers 4 --index-pictures 0

Pictures are JPEGs of 640x480 with as much noise as gives them their size. Annotations are those of `index`,
7.3 objects a picture. The rate is that of the conversion after the annotations are read, until the system has
taken the shards. Printed beside it: the time to read the annotations, the time of a check of all pictures
(check_data=full), the time until the shards are on the disk, and the disk's rate with one plain file of that
size. Before each timing, all unfinished writes to the disk are waited for.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.data.index import draw_and_measure, write_annotations
from benchmarks.timing import ROOT

SUMMARY = "conversion to MindRecord: pictures a second, shard size, equal bytes after a kill; and `index`"
COMMAND = (sys.executable, "-m", "benchmarks.data.timed_conversion")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pictures", type=int, default=9000)
    parser.add_argument("--kilobytes", type=int, default=160, help="of a picture, about")
    parser.add_argument("--workers", type=int, default=2, help="num_parallel_workers")
    parser.add_argument("--rounds", type=int, default=3, help="conversions, whose median is printed")
    parser.add_argument(
        "--index-pictures",
        type=int,
        default=118_000,
        help="pictures of the annotation file that `index` draws; 0: no `index`",
    )


def run(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        measure_conversion(args, Path(folder))
    if args.index_pictures:
        draw_and_measure(args.index_pictures, int(args.index_pictures * 860 / 118))


def measure_conversion(args: argparse.Namespace, folder: Path) -> None:
    """Draw a data set into `folder`, convert it several times and print the figures."""
    data = folder / "data"
    num_objects = int(args.pictures * 7.3)
    (data / "annotations").mkdir(parents=True)
    annotations = data / "annotations" / "instances_train2017.json"
    write_annotations(annotations, args.pictures, num_objects)
    size = write_pictures(data / "train2017", args.pictures, args.kilobytes)
    annotation_size = annotations.stat().st_size
    print(
        f"{args.pictures} pictures of {size / args.pictures / 1e3:.0f} KB, {num_objects} objects, "
        f"{annotation_size / 1e6:.0f} MB of annotations; {os.cpu_count()} cores, {args.workers} processes",
        flush=True,
    )
    words = [
        f"coco_root={data}",
        "coco_classes=auto",
        "keep_empty=True",
        f"num_parallel_workers={args.workers}",
    ]
    unchecked = [*words, "check_data=off"]
    shards = folder / "m"
    times = []
    for number in range(args.rounds + 1):
        shutil.rmtree(shards, ignore_errors=True)
        os.sync()
        if number == args.rounds:  # one more, with no picture in the system's cache
            drop_from_cache(data / "train2017")
        reading, converting = convert(*unchecked, f"mindrecord_dir={shards}")
        start = time.perf_counter()
        os.sync()
        times.append((converting, converting + time.perf_counter() - start, reading))
    cold = times.pop()[0]
    taken, on_disk, reading = (sorted(column) for column in zip(*times))
    middle = args.rounds // 2
    source_size = size + annotation_size
    stored = sum(path.stat().st_size for path in shards.iterdir())
    print(
        f"converted in {taken[middle]:.1f} s: {args.pictures / taken[middle]:.0f} pictures/s (median of "
        f"{args.rounds}: {args.pictures / taken[-1]:.0f} to {args.pictures / taken[0]:.0f}), "
        f"{source_size / taken[middle] / 1e6:.0f} MB/s; on the disk after {on_disk[middle]:.1f} s; "
        f"before it the annotations were read in {reading[middle]:.1f} s\n"
        f"with no picture in the system's cache: {args.pictures / cold:.0f} pictures/s\n"
        f"the disk, with one plain file of as many bytes: {plain_file(folder, stored)}\n"
        f"shards and index: {stored / source_size:.4f} times pictures and annotations",
        flush=True,
    )
    checking, _ = convert(*words, "check_data=full", f"mindrecord_dir={folder}/c")
    resumed = kill_and_resume(unchecked, folder / "k", shards, reading[middle] + taken[middle] / 2)
    print(
        f"with check_data=full, which decodes every picture: read and checked in {checking:.1f} s, "
        f"{args.pictures / checking:.0f} pictures/s\n"
        f"killed at half of the time and started again: {resumed}",
        flush=True,
    )


def convert(*words: str) -> list[float]:
    """[seconds to read and check, seconds to convert] of a conversion in a process of its own."""
    done = subprocess.run([*COMMAND, *words], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def drop_from_cache(folder: Path) -> None:
    """Have the system drop a folder's files, which are on the disk, from its cache."""
    for path in folder.iterdir():
        handle = os.open(path, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def plain_file(folder: Path, size: int) -> str:
    """How fast `size` bytes go into one file: until the system has them, and until they are on the disk."""
    path = folder / "plain"
    block = np.random.default_rng(1).bytes(1 << 20)
    os.sync()
    start = time.perf_counter()
    with open(path, "wb", buffering=0) as file:
        for _ in range(size >> 20):
            file.write(block)
        taken = time.perf_counter() - start
        os.fsync(file.fileno())
    on_disk = time.perf_counter() - start
    path.unlink()
    return (
        f"taken at {size / taken / 1e6:.0f} MB/s, on the disk after {on_disk:.1f} s "
        f"({size / on_disk / 1e6:.0f} MB/s)"
    )


def kill_and_resume(words: Sequence[str], target: Path, expected: Path, seconds: float) -> str:
    """Kill a conversion after some seconds, run it again, and compare the shards with those of `expected`."""
    words = [*words, f"mindrecord_dir={target}"]
    process = subprocess.Popen(
        [*COMMAND, *words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(seconds)
    process.kill()
    process.wait()
    kept = len(list(Path(f"{target}.partial").glob("*.done")))
    _, converting = convert(*words)
    names = [
        path.name for path in expected.iterdir() if path.suffix != ".db" and path.name != "manifest.json"
    ]
    is_equal = all((expected / name).read_bytes() == (target / name).read_bytes() for name in names)
    shards = sum("mindrecord" in name for name in names)
    result = "equal" if is_equal else "DIFFER"
    return f"{kept} of {shards} shards kept, the rest in {converting:.1f} s, bytes {result}"


def write_pictures(folder: Path, count: int, kilobytes: int) -> int:
    """Write `count` JPEGs of 640x480, of 32 different contents; returns their total size in bytes."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    contents = [draw_picture(rng, kilobytes) for _ in range(32)]
    for number in range(count):
        (folder / f"{number + 1:012d}.jpg").write_bytes(contents[number % len(contents)])
    return sum(len(contents[number % len(contents)]) for number in range(count))


def draw_picture(rng: np.random.Generator, kilobytes: int) -> bytes:
    """A JPEG file of 640x480 with the strength of noise that gives it about `kilobytes`."""
    coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC)
    noise = rng.normal(0, 1, smooth.shape)
    low = 0.0
    high = 60.0
    for _ in range(8):
        strength = (low + high) / 2
        pixels = np.clip(smooth + strength * noise, 0, 255).astype(np.uint8)
        data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
        if len(data) < 1000 * kilobytes:
            low = strength
        else:
            high = strength
    return data
