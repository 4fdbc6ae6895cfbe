"""What the timed commands share: arguments, threads, a clock, peak memory. Loads no library with threads."""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def limit_threads(threads: int) -> None:
    """Give this process `threads` cores and every library as many threads; before any of them is loaded."""
    cores = sorted(os.sched_getaffinity(0))
    if threads > len(cores):
        sys.exit(f"error: --threads {threads}: this process may use {len(cores)} cores")
    os.sched_setaffinity(0, cores[:threads])
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)


def peak_rss_mb() -> int:
    """The most memory that this process, or one that it started and waited for, ever held: the larger, in MB.

    Not their sum: a child here (MindSpore and Numba ask the system for its features) shares this process's
    pages.
    """
    sizes = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(sizes) // 1024


def summary(seconds: Sequence[float], digits: int = 3) -> dict:
    """The median and all of some times, with so many digits after the point."""
    return dict(
        median_seconds=round(statistics.median(seconds), digits), seconds=[round(s, digits) for s in seconds]
    )


def timed(work: Callable, repeats: int, make: Callable = lambda i: None, warmup: int = 1) -> tuple:
    """(seconds of `work(make(i))` for each repeat, the last result); `make` is not timed."""
    seconds = []
    result = None
    for i in range(warmup + repeats):
        inputs = make(i)
        start = time.perf_counter()
        result = work(inputs)
        if i >= warmup:
            seconds.append(time.perf_counter() - start)
    return seconds, result


def parse(command: str, description: str, choices: Sequence[str]) -> argparse.Namespace:
    """The arguments of a measurement; limits this process's threads as they say.

    Args:
        command: The module's name in `benchmarks`.
        description: The help text.
        choices: What can be measured.
    """
    parser = argparse.ArgumentParser(
        f"python -m benchmarks.{command}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=choices)
    parser.add_argument("--height", type=int, default=768)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--gts", type=int, default=8, help="objects a picture (train)")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "words", nargs="*", metavar="KEY=VALUE", help="settings over those of configs/torchvision.yaml"
    )
    args = parser.parse_intermixed_args()
    limit_threads(args.threads)
    # Importing it sets the variables that the project's commands set. They count when a library is loaded. It
    # is imported here, as compare.py must not hand them on to the peer.
    import src  # noqa: F401

    return args
