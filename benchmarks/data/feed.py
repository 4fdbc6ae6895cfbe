"""Draw training batches as fast as they come: decode, resize, flip, masks and batch.

    python -m benchmarks.data feed coco_root=FOLDER
    python -m benchmarks.data feed coco_root=FOLDER --peer PYTHON     # in turn with a torch DataLoader
    python -m benchmarks.data feed coco_root=FOLDER --batches 200 large_scale_jitter="[0.1,2.0]"

FOLDER holds a data set of COCO's form, which is not part of this repository. Canvas and batch are the default
ones, 768x1280 and 2. Both sides get two worker processes, and the medians of --rounds are compared. Then
--batches batches are drawn, and the memory that the processes hold for themselves is printed after each tenth
of them. expand_ratio is 0 unless given, as the peer expands nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.timing import ROOT
from src.config import Config, load_config
from src.data.pipeline.workers import DataWorkers
from src.dataset import create_maskrcnn_dataset, ensure_mindrecord, resolve_classes, start_workers

SUMMARY = "training batches: pictures a second (against a torch DataLoader), bytes to the device, memory"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help="settings; coco_root names the data")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=1200, help="of a round (the peer's have a third)")
    parser.add_argument("--batches", type=int, default=5000, help="over which memory is watched; 0: not")
    parser.add_argument(
        "--peer", metavar="PYTHON", help="interpreter with torch, torchvision and pycocotools"
    )


def run(args: argparse.Namespace) -> None:
    words = args.words
    if not any(word.startswith("expand_ratio=") for word in words):
        words = [*words, "expand_ratio=0"]
    with tempfile.TemporaryDirectory() as folder:
        config = load_config([f"mindrecord_dir={folder}/m", *words])
        shards, manifest = ensure_mindrecord(config)
        config = resolve_classes(config, manifest)
        rates = []
        peer_rates = []
        for _ in range(args.rounds):
            with start_workers(config, shards, manifest.has_masks) as workers:
                batches = draw_batches(config, shards, workers)
                batch = next(batches)  # processes start, files are opened
                rates.append(pictures_a_second(batches, config.batch_size, args.pictures))
            if args.peer:
                peer_rates.append(peer_pictures_a_second(args.peer, args.pictures // 3, config))
        size = sum(array.nbytes for name, array in batch.items() if name != "image_id") / config.batch_size
        print(
            f"{config.img_height}x{config.img_width}, batch {config.batch_size}, "
            f"{config.num_parallel_workers} processes, {os.cpu_count()} cores: {_summary(rates)} pictures/s; "
            f"{size / 1e6:.2f} MB a picture to the device",
            flush=True,
        )
        if peer_rates:
            ratio = statistics.median(rates) / statistics.median(peer_rates)
            print(
                f"torch DataLoader: {_summary(peer_rates)} pictures/s; {ratio:.2f} times as many here",
                flush=True,
            )
        if args.batches:
            print(watch_memory(config, shards, manifest.has_masks, args.batches), flush=True)


def draw_batches(config: Config, shards: Path, workers: DataWorkers) -> Iterator[dict]:
    """The batches of one epoch after the other, without end."""
    epoch = 0
    while True:
        yield from create_maskrcnn_dataset(config, shards, epoch, workers=workers)
        epoch += 1


def pictures_a_second(batches: Iterator[dict], batch_size: int, num_pictures: int) -> float:
    num_batches = num_pictures // batch_size
    start = time.perf_counter()
    for _ in range(num_batches):
        next(batches)
    return num_batches * batch_size / (time.perf_counter() - start)


def peer_pictures_a_second(python: str, num_pictures: int, config: Config) -> float:
    """The rate of the peer's loader, in a process of its own."""
    options = {
        "data": os.path.abspath(config.coco_root),
        "year": config.train_data_type[-4:],
        "height": config.img_height,
        "width": config.img_width,
        "batch": config.batch_size,
        "workers": config.num_parallel_workers,
        "images": num_pictures,
    }
    command = [python, "-m", "benchmarks.peer.peer_feed"]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])["images_per_second"]


def watch_memory(config: Config, shards: Path, has_masks: bool, count: int) -> str:
    """Draw `count` batches; returns a sentence with the processes' memory after each tenth of them."""
    with start_workers(config, shards, has_masks) as workers:
        processes = [os.getpid(), *(process.pid for process in workers._processes)]
        batches = draw_batches(config, shards, workers)
        start = time.perf_counter()
        sizes = []
        for number in range(1, count + 1):
            next(batches)
            if number % max(1, count // 10) == 0:
                sizes.append(own_memory(processes))
    return (
        f"memory of {len(processes)} processes after each tenth of {count} batches: "
        f"{', '.join(f'{size:.1f}' for size in sizes)} MB, in {time.perf_counter() - start:.0f} s"
    )


def own_memory(processes: Sequence[int]) -> float:
    """MB that processes hold for themselves; the batches that they share do not count."""
    total = 0
    for pid in processes:
        status = Path(f"/proc/{pid}/status").read_text()
        total += int(status.split("RssAnon:")[1].split()[0])
    return total / 1e3


def _summary(rates: Sequence[float]) -> str:
    return f"{statistics.median(rates):.1f} ({min(rates):.1f} to {max(rates):.1f})"
