"""Feed training batches as fast as they come: decode, resize, flip, masks, batch, at the default 768x1280 with batch 2.

    python benchmarks/data.py feed coco_root=../shared/data/coco
    python benchmarks/data.py feed coco_root=../shared/data/coco --peer /path/to/python     # with torch and torchvision, in turn
    python benchmarks/data.py feed coco_root=FOLDER --batches 200 large_scale_jitter="[0.1,2.0]"

Both sides get two worker processes. The medians of --rounds are compared. Then --batches batches are drawn, and the memory that the processes
hold for themselves is told after each tenth of them. expand_ratio is 0 unless written, as the peer expands nothing.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

SUMMARY = "training batches: pictures a second (against a torch DataLoader), bytes to the device, memory over thousands of batches"
ROOT = Path(__file__).resolve().parents[1]


def add_arguments(parser):
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help="settings; coco_root names the data")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=1200, help="of a round (the peer's have a third)")
    parser.add_argument("--batches", type=int, default=5000, help="over which memory is watched; 0: not")
    parser.add_argument(
        "--peer", metavar="PYTHON", help="an interpreter with torch, torchvision and pycocotools"
    )
    parser.add_argument(
        "--peer-script",
        default=str(Path(os.environ.get("MASKRCNN_SHARED") or ROOT.parent / "shared") / "bench/peer_feed.py"),
    )


def run(args):
    from src.config import load_config
    from src.data.pipeline.workers import DataWorkers
    from src.dataset import ensure_mindrecord, resolve_classes

    words = (
        args.words
        if any(word.startswith("expand_ratio=") for word in args.words)
        else [*args.words, "expand_ratio=0"]
    )
    with tempfile.TemporaryDirectory() as folder:
        config = load_config([f"mindrecord_dir={folder}/m", *words])
        folder, manifest = ensure_mindrecord(config)
        config = resolve_classes(config, manifest)
        rates, peers = [], []
        for _ in range(args.rounds):
            with DataWorkers(config, folder, manifest.has_masks) as workers:
                batches = _batches(config, folder, workers)
                batch = next(batches)  # processes start, files are opened
                rates.append(_rate(batches, config.batch_size, args.pictures))
            if args.peer:
                peers.append(_peer_rate(args, config))
        size = sum(array.nbytes for name, array in batch.items() if name != "image_id") / config.batch_size
        print(
            f"{config.img_height}x{config.img_width}, batch {config.batch_size}, {config.num_parallel_workers} processes, {os.cpu_count()} "
            f"cores: {_said(rates)} pictures/s; {size / 1e6:.2f} MB a picture to the device",
            flush=True,
        )
        if peers:
            print(
                f"torch DataLoader: {_said(peers)} pictures/s; {statistics.median(rates) / statistics.median(peers):.2f} times as many here",
                flush=True,
            )
        if args.batches:
            print(_memory(config, folder, manifest.has_masks, args.batches), flush=True)


def _batches(config, folder, workers):
    from src.dataset import create_maskrcnn_dataset

    epoch = 0
    while True:
        yield from create_maskrcnn_dataset(config, folder, epoch, workers=workers)
        epoch += 1


def _rate(batches, batch_size, pictures):
    start = time.perf_counter()
    for _ in range(pictures // batch_size):
        next(batches)
    return pictures // batch_size * batch_size / (time.perf_counter() - start)


def _peer_rate(args, config):
    command = [
        args.peer,
        args.peer_script,
        "--data",
        config.coco_root,
        "--year",
        config.train_data_type[-4:],
        "--height",
        str(config.img_height),
        "--width",
        str(config.img_width),
        "--batch",
        str(config.batch_size),
        "--workers",
        str(config.num_parallel_workers),
        "--images",
        str(args.pictures // 3),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])["images_per_second"]


def _said(rates):
    return f"{statistics.median(rates):.1f} ({min(rates):.1f} to {max(rates):.1f})"


def _memory(config, folder, has_masks, count):
    from src.data.pipeline.workers import DataWorkers

    with DataWorkers(config, folder, has_masks) as workers:
        processes = [os.getpid(), *(process.pid for process in workers._processes)]
        batches, start, seen = _batches(config, folder, workers), time.perf_counter(), []
        for number in range(1, count + 1):
            next(batches)
            if number % max(1, count // 10) == 0:
                seen.append(_own_memory(processes))
    return (
        f"memory of {len(processes)} processes after each tenth of {count} batches: {', '.join(f'{size:.1f}' for size in seen)} MB, "
        f"in {time.perf_counter() - start:.0f} s"
    )


def _own_memory(processes):
    """MB that processes hold for themselves, the batches that they share not counted."""
    total = 0
    for pid in processes:
        status = Path(f"/proc/{pid}/status").read_text()
        total += int(status.split("RssAnon:")[1].split()[0])
    return total / 1e3
