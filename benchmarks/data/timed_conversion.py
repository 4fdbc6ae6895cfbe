"""Convert as `train.py` does and print [seconds to read and check, seconds to convert] as JSON.

python -m benchmarks.data.timed_conversion KEY=VALUE ...
"""

from __future__ import annotations

import json
import sys
import time

from src.config import load_config
from src.data.mindrecord import converter
from src.dataset import ensure_mindrecord
from src.engine.entry import run_main


def main() -> None:
    read = converter.checked_source
    seconds = []

    def timed(*args, **options):
        start = time.perf_counter()
        source = read(*args, **options)
        seconds.append(time.perf_counter() - start)
        return source

    converter.checked_source = timed
    start = time.perf_counter()
    ensure_mindrecord(load_config(sys.argv[1:]))
    reading = sum(seconds)  # 0 where the conversion is there already
    print(json.dumps([reading, time.perf_counter() - start - reading]))


if __name__ == "__main__":
    run_main(main)
