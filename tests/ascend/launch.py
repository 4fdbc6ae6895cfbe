"""Compile a graph with MindSpore's Ascend backend and launch it, on the stand-ins of CANN's libraries.

    python -m tests.ascend.launch training|inference|exported [--config FILE] [--launches N] [KEY=VALUE ...]

The environment is that of `tests/ascend/standin/build.py`. Prints one line of JSON:
{"compile_seconds", "launch_seconds" (the median), "thread_seconds" (the busiest thread's own time a launch),
"kernels" ({operator: how many} in the order of execution), "memory_mb" (planned), "outputs" ([[dtype,
shape], ...])}.
"""

from __future__ import annotations

import argparse
import collections
import csv
import json
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Tensor

from src.config import load_config
from src.data.pipeline.training_example import batch_layout
from src.engine.runtime import device
from src.engine.train_setup import BATCH_NAMES, new_network
from src.engine.training.build_step import make_step
from src.maskrcnn.build import build_network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("graph", choices=("training", "inference", "exported"))
    parser.add_argument("--config")
    parser.add_argument("--launches", type=int, default=2)
    parser.add_argument("--level", default="O0", help="MindSpore's jit_level")
    parser.add_argument("words", nargs="*")
    args = parser.parse_intermixed_args()
    config = load_config(args.words, args.config)
    device.ascend_is_here = lambda: True  # it looks for the device files of a card
    with tempfile.TemporaryDirectory() as folder:
        # Only files that name the kernels in their order; level 1 writes the fewest.
        (Path(folder) / "execute_order").mkdir()  # MindSpore does not make it
        ms.set_context(save_graphs=1, save_graphs_path=folder)
        started = device.start_device("Ascend")
        ms.set_context(jit_config={"jit_level": args.level})
        with started.group:
            cell, inputs = make_graph(args.graph, config, started)
            report = launch(cell, inputs, args.launches)
            report["rank"] = started.rank
            report["num"] = started.num
        report["kernels"] = kernels(Path(folder))
    print(json.dumps(report), flush=True)


def make_graph(graph, config, started):
    """(cell, its inputs): zeros of the shapes that a batch has."""
    layout = batch_layout(config, config.batch_size if graph == "training" else config.test_batch_size)
    arrays = {name: np.zeros(shape, kind) for name, (kind, shape) in layout.items()}
    height = config.img_height
    width = config.img_width
    arrays["image_meta"][:] = (height, width, 1, 1, height, width)
    if graph == "training":
        network = new_network(config, started, config.pre_trained is not None).set_train(True)
        cell = make_step(config, network, started.num)
        inputs = [np.float32(0), *(arrays[name] for name in BATCH_NAMES)]
    else:
        cell = build_network(config, "Ascend", exported=graph == "exported").set_train(False)
        inputs = [arrays["image"], arrays["image_meta"]]
    return cell, [Tensor(array) for array in inputs]


def launch(cell, inputs, launches):
    """What compiling and launching took, and what comes out."""
    began = time.perf_counter()
    cell.compile(*inputs)
    report = {"compile_seconds": round(time.perf_counter() - began, 2)}
    seconds = []
    thread_seconds = []
    outputs = None
    for _ in range(1 + launches):  # the first one makes the kernels ready
        before = thread_times()
        began = time.perf_counter()
        outputs = cell(*inputs)
        values = [output.asnumpy() for output in (outputs if isinstance(outputs, tuple) else (outputs,))]
        seconds.append(time.perf_counter() - began)
        after = thread_times()
        thread_seconds.append(max(after[thread] - before.get(thread, 0) for thread in after))
    report["launch_seconds"] = statistics.median(seconds[1:])
    report["thread_seconds"] = statistics.median(thread_seconds[1:])
    report["memory_mb"] = round(ms.runtime.max_memory_allocated() / 2**20)
    report["outputs"] = [[str(value.dtype), list(value.shape)] for value in values]
    return report


def thread_times():
    """{thread: its own seconds so far} of this process."""
    ticks = os.sysconf("SC_CLK_TCK")
    times = {}
    for path in Path("/proc/self/task").iterdir():
        try:
            fields = (path / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:  # it has just ended
            continue
        times[path.name] = (int(fields[11]) + int(fields[12])) / ticks
    return times


def kernels(folder):
    """{operator: how many} of the compiled graphs' orders of execution."""
    names = set()
    for path in folder.rglob("execute_order*.csv"):
        with open(path, newline="") as file:
            # MindSpore may write a graph twice; a node's full name is its own.
            names.update((path.name, row["node_name"]) for row in csv.DictReader(file))
    operators = [re.sub(r"-op\d+$", "", name.rsplit("/", 1)[-1]) for _, name in names]
    return dict(collections.Counter(operators).most_common())


if __name__ == "__main__":
    sys.exit(main())
