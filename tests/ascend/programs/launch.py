"""Compile a graph with MindSpore's Ascend backend and launch it, on the stand-ins of CANN's libraries.

    python -m tests.ascend.programs.launch training|inference|exported [--config FILE] [--launches N]
                                           [KEY=VALUE ...]

The environment is that of `tests/ascend/standin/build.py`. Prints one line of JSON:
{"compile_seconds", "launch_seconds" (by the clock), "process_seconds" (the processor's time that a launch
takes, of all threads together), "thread_seconds" (of the busiest thread), each the least of the launches,
because other programs only add to it, "nodes" (of the compiled graph), "kernels" ({operator: how many}),
"parts" ({part of the network: kernels}), "calls" (of CANN in a launch; none at a simulation level),
"memory_mb" (planned), "outputs" ([[dtype, shape], ...])}.
"""

from __future__ import annotations

import argparse
import collections
import ctypes
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Tensor

from tests.ascend.standin.build import COUNTERS

if (Path(__file__).resolve().parents[3] / "src" / "engine" / "train_setup.py").exists():
    from tests.ascend.programs import step_cells
else:  # a tree from before 2026-11-27
    from tests.ascend.programs import first_step_cells as step_cells

# Nodes that order a graph and launch nothing.
WITHOUT_KERNEL = ("Depend", "Load", "MakeTuple", "TupleGetItem", "UpdateState")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("graph", choices=("training", "inference", "exported"))
    parser.add_argument("--config")
    parser.add_argument("--launches", type=int, default=2)
    parser.add_argument("--level", default="O0", help="MindSpore's jit_level; 'own': MindSpore chooses")
    parser.add_argument("words", nargs="*")
    args = parser.parse_intermixed_args()
    config = step_cells.settings(args.words, args.config)
    with tempfile.TemporaryDirectory() as folder:
        # Of the graphs that MindSpore writes at its stages only the last, which the device executes.
        os.environ["MS_DEV_DUMP_IR_PASSES"] = "graph_build"
        (Path(folder) / "execute_order").mkdir()  # MindSpore writes there when it ends, and does not make it
        ms.set_context(save_graphs=1, save_graphs_path=folder)
        # start_device does so, too; this file is also run in trees of older commits.
        ms.runtime.dispatch_threads_num(5)
        started = step_cells.start_card(config)
        if args.level != "own":
            ms.set_context(jit_config={"jit_level": args.level})
        with started.group:
            cell, inputs = make_graph(args.graph, config, started)
            report = launch(cell, inputs, args.launches)
            report["rank"] = started.rank
            report["num"] = started.num
        nodes = graph_nodes(Path(folder))
        report["nodes"] = len(nodes)
        kernels = [(operator, name) for operator, name in nodes if operator not in WITHOUT_KERNEL]
        report["kernels"] = counts(operator for operator, _ in kernels)
        report["parts"] = counts(part_of(name) for _, name in kernels)
    print(json.dumps(report), flush=True)


def make_graph(graph, config, started):
    """(cell, its inputs): zeros of the shapes that a batch has."""
    is_training = graph == "training"
    layout = step_cells.array_layout(config, config.batch_size if is_training else config.test_batch_size)
    arrays = {name: np.zeros(shape, kind) for name, (kind, shape) in layout.items()}
    height = config.img_height
    width = config.img_width
    arrays["image_meta"][:] = (height, width, 1, 1, height, width)
    if is_training:
        cell = step_cells.training_cell(config, started)
        inputs = [np.float32(0), *(arrays[name] for name in step_cells.BATCH_NAMES)]
    else:
        cell = step_cells.inference_cell(config, graph == "exported")
        inputs = [arrays["image"], arrays["image_meta"]]
    return cell, [Tensor(array) for array in inputs]


def launch(cell, inputs, launches):
    """What compiling and launching took, and what comes out."""
    began = time.perf_counter()
    cell.compile(*inputs)
    report = {"compile_seconds": round(time.perf_counter() - began, 2)}
    seconds = []
    process_seconds = []
    thread_seconds = []
    outputs = None
    for _ in range(1 + launches):  # the first one makes the kernels ready
        calls = calls_of_cann()
        before = thread_times()
        process_began = time.process_time()
        began = time.perf_counter()
        outputs = cell(*inputs)
        values = [output.asnumpy() for output in (outputs if isinstance(outputs, tuple) else (outputs,))]
        seconds.append(time.perf_counter() - began)
        process_seconds.append(time.process_time() - process_began)
        after = thread_times()
        thread_seconds.append(max(after[thread] - before.get(thread, 0) for thread in after))
    report["launch_seconds"] = min(seconds[1:])
    report["process_seconds"] = min(process_seconds[1:])
    report["thread_seconds"] = min(thread_seconds[1:])
    report["calls"] = calls_of_cann() - calls
    report["memory_mb"] = round(ms.runtime.max_memory_allocated() / 2**20)
    report["outputs"] = [[str(value.dtype), list(value.shape)] for value in values]
    return report


def calls_of_cann():
    """How often something has been started on the card so far; 0 without this folder's stand-ins."""
    libraries = Path(os.environ["ASCEND_HOME_PATH"]) / "lib64"
    return sum(
        ctypes.c_int64.in_dll(ctypes.CDLL(str(libraries / library)), counter).value
        for library, counter in COUNTERS.items()
    )


def thread_times():
    """{thread: its own seconds so far} of this process."""
    times = {}
    for path in Path("/proc/self/task").iterdir():
        try:
            nanoseconds = int((path / "schedstat").read_text().split()[0])
        except OSError:  # it has just ended
            continue
        times[path.name] = nanoseconds / 1e9
    return times


def graph_nodes(folder):
    """[(operator, full name)] of the graphs as they are executed."""
    nodes = []
    for path in sorted(folder.rglob("graph_build_*.ir")):
        for line in path.read_text(errors="replace").splitlines():
            node = re.match(r"\s+%\d+\(\S+\) = (?:PrimFunc_)?(\w+)\(", line)
            name = re.search(r"# Fullname with scope: \((.*)\)", line)
            if node:
                nodes.append((node[1], ""))
            elif name and nodes:
                nodes[-1] = (nodes[-1][0], name[1])
    return nodes


def part_of(name):
    """The part of the network that a node's full name begins with, and whether it belongs to gradients.

    MindSpore merges nodes that compute the same, and names them after one of their places.
    """
    cells = [word.split("-")[0] for word in name.split("/")[:-1]]
    prefix = "gradient of " if cells[:1] == ["Gradients"] else ""
    cells = [cell for cell in cells if cell not in ("Gradients", "Default", "loss_net", "network")]
    return prefix + (cells[0] if cells else "the step")


def counts(values):
    """{value: how often it is there}, the most frequent first."""
    return dict(collections.Counter(values).most_common())


if __name__ == "__main__":
    sys.exit(main())
