"""Inference of the exported ONNX file in ONNX Runtime, as `step_time.py` times it.

The file is written by a process of its own, so that the timed one holds what a deployer's does: ONNX Runtime and NumPy, no MindSpore.
"""
from __future__ import annotations

import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.inputs import batch_of, draw_batch, paste_all, settings
from benchmarks.timing import summary, timed
from src.data.placement import to_picture
from src.onnx_graph.runtime import OnnxNetwork


def write(args, path):
    """Write the network with the peer's weights, as export.py would; unchecked (tests/onnx_graph does that)."""
    from benchmarks.work import drawn_network  # noqa: I001  first: MindSpore cannot be imported once onnx has loaded protobuf
    from src.onnx_graph.network import onnx_model
    import onnx
    config = settings(args)
    weights = {name: parameter.asnumpy() for name, parameter in drawn_network(config).parameters_dict().items()}
    onnx.save_model(onnx_model(config, "frozen", weights, {}), str(path))


def written(args, path):
    """`write` in a fresh process; returns the path."""
    writer = multiprocessing.get_context("spawn").Process(target=write, args=(args, path))
    writer.start()
    writer.join()
    if writer.exitcode:
        raise SystemExit(f"error: the ONNX file could not be written (exit code {writer.exitcode})")
    return path


def infer(args):
    """Batches to pasted masks. The pictures' values are rounded to the file's uint8."""
    with tempfile.TemporaryDirectory() as folder:
        path, start = written(args, Path(folder) / "mask_rcnn.onnx"), time.perf_counter()
        network = OnnxNetwork(path, args.threads)
        loaded = time.perf_counter() - start
    draw = draw_batch()

    def make(i):
        image, meta, _, _ = batch_of(draw, i, args, 1)
        return np.rint(image).astype(np.uint8), meta

    def call(given):
        outputs = network(*given)
        return paste_all([to_picture(*(output[i] for output in outputs), given[1][i]) for i in range(args.batch)], args)
    seconds, _ = timed(call, args.repeats, make)
    return dict(summary(seconds), compile_seconds=round(loaded, 1))
