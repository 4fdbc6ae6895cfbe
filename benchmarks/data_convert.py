"""Convert a drawn data set of COCO's form to MindRecord: pictures a second, size, and going on after a kill.

    python benchmarks/data.py convert                             # 9,000 pictures of about 160 KB
    python benchmarks/data.py convert --pictures 2000 --workers 4

Pictures are JPEGs of 640x480 with noise until they have their size; annotations are those of `index`, 7.3 objects a picture. The rate is that
of the whole conversion after the annotations are read, whose time stands apart, as does a check of all pictures (check_data=full).
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

SUMMARY = "conversion to MindRecord: pictures a second, size over what is held, the same bytes after a kill"
ROOT = Path(__file__).resolve().parents[1]
_CONVERT = ("import json, sys, time; from src.config import load_config; from src.data import converter; from src.errors import run_main\n"
            "read, seconds = converter.checked_source, []\n"
            "def timed(*words, **options):\n"
            "    start = time.perf_counter(); source = read(*words, **options); seconds.append(time.perf_counter() - start); return source\n"
            "def main():\n"
            "    converter.checked_source = timed; start = time.perf_counter()\n"
            "    converter.ensure_mindrecord(load_config(sys.argv[1:]))\n"
            "    print(json.dumps([seconds[0], time.perf_counter() - start - seconds[0]]))\n"
            "run_main(main)")


def add_arguments(parser):
    parser.add_argument("--pictures", type=int, default=9000)
    parser.add_argument("--kilobytes", type=int, default=160, help="of a picture, about")
    parser.add_argument("--workers", type=int, default=2, help="num_parallel_workers")


def run(args):
    from benchmarks.data_index import write_annotations
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        data, objects = os.path.join(folder, "data"), int(args.pictures * 7.3)
        os.makedirs(os.path.join(data, "annotations"))
        annotations = os.path.join(data, "annotations/instances_train2017.json")
        write_annotations(annotations, args.pictures, objects)
        size = _write_pictures(os.path.join(data, "train2017"), args.pictures, args.kilobytes)
        held = size + os.path.getsize(annotations)
        words = [f"coco_root={data}", "coco_classes=auto", "keep_empty=True", f"num_parallel_workers={args.workers}"]
        off = ["check_data=off"]
        print(f"{args.pictures} pictures of {size / args.pictures / 1e3:.0f} KB, {objects} objects, {os.path.getsize(annotations) / 1e6:.0f} MB of "
              f"annotations; {os.cpu_count()} cores, {args.workers} processes", flush=True)
        shards = os.path.join(folder, "m")
        reading, converting = _convert(*words, *off, f"mindrecord_dir={shards}")
        stored = sum(path.stat().st_size for path in Path(shards).iterdir())
        print(f"converted in {converting:.1f} s: {args.pictures / converting:.0f} pictures/s, {held / converting / 1e6:.0f} MB/s; before it the "
              f"annotations were read in {reading:.1f} s\nshards and index: {stored / held:.4f} times pictures and annotations", flush=True)
        checking, _ = _convert(*words, "check_data=full", f"mindrecord_dir={folder}/c")
        print(f"with check_data=full, which decodes every picture: read and checked in {checking:.1f} s", flush=True)
        print(f"killed at half of the time and started again: {_killed(words + off, folder, shards, reading + converting / 2)}", flush=True)
        done = subprocess.run([sys.executable, "benchmarks/data.py", "index", "--load", "pycocotools", "--file", annotations], cwd=ROOT, check=True,
                              capture_output=True, text=True)
        figures = json.loads(done.stdout.splitlines()[-1])
        print(f"pycocotools, to load the same annotations: {figures['seconds']:.1f} s, {figures['megabytes']:.0f} MB", flush=True)


def _convert(*words):
    done = subprocess.run([sys.executable, "-c", _CONVERT, *words], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def _killed(words, folder, expected, seconds):
    target = os.path.join(folder, "k")
    process = subprocess.Popen([sys.executable, "-c", _CONVERT, *words, f"mindrecord_dir={target}"], cwd=ROOT, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    process.kill()
    process.wait()
    kept = len(list(Path(f"{target}.partial").glob("*.done")))
    _, converting = _convert(*words, f"mindrecord_dir={target}")
    names = sorted(path.name for path in Path(expected).iterdir() if path.suffix != ".db" and path.name != "manifest.json")
    same = all((Path(expected) / name).read_bytes() == (Path(target) / name).read_bytes() for name in names)
    shards = sum("mindrecord" in name for name in names)
    return f"{kept} of {shards} shards kept, the rest in {converting:.1f} s, bytes {'equal' if same else 'DIFFER'}"


def _write_pictures(folder, count, kilobytes):
    """`count` JPEGs of 640x480, of 32 different kinds; their bytes together."""
    os.makedirs(folder)
    generator = np.random.default_rng(1)
    kinds = []
    for _ in range(32):
        smooth = cv2.resize(generator.integers(0, 256, (12, 16, 3), dtype=np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC)
        noise = generator.normal(0, 1, smooth.shape)
        low, high = 0.0, 60.0
        for _ in range(8):
            strength = (low + high) / 2
            data = cv2.imencode(".jpg", np.clip(smooth + strength * noise, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
            low, high = (strength, high) if len(data) < 1000 * kilobytes else (low, strength)
        kinds.append(data)
    for number in range(count):
        Path(folder, f"{number + 1:012d}.jpg").write_bytes(kinds[number % len(kinds)])
    return sum(len(kinds[number % len(kinds)]) for number in range(count))
