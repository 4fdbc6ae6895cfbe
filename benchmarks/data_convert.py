"""Convert a drawn data set of COCO's form to MindRecord: pictures a second, size, and going on after a kill.

    python benchmarks/data.py convert                             # 9,000 pictures of about 160 KB, then `index`
    python benchmarks/data.py convert --pictures 2000 --workers 4 --index-pictures 0

Pictures are JPEGs of 640x480 with noise until they have their size; annotations are those of `index`, 7.3 objects a picture. The rate is that
of the whole conversion after the annotations are read, whose time stands apart, as does a check of all pictures (check_data=full). It ends when
the system has taken the shards; beside it stand how long the disk takes to have them, and what the disk does with one plain file of that size.
Before each timing all that is under way to the disk is waited for.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

SUMMARY = "conversion to MindRecord: pictures a second, size over what is held, the same bytes after a kill; and `index`"
ROOT = Path(__file__).resolve().parents[1]
_CONVERT = (
    "import json, sys, time; from src.config import load_config; from src.data.mindrecord import converter; from src.engine.entry import run_main\n"
    "read, seconds = converter.checked_source, []\n"
    "def timed(*words, **options):\n"
    "    start = time.perf_counter(); source = read(*words, **options); seconds.append(time.perf_counter() - start); return source\n"
    "def main():\n"
    "    converter.checked_source = timed; start = time.perf_counter()\n"
    "    converter.ensure_mindrecord(load_config(sys.argv[1:]))\n"
    "    print(json.dumps([seconds[0], time.perf_counter() - start - seconds[0]]))\n"
    "run_main(main)"
)


def add_arguments(parser):
    parser.add_argument("--pictures", type=int, default=9000)
    parser.add_argument("--kilobytes", type=int, default=160, help="of a picture, about")
    parser.add_argument("--workers", type=int, default=2, help="num_parallel_workers")
    parser.add_argument("--rounds", type=int, default=3, help="conversions, of which the median is told")
    parser.add_argument(
        "--index-pictures",
        type=int,
        default=118_000,
        help="pictures of the annotation file that `index` draws; 0: no `index`",
    )


def run(args):
    from benchmarks.data_index import draw_and_measure, write_annotations

    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        data, objects = os.path.join(folder, "data"), int(args.pictures * 7.3)
        os.makedirs(os.path.join(data, "annotations"))
        annotations = os.path.join(data, "annotations/instances_train2017.json")
        write_annotations(annotations, args.pictures, objects)
        size = _write_pictures(os.path.join(data, "train2017"), args.pictures, args.kilobytes)
        held = size + os.path.getsize(annotations)
        words = [
            f"coco_root={data}",
            "coco_classes=auto",
            "keep_empty=True",
            f"num_parallel_workers={args.workers}",
        ]
        off = ["check_data=off"]
        print(
            f"{args.pictures} pictures of {size / args.pictures / 1e3:.0f} KB, {objects} objects, {os.path.getsize(annotations) / 1e6:.0f} MB of "
            f"annotations; {os.cpu_count()} cores, {args.workers} processes",
            flush=True,
        )
        shards, times = os.path.join(folder, "m"), []
        for number in range(args.rounds + 1):
            shutil.rmtree(shards, ignore_errors=True)
            os.sync()
            if number == args.rounds:
                _forget(os.path.join(data, "train2017"))
            reading, converting = _convert(*words, *off, f"mindrecord_dir={shards}")
            start = time.perf_counter()
            os.sync()
            times.append((converting, converting + time.perf_counter() - start, reading))
        cold = times.pop()[0]
        taken, kept, reading = (sorted(column) for column in zip(*times))
        middle = args.rounds // 2
        stored = sum(path.stat().st_size for path in Path(shards).iterdir())
        print(
            f"converted in {taken[middle]:.1f} s: {args.pictures / taken[middle]:.0f} pictures/s (median of {args.rounds}: "
            f"{args.pictures / taken[-1]:.0f} to {args.pictures / taken[0]:.0f}), {held / taken[middle] / 1e6:.0f} MB/s; on the disk after "
            f"{kept[middle]:.1f} s; before it the annotations were read in {reading[middle]:.1f} s\n"
            f"with no picture in the system's cache: {args.pictures / cold:.0f} pictures/s\n"
            f"the disk, with one plain file of as many bytes: {_plain_file(folder, stored)}\n"
            f"shards and index: {stored / held:.4f} times pictures and annotations",
            flush=True,
        )
        checking, _ = _convert(*words, "check_data=full", f"mindrecord_dir={folder}/c")
        again = _killed(words + off, folder, shards, reading[middle] + taken[middle] / 2)
        print(
            f"with check_data=full, which decodes every picture: read and checked in {checking:.1f} s, {args.pictures / checking:.0f} pictures/s\n"
            f"killed at half of the time and started again: {again}",
            flush=True,
        )
    if args.index_pictures:
        draw_and_measure(args.index_pictures, int(args.index_pictures * 860 / 118))


def _convert(*words):
    done = subprocess.run([sys.executable, "-c", _CONVERT, *words], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def _forget(folder):
    """Have the system drop a folder's files, which are on the disk, from its cache."""
    for path in Path(folder).iterdir():
        handle = os.open(path, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def _plain_file(folder, size):
    """How fast `size` bytes go into one file, a MB at a time: until the system has taken them, and until they are on the disk."""
    path, block = os.path.join(folder, "plain"), np.random.default_rng(1).bytes(1 << 20)
    os.sync()
    start = time.perf_counter()
    with open(path, "wb", buffering=0) as file:
        for _ in range(size >> 20):
            file.write(block)
        taken = time.perf_counter() - start
        os.fsync(file.fileno())
    kept = time.perf_counter() - start
    os.remove(path)
    return f"taken at {size / taken / 1e6:.0f} MB/s, on the disk after {kept:.1f} s ({size / kept / 1e6:.0f} MB/s)"


def _killed(words, folder, expected, seconds):
    target = os.path.join(folder, "k")
    process = subprocess.Popen(
        [sys.executable, "-c", _CONVERT, *words, f"mindrecord_dir={target}"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    process.kill()
    process.wait()
    kept = len(list(Path(f"{target}.partial").glob("*.done")))
    _, converting = _convert(*words, f"mindrecord_dir={target}")
    names = sorted(
        path.name
        for path in Path(expected).iterdir()
        if path.suffix != ".db" and path.name != "manifest.json"
    )
    same = all((Path(expected) / name).read_bytes() == (Path(target) / name).read_bytes() for name in names)
    shards = sum("mindrecord" in name for name in names)
    return f"{kept} of {shards} shards kept, the rest in {converting:.1f} s, bytes {'equal' if same else 'DIFFER'}"


def _write_pictures(folder, count, kilobytes):
    """`count` JPEGs of 640x480, of 32 different kinds; their bytes together."""
    os.makedirs(folder)
    generator = np.random.default_rng(1)
    kinds = []
    for _ in range(32):
        smooth = cv2.resize(
            generator.integers(0, 256, (12, 16, 3), dtype=np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC
        )
        noise = generator.normal(0, 1, smooth.shape)
        low, high = 0.0, 60.0
        for _ in range(8):
            strength = (low + high) / 2
            data = cv2.imencode(
                ".jpg",
                np.clip(smooth + strength * noise, 0, 255).astype(np.uint8),
                [cv2.IMWRITE_JPEG_QUALITY, 90],
            )[1].tobytes()
            low, high = (strength, high) if len(data) < 1000 * kilobytes else (low, strength)
        kinds.append(data)
    for number in range(count):
        Path(folder, f"{number + 1:012d}.jpg").write_bytes(kinds[number % len(kinds)])
    return sum(len(kinds[number % len(kinds)]) for number in range(count))
