"""NMS against mmcv's table and a greedy loop in float64."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mindspore import Tensor

from src.maskrcnn.ops.matrix_nms import ROUNDS
from src.maskrcnn.ops.nms import NMS
from tests.maskrcnn import twins


@functools.lru_cache(maxsize=None)
def nms_cells(threshold):
    """MindSpore's operator, the CPU kernel and the matrix."""
    return NMS(threshold), NMS(threshold, kernel=True), NMS(threshold, matrix=True)


def run(boxes, threshold, valid=None):
    """Kept boxes bool [B, N] of [B, N, 4] in descending order of scores; all three ways must agree."""
    boxes = np.asarray(boxes, np.float32)
    valid = np.ones(boxes.shape[:2], bool) if valid is None else valid
    inputs = Tensor(boxes), Tensor(valid), Tensor(descending(boxes.shape[:2]))
    kept, by_kernel, by_matrix = (cell(*inputs).asnumpy() for cell in nms_cells(threshold))
    np.testing.assert_array_equal(by_kernel[valid], kept[valid])
    np.testing.assert_array_equal(by_matrix[valid], kept[valid])
    return kept


def descending(shape):
    """Scores float32 [B, N] from 1 to over 0."""
    return np.broadcast_to(np.linspace(1, 0.5, shape[1], dtype=np.float32), shape).copy()


def clear_boxes(rng, count, threshold):
    """float32 [count, 4] random boxes, no two with an IoU so close to the threshold that rounding decides."""
    boxes = twins.random_boxes(rng, count + 100, 100, 100)
    return boxes[~(np.triu(np.abs(twins.iou(boxes, boxes) - threshold) < 1e-6, 1)).any(0)][:count]


def test_the_known_table():
    boxes = np.array([(6, 3, 8, 7), (3, 6, 9, 11), (3, 7, 10, 12), (1, 4, 13, 7)], np.float32)
    order = np.argsort([-0.6, -0.9, -0.7, -0.2])
    assert order[run(boxes[order][None], 0.3)[0]].tolist() == [1, 0, 3]


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
def test_1000_random_boxes_against_a_greedy_loop(threshold):
    pictures = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        boxes = clear_boxes(rng, 1000, threshold)
        assert len(boxes) == 1000
        # The last box is the first with another corner, so that their IoU is 1e-5 more than the threshold.
        x1, y1, x2, y2 = boxes[0].astype(np.float64)
        boxes[-1] = x1, y1, x2, y1 + (y2 - y1) / (threshold + 1e-5)
        assert twins.iou(boxes[:1], boxes[-1:])[0, 0] > threshold
        pictures.append(boxes)
    got = run(pictures, threshold)
    for boxes, kept in zip(pictures, got):
        np.testing.assert_array_equal(kept, twins.greedy_nms(boxes, threshold))
        assert kept[0] and not kept[-1] and 1 < kept.sum() < 1000


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_small_whole_boxes_against_a_greedy_loop(seed):
    """Whole coordinates, so that equal boxes, touching boxes and boxes without area are frequent."""
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 8, (2, 24, 2))
    boxes = np.concatenate([corner, corner + rng.integers(0, 7, (2, 24, 2))], -1).astype(np.float32)
    threshold = 0.53  # no IoU of such boxes is within .003 of it
    for kept, one in zip(run(boxes, threshold), boxes):
        np.testing.assert_array_equal(kept, twins.greedy_nms(one, threshold))


def test_boxes_that_are_not_valid_suppress_nothing(rng):
    boxes = twins.random_boxes(rng, 24)[None]
    boxes[0, 1::2] = boxes[0, 0::2]
    valid = np.ones((1, 24), bool)
    valid[0, 0::2] = False
    kept = run(np.repeat(boxes, 2, 0), 0.53, np.repeat(valid, 2, 0))
    np.testing.assert_array_equal(kept[0][1::2], twins.greedy_nms(boxes[0, 1::2], 0.53))


