"""How many pictures serve.py answers, and how fast, beside what its predictor does alone.

    python -m benchmarks.serving mask_rcnn.onnx
    python -m benchmarks.serving mask_rcnn.onnx --seconds 20 --clients 8

It draws pictures, has the predictor find their objects in full batches in this process (before and after),
starts serve.py, and lets clients ask it without a pause over connections that they keep. Clients and server
share this machine. The exit code is 1 where an answer is neither 200 nor 503, or the memory grows.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

import cv2
import numpy as np

from benchmarks.timing import ROOT
from src.data.images.decode import decode_picture
from src.data.shapes.picture import draw_picture
from src.errors import UserError
from src.predictor import Predictor

_PICTURES = 32
_FLAT = 1.05  # how much larger the memory of the last quarter may be than that of the second
_OWN_SECONDS = 12.0
_NAMED = ("p50", "p95", "p99")


class Load:
    """What clients saw.

    Attributes:
        statuses: Answers by status.
        seconds: Of each 200, from the first byte sent to the last one received.
        moments: When each of them had been received.
        memory: The server's resident bytes.
        elapsed: Seconds from the first request to the last answer.
    """

    def __init__(self):
        self.statuses: collections.Counter = collections.Counter()
        self.seconds: List[float] = []
        self.moments: List[float] = []
        self.memory: List[int] = []
        self.elapsed = 0.0


def draw_files(count: int, side: int) -> List[bytes]:
    """JPEG files of drawn pictures."""
    kinds = ("plain", "occluded")
    drawn = [draw_picture((side, side), kinds[i % 2], (7, i)).image for i in range(count)]
    return [cv2.imencode(".jpg", np.ascontiguousarray(image[:, :, ::-1]))[1].tobytes() for image in drawn]


def own_speed(predictor: Predictor, files: Sequence[bytes], batch: int, seconds: float) -> float:
    """Pictures a second of a predictor alone, in full batches of pictures that are decoded already."""
    pictures = [decode_picture(file, "drawn") for file in files]
    batches = [pictures[i : i + batch] for i in range(0, len(pictures) - batch + 1, batch)]
    predictor.predict_pictures(batches[0])
    count = 0
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        count += len(predictor.predict_pictures(batches[count // batch % len(batches)]))
    return count / (time.perf_counter() - start)


def start_server(words: Sequence[str]) -> Tuple[subprocess.Popen, int]:
    """A running serve.py that is ready, and its port."""
    command = [sys.executable, str(ROOT / "serve.py"), "--port", "0", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    first = process.stdout.readline()
    if not process.stdout.readline().startswith("ready"):
        sys.exit(process.wait() or 1)
    return process, int(re.search(r":(\d+);", first)[1])


async def ask(reader, writer, request: bytes) -> Tuple[int, Dict[bytes, bytes], bytes]:
    """(status, headers, body) of a request over an open connection."""
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    headers = dict(line.lower().split(b": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers[b"content-length"]))
    return int(head[0].split()[1]), headers, body


async def client(port: int, files: Sequence[bytes], number: int, end: float, load: Load) -> None:
    """Ask one picture after another until the time is over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < end:
        file = files[number % len(files)]
        number += 1
        head = "POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"
        request = f"{head}Content-Length: {len(file)}\r\n\r\n".encode() + file
        start = time.perf_counter()
        status, headers, _ = await ask(reader, writer, request)
        load.statuses[status] += 1
        if status == 200:
            load.moments.append(time.perf_counter())
            load.seconds.append(load.moments[-1] - start)
        if status == 503:
            await asyncio.sleep(float(headers[b"retry-after"]))
    writer.close()


async def sample_memory(process: subprocess.Popen, end: float, load: Load) -> None:
    """Note the server's resident bytes, four times a second."""
    while time.perf_counter() < end:
        pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
        load.memory.append(pages * os.sysconf("SC_PAGE_SIZE"))
        await asyncio.sleep(0.25)


async def run_load(process, port: int, files: Sequence[bytes], clients: int, seconds: float) -> Load:
    """Let clients ask for so many seconds."""
    load = Load()
    start = time.perf_counter()
    end = start + seconds
    asking = [client(port, files, 5 * i, end, load) for i in range(clients)]
    await asyncio.gather(sample_memory(process, end, load), *asking)
    load.elapsed = time.perf_counter() - start
    return load


def report(load: Load, own: Sequence[float]) -> int:
    """Print what was measured; returns the exit code."""
    served = load.statuses[200] / load.elapsed
    alone = statistics.mean(own)
    quarter = len(load.memory) // 4
    early = statistics.median(load.memory[quarter : 2 * quarter]) / 1e6
    late = statistics.median(load.memory[-quarter:]) / 1e6
    times = ", ".join(
        f"{name} {value:.3f} s" for name, value in zip(_NAMED, np.percentile(load.seconds, (50, 95, 99)))
    )
    answers = ", ".join(f"{status}: {count}" for status, count in sorted(load.statuses.items()))
    print(f"answers         {answers}")
    print(f"latency         {times}, longest {max(load.seconds):.3f} s")
    print(f"longest pause   {np.diff(load.moments).max():.3f} s without an answer")
    print(f"served          {served:.2f} pictures/s")
    print(f"predictor alone {alone:.2f} pictures/s ({', '.join(f'{value:.2f}' for value in own)})")
    print(f"share           {served / alone:.3f}")
    print(f"memory          {early:.0f} MB in the second quarter, {late:.0f} MB in the last")
    is_well = set(load.statuses) <= {200, 503} and late <= _FLAT * early
    return 0 if is_well else 1


def main() -> int:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.serving",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="what serve.py takes")
    parser.add_argument("--seconds", type=float, default=120.0, help="of the load (default: 120)")
    parser.add_argument("--clients", type=int, default=64, help="that ask at the same time (default: 64)")
    parser.add_argument("--max-batch", type=int, default=8, help="pictures in a batch (default: 8)")
    parser.add_argument("--side", type=int, default=256, help="of the drawn pictures (default: 256)")
    args = parser.parse_args()
    files = draw_files(_PICTURES, args.side)
    own_seconds = min(_OWN_SECONDS, args.seconds / 4)
    try:
        predictor = Predictor(args.model)
    except UserError as error:
        sys.exit(f"error: {error}")
    own = [own_speed(predictor, files, args.max_batch, own_seconds)]
    words = [args.model, "--max-batch", str(args.max_batch), "--queue", str(2 * args.clients)]
    process, port = start_server(words)
    try:
        load = asyncio.run(run_load(process, port, files, args.clients, args.seconds))
    finally:
        process.terminate()
        process.wait(60)
    own.append(own_speed(predictor, files, args.max_batch, own_seconds))
    return report(load, own)


if __name__ == "__main__":
    sys.exit(main())
