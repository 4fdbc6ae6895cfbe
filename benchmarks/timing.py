"""What the timed commands share: their arguments and threads, a clock, the most memory held. Loads no library that starts threads."""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def limit_threads(threads):
    """Give this process `threads` cores and as many threads in every library; before any of them is loaded."""
    cores = sorted(os.sched_getaffinity(0))
    if threads > len(cores):
        sys.exit(f"error: --threads {threads}: this process may use {len(cores)} cores")
    os.sched_setaffinity(0, cores[:threads])
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)


def peak_rss_mb():
    """The most memory that this process, or one that it started and waited for, ever held.

    Not their sum: what runs here in a child (MindSpore and Numba ask the system for its features) shares its pages with this process.
    """
    return (
        max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        // 1024
    )


def summary(seconds):
    return dict(median_seconds=round(statistics.median(seconds), 3), seconds=[round(s, 3) for s in seconds])


def timed(work, repeats, make=lambda i: None, warmup=1):
    """Seconds of `work(make(i))` for each repeat, and the last answer."""
    seconds, answer = [], None
    for i in range(warmup + repeats):
        given = make(i)
        start = time.perf_counter()
        answer = work(given)
        if i >= warmup:
            seconds.append(time.perf_counter() - start)
    return seconds, answer


def parse(description, choices):
    """The arguments of a measurement; its threads are limited on the way."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
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
    return args
