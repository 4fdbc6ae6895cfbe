"""Operators of the network on the device against NumPy: a process of its own, which prints JSON.

    python -m src.engine.card_check.operators CPU|Ascend

{"device": {name: text}, "rows": [...]}
"""

from __future__ import annotations

import json
import os
import sys
from typing import Dict, List

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from ...device_limits import is_ascend_910, soc_version
from ...maskrcnn.ops import boxes as box_ops
from ...maskrcnn.ops.nms import NMS
from ...maskrcnn.ops.sampling import random_priorities
from ...maskrcnn.roi_align import RoIAlign
from ..entry import run_main
from ..runtime.device import start_device
from . import references
from .table import FAILED, NOTE, Row, compare

# What float16 changes of a value at most.
_FLOAT16 = 2.0**-11
_SHAPES = ((64, 96), (32, 48), (16, 24), (8, 12))  # of P2 to P5, for a canvas of 256 x 384
_CHANNELS = 16


class TopK(nn.Cell):
    def construct(self, values):
        return ops.topk(values, 1000)


class Areas(nn.Cell):
    def construct(self, boxes):
        return box_ops.areas(boxes)


class Priorities(nn.Cell):
    def construct(self, key):
        return random_priorities(key, 20000, (1,))[0]


def all_rows(simulated: bool) -> List[Row]:
    """Every check of an operator, on the device that is set."""
    rng = np.random.default_rng(1)
    return [
        *check_topk(rng, simulated),
        check_areas(rng, simulated),
        check_priorities(simulated),
        *check_nms(rng, simulated),
        *check_roi_align(rng, simulated),
    ]


def check_topk(rng, simulated: bool) -> List[Row]:
    values = rng.permutation(np.linspace(0.001, 0.999, 20000)).astype(np.float32)
    best, idxs = (part.asnumpy()[0] for part in TopK()(Tensor(values[None])))
    want = np.sort(values)[::-1][:1000]
    float32 = "" if simulated else f"; {'float32' if np.array_equal(best, want) else 'rounded'} values"
    chosen = compare("TopK, what it chooses", values[idxs], want, _FLOAT16, simulated)
    return [Row(chosen.name, chosen.result, chosen.detail + float32)]


def check_areas(rng, simulated: bool) -> Row:
    """Areas over 65,504 square pixels overflow where float32 is computed in float16."""
    sides = rng.integers(300, 1300, (64, 2))
    boxes = np.concatenate([np.zeros((64, 2)), sides], 1).astype(np.float32)
    return compare("areas of boxes in float32", Areas()(Tensor(boxes)).asnumpy(), sides.prod(1), 0, simulated)


def check_priorities(simulated: bool) -> Row:
    got = Priorities()(Tensor(np.array([12345], np.int32))).asnumpy()[0]
    want = references.priorities(12345, 20000, 1)
    # Other numbers are a note as long as they still draw at random.
    result = NOTE if are_spread(got) else FAILED
    return compare("priorities of the samplers (whole numbers)", got, want, 0, simulated, result)


def are_spread(priorities: np.ndarray) -> bool:
    """Whether nearly all of them differ, and each eighth of -2^15 to 0 holds about an eighth of them."""
    counts, _ = np.histogram(priorities, 8, (-(2.0**15), 0.0))
    is_even = np.abs(8 * counts / len(priorities) - 1).max() < 0.2
    return bool(is_even and len(np.unique(priorities)) > 0.9 * len(priorities))


def check_nms(rng, simulated: bool) -> List[Row]:
    corners = rng.uniform(0, 1, (1000, 2)) * (900, 500)
    boxes = np.concatenate([corners, corners + np.exp(rng.uniform(4, 5.8, (1000, 2)))], 1).astype(np.float32)
    overlaps = np.triu(np.abs(references.iou(boxes) - 0.5) < 1e-5, 1).any(0)
    boxes = boxes[~overlaps]  # rounding decides nothing
    inputs = [
        Tensor(boxes[None]),
        Tensor(np.ones((1, len(boxes)), bool)),
        Tensor(np.linspace(1, 0.1, len(boxes), dtype=np.float32)[None]),
    ]
    want = references.greedy_nms(boxes, 0.5)
    rows = []
    # Ascend 910 has NMSWithMask in float16 only; the network uses the matrix there.
    for name, matrix, result in (
        ("NMS by NMSWithMask", False, NOTE if is_ascend_910() else FAILED),
        ("NMS by the matrix of IoUs", True, FAILED),
    ):
        kept = NMS(0.5, matrix=matrix)(*inputs).asnumpy()[0]
        rows.append(compare(name, kept, want, 0, simulated, result))
    return rows


def check_roi_align(rng, simulated: bool) -> List[Row]:
    features = [rng.normal(0, 1, (1, _CHANNELS, *shape)).astype(np.float32) for shape in _SHAPES]
    corners = rng.uniform(0, 1, (60, 2)) * (200, 100)
    rois = np.concatenate([corners, corners + np.exp(rng.uniform(2.5, 5, (60, 2)))], 1).astype(np.float32)
    small = rois.copy()
    small[:, 2:] = small[:, :2] + rng.uniform(0.5, 3.5, (60, 2))  # a cell of P2 is 4 pixels
    cell = RoIAlign(7, 2, (4, 8, 16, 32), _SHAPES)
    tensors = tuple(Tensor(feature) for feature in features)
    rows = []
    for name, boxes, result in (
        ("RoIAlign", rois, FAILED),
        ("RoIAlign, RoIs of under one cell", small.astype(np.float32), NOTE),
    ):
        got = cell(tensors, Tensor(boxes[None]), Tensor(np.ones((1, len(boxes)), bool))).asnumpy()
        want = references.roi_align([feature[0] for feature in features], boxes, 7, 2)
        rows.append(compare(name, got, want, 2 * _FLOAT16, simulated, result))
    return rows


def describe_device() -> Dict[str, str]:
    if ms.get_context("device_target") != "Ascend":
        return {"chip": "none, the CPU"}
    chip = soc_version() or "not told at a simulation level"
    return {"chip": chip, "cards": str(ms.hal.device_count("Ascend"))}


def main() -> None:
    start_device(sys.argv[1])
    simulated = bool(os.environ.get("MS_SIMULATION_LEVEL"))
    rows = all_rows(simulated)
    print(json.dumps({"device": describe_device(), "rows": [row.as_dict() for row in rows]}), flush=True)


if __name__ == "__main__":
    run_main(main)
