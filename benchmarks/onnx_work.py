"""Inference of the exported ONNX file in ONNX Runtime, as `step_time.py` times it.

The file is written by a process of its own, so that the timed one holds what a deployer's does: ONNX Runtime and NumPy, no MindSpore.
"""

from __future__ import annotations

import collections
import json
import math
import multiprocessing
import re
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.inputs import batch_of, draw_batch, paste_all, settings
from benchmarks.timing import summary, timed
from src.data.images.placement import to_picture
from src.onnx_graph.runtime import OnnxNetwork


def write(args, path):
    """Write the network with the peer's weights, as export.py would; unchecked (tests/onnx_graph does that)."""
    from benchmarks.work import drawn_network  # noqa: I001  first: MindSpore cannot be imported once onnx has loaded protobuf
    from src.onnx_graph.network import onnx_model
    import onnx

    config = settings(args)
    weights = {
        name: parameter.asnumpy() for name, parameter in drawn_network(config).parameters_dict().items()
    }
    onnx.save_model(onnx_model(config, "frozen", weights, {}), str(path))


def written(args, path):
    """`write` in a fresh process; returns the path."""
    writer = multiprocessing.get_context("spawn").Process(target=write, args=(args, path))
    writer.start()
    writer.join()
    if writer.exitcode:
        raise SystemExit(f"error: the ONNX file could not be written (exit code {writer.exitcode})")
    return path


def given(draw, args, i):
    """Batch i: image, rounded to the file's uint8, and image_meta."""
    image, meta, _, _ = batch_of(draw, i, args, 1)
    return np.rint(image).astype(np.uint8), meta


def infer(args):
    """Batches to pasted masks."""
    with tempfile.TemporaryDirectory() as folder:
        path, start = written(args, Path(folder) / "mask_rcnn.onnx"), time.perf_counter()
        network = OnnxNetwork(path, args.threads)
        loaded = time.perf_counter() - start
    draw = draw_batch()

    def call(batch):
        outputs = network(*batch)
        return paste_all(
            [to_picture(*(output[i] for output in outputs), batch[1][i]) for i in range(args.batch)], args
        )

    seconds, _ = timed(call, args.repeats, lambda i: given(draw, args, i))
    return dict(summary(seconds), compile_seconds=round(loaded, 1))


def gflop(event):
    """GFLOP of an operator of a profile; 0 for one that is no product."""

    def shapes(key):
        return [next(iter(array.values())) for array in event["args"][key]]

    kind = event["args"]["op_name"]
    if not re.search("Conv|Gemm|MatMul", kind):
        return 0.0
    (first, weight, *_), result = shapes("input_type_shape"), shapes("output_type_shape")[0]
    taken = math.prod(weight[1:]) if "Conv" in kind else first[-1]
    return 2e-9 * math.prod(result) * taken


def profile(args):
    """Of one run: (seconds, {part of the network: [seconds of its products, their GFLOP, seconds of the rest]}, GFLOP/s of a large product).

    The large product, by NumPy, says what the machine does at its best.
    """
    draw = draw_batch()
    with tempfile.TemporaryDirectory() as folder:
        network = OnnxNetwork(
            written(args, Path(folder) / "mask_rcnn.onnx"), args.threads, Path(folder) / "profile"
        )
        for i in (0, 1):
            network(*given(draw, args, i))
        events = json.loads(Path(network.session.end_profiling()).read_text())
    *_, last = (event for event in events if event["name"] == "model_run")
    parts = collections.defaultdict(lambda: [0.0, 0.0, 0.0])
    for event in events:
        if (
            event.get("cat") == "Node"
            and event["name"].endswith("_kernel_time")
            and last["ts"] <= event["ts"] <= last["ts"] + last["dur"]
        ):
            row, work = parts[part_of(event["name"])], gflop(event)
            row[0 if work else 2] += event["dur"] / 1e6
            row[1] += work
    square = np.random.default_rng(0).random((2048, 2048), np.float32)
    fastest = min(timed(lambda _: square @ square, 5)[0])
    return last["dur"] / 1e6, parts, 2e-9 * 2048**3 / fastest


def part_of(name):
    """'fpn' of 'fpn/Conv_3_kernel_time'; ONNX Runtime's own operators, which turn layouts, belong to no part."""
    found = re.match(r"(?:fused )?([a-z][a-z_]*)", name)
    return found.group(1) if found else "(layouts)"
