"""Inference of the exported ONNX file in ONNX Runtime, as `step_time.py` times it.

The file is written by a process of its own, so that the timed one holds what it would hold where the file is
deployed: ONNX Runtime and NumPy, no MindSpore.
"""

from __future__ import annotations

import argparse
import collections
import json
import math
import multiprocessing
import re
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.inputs import batch_of, paste_all, settings
from benchmarks.timing import summary, timed
from src.data.images.placement import to_picture
from src.onnx_graph.runtime import OnnxNetwork
from src.weights.checkpoint_settings import SETTINGS_ENTRY


def write(args: argparse.Namespace, path: Path) -> None:
    """Write the network with the peer's weights, as export.py would, but without its check."""
    # MindSpore comes first: it cannot be imported once onnx has loaded protobuf
    from benchmarks.work import drawn_network  # noqa: I001
    from src.onnx_graph.network import onnx_model
    import onnx

    config = settings(args)
    parameters = drawn_network(config).parameters_dict()
    weights = {name: parameter.asnumpy() for name, parameter in parameters.items()}
    onnx.save_model(onnx_model(config, "frozen", weights, {SETTINGS_ENTRY: {}}), str(path))


def write_in_process(args: argparse.Namespace, path: Path) -> Path:
    """`write` in a new process; returns the path."""
    writer = multiprocessing.get_context("spawn").Process(target=write, args=(args, path))
    writer.start()
    writer.join()
    if writer.exitcode:
        raise SystemExit(f"error: the ONNX file could not be written (exit code {writer.exitcode})")
    return path


def make(args: argparse.Namespace, i: int) -> tuple[np.ndarray, np.ndarray]:
    """Batch i: image, rounded to the uint8 that the file takes, and image_meta."""
    image, image_meta, _, _ = batch_of(i, args, 1)
    return np.rint(image).astype(np.uint8), image_meta


def infer(args: argparse.Namespace) -> dict:
    """The figures of inference from a batch to pasted masks."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_in_process(args, Path(folder) / "mask_rcnn.onnx")
        start = time.perf_counter()
        network = OnnxNetwork(path, args.threads)
        loaded = time.perf_counter() - start

    def call(batch):
        outputs = network(*batch)
        detections = [to_picture(*(output[i] for output in outputs), batch[1][i]) for i in range(args.batch)]
        return paste_all(detections, args)

    seconds, _ = timed(call, args.repeats, lambda i: make(args, i))
    return dict(summary(seconds), compile_seconds=round(loaded, 1))


def gflop(event: dict) -> float:
    """GFLOP of an operator of a profile; 0 for one that is no convolution or matrix product."""

    def shapes(key):
        return [next(iter(array.values())) for array in event["args"][key]]

    kind = event["args"]["op_name"]
    if not re.search("Conv|Gemm|MatMul", kind):
        return 0.0
    first, weight, *_ = shapes("input_type_shape")
    products = math.prod(weight[1:]) if "Conv" in kind else first[-1]  # of each output number
    return 2e-9 * math.prod(shapes("output_type_shape")[0]) * products


def profile(args: argparse.Namespace) -> tuple[float, dict, float]:
    """Profile one run.

    Returns:
        seconds: Of the run.
        parts: {part of the network: [seconds of its convolutions and matrix products, their GFLOP, seconds of
            the rest]}.
        peak: GFLOP/s of a large matrix product by NumPy, which is what the machine does at its best.
    """
    with tempfile.TemporaryDirectory() as folder:
        network = OnnxNetwork(
            write_in_process(args, Path(folder) / "mask_rcnn.onnx"), args.threads, Path(folder) / "profile"
        )
        for i in (0, 1):
            network(*make(args, i))
        events = json.loads(Path(network.session.end_profiling()).read_text())
    *_, last = (event for event in events if event["name"] == "model_run")
    parts = collections.defaultdict(lambda: [0.0, 0.0, 0.0])
    for event in events:
        if (
            event.get("cat") == "Node"
            and event["name"].endswith("_kernel_time")
            and last["ts"] <= event["ts"] <= last["ts"] + last["dur"]
        ):
            row = parts[part_of(event["name"])]
            work = gflop(event)
            row[0 if work else 2] += event["dur"] / 1e6
            row[1] += work
    square = np.random.default_rng(0).random((2048, 2048), np.float32)
    fastest = min(timed(lambda _: square @ square, 5)[0])
    return last["dur"] / 1e6, parts, 2e-9 * 2048**3 / fastest


def part_of(name: str) -> str:
    """'fpn' of 'fpn/Conv_3_kernel_time'; ONNX Runtime's own operators, which change layouts, have no part."""
    found = re.match(r"(?:fused )?([a-z][a-z_]*)", name)
    return found.group(1) if found else "(layouts)"