def test_boxes_outside_the_picture_and_without_area_are_left_alone():
    boxes = np.array([(-9, -9, -2, -2), (5, 5, 5, 5), (5, 5, 5, 5), (-9, -9, -2, -2)], np.float32)
    assert run(np.stack([boxes, boxes]), 0.5).tolist() == [[True, True, True, False]] * 2


@pytest.mark.parametrize("way", [0, 1, 2], ids=["operator", "kernel", "matrix"])
def test_groups_are_suppressed_each_by_itself(rng, way):
    """Two groups of the same boxes, and one of two boxes: none suppresses another group's."""
    boxes = clear_boxes(rng, 24, 0.53)
    boxes = np.stack([np.concatenate([boxes, boxes, boxes[:2]]), np.concatenate([boxes, boxes, boxes[2:4]])])
    cell = nms_cells(0.53)[way]
    inputs = Tensor(boxes), Tensor(np.ones(boxes.shape[:2], bool)), Tensor(descending(boxes.shape[:2]))
    kept = cell(*inputs, (24, 24, 2)).asnumpy()
    for one, found in zip(boxes, kept):
        parts = [twins.greedy_nms(part, 0.53) for part in np.split(one, [24, 48])]
        np.testing.assert_array_equal(found, np.concatenate(parts))


def test_the_matrix_follows_the_scores_and_not_the_order(rng):
    """Of equal scores the first box is the better one."""
    boxes = clear_boxes(rng, 60, 0.5)
    scores = rng.integers(0, 20, 60).astype(np.float32)
    kept = nms_cells(0.5)[2](Tensor(boxes[None]), Tensor(np.ones((1, 60), bool)), Tensor(scores[None]))
    order = np.argsort(-scores, kind="stable")
    np.testing.assert_array_equal(kept.asnumpy()[0][order], twins.greedy_nms(boxes[order], 0.5))


def test_a_chain_of_suppressions_as_long_as_there_are_rounds():
    """Each box overlaps the next one alone: greedy NMS keeps every second one."""
    x = 2.0 * np.arange(ROUNDS + 1)
    boxes = np.stack([x, 0 * x, x + 6, 0 * x + 1], 1).astype(np.float32)  # IoU with the next: 4 / 8
    kept = run(boxes[None], 0.45)[0]
    assert kept.tolist() == [i % 2 == 0 for i in range(ROUNDS + 1)]


@pytest.mark.parametrize("threshold", [0.5, 0.7])
@pytest.mark.parametrize("kind", ["around objects", "dense", "grid"])
def test_2000_boxes_as_a_network_proposes_them(kind, threshold):
    rng = np.random.default_rng(1)
    if kind == "around objects":
        objects = rng.integers(0, 20, 2000)
        sides = np.exp(rng.uniform(3, 6, (20, 2)))[objects]
        centers = rng.uniform(0, (1280, 768), (20, 2))[objects] + rng.normal(0, 0.15, (2000, 2)) * sides
        sides = sides * np.exp(rng.normal(0, 0.2, (2000, 2)))
    elif kind == "dense":
        centers = rng.uniform(0, 300, (2000, 2))
        sides = np.exp(rng.normal(5, 0.1, (2000, 2)))
    else:
        cells = rng.permutation(48 * 48)[:2000]
        centers = 16.0 * np.stack([cells % 48, cells // 48], 1) + rng.normal(0, 2, (2000, 2))
        sides = 128 * np.exp(rng.normal(0, 0.1, (2000, 2)))
    boxes = np.clip(np.concatenate([centers - sides / 2, centers + sides / 2], 1), 0, [1280, 768] * 2)
    boxes = boxes.astype(np.float32)
    near = np.triu(np.abs(twins.iou(boxes, boxes) - threshold) < 1e-6, 1).any(0)
    boxes = boxes[~near]
    kept = run(boxes[None], threshold)[0]
    np.testing.assert_array_equal(kept, twins.greedy_nms(boxes, threshold))
    assert 20 < kept.sum() < 1500
