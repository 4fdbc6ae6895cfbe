"""NMS against mmcv's table and a greedy loop in float64."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mindspore import Tensor

from src.maskrcnn.ops.nms import NMS
from tests.maskrcnn import twins


@functools.lru_cache(maxsize=None)
def nms_cells(threshold):
    """MindSpore's operator and the CPU kernel."""
    return NMS(threshold), NMS(threshold, kernel=True)


def run(boxes, threshold, valid=None):
    """Kept boxes bool [B, N] of [B, N, 4] in descending order of scores; operator and kernel must agree."""
    boxes = np.asarray(boxes, np.float32)
    valid = np.ones(boxes.shape[:2], bool) if valid is None else valid
    kept, by_kernel = (cell(Tensor(boxes), Tensor(valid)).asnumpy() for cell in nms_cells(threshold))
    np.testing.assert_array_equal(by_kernel[valid], kept[valid])
    return kept


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


@pytest.mark.parametrize("kernel", [False, True], ids=["operator", "kernel"])
def test_groups_are_suppressed_each_by_itself(rng, kernel):
    """Two groups of the same boxes, and one of two boxes: none suppresses another group's."""
    boxes = clear_boxes(rng, 24, 0.53)
    boxes = np.stack([np.concatenate([boxes, boxes, boxes[:2]]), np.concatenate([boxes, boxes, boxes[2:4]])])
    cell = nms_cells(0.53)[kernel]
    kept = cell(Tensor(boxes), Tensor(np.ones(boxes.shape[:2], bool)), (24, 24, 2)).asnumpy()
    for one, found in zip(boxes, kept):
        parts = [twins.greedy_nms(part, 0.53) for part in np.split(one, [24, 48])]
        np.testing.assert_array_equal(found, np.concatenate(parts))
