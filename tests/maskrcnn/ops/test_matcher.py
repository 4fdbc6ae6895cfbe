"""Matching by operators and by the CPU kernel, against detectron2's and mmdetection's tables and a loop."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from mindspore import Tensor

from src.maskrcnn.bbox_assign_sample import label_anchors
from src.maskrcnn.ops.matcher import Matcher
from tests.maskrcnn import twins

BOTH = pytest.mark.parametrize("kernel", [True, False], ids=["kernel", "operators"])


@functools.lru_cache(maxsize=None)
def matcher(min_pos_iou, kernel):
    return Matcher(min_pos_iou, kernel)


def run(gt_boxes, boxes, min_pos_iou, kernel, gt_valid=None):
    """(best IoU, matched_idxs, is_best), [B, N] each, of gt_boxes [B, G, 4] and boxes [B or 1, N, 4]."""
    gt_boxes = np.asarray(gt_boxes, np.float32)
    boxes = np.asarray(boxes, np.float32)
    gt_valid = np.ones(gt_boxes.shape[:2], bool) if gt_valid is None else np.asarray(gt_valid)
    outputs = matcher(min_pos_iou, kernel)(Tensor(gt_boxes), Tensor(gt_valid), Tensor(boxes))
    return [part.asnumpy() for part in outputs]


@BOTH
def test_detectron2s_table(kernel):
    """The table has IoUs. These boxes have them to within .05, on the same sides of the thresholds."""
    expected = [[0.15, 0.45, 0.2, 0.6], [0.3, 0.65, 0.05, 0.1], [0.05, 0.4, 0.25, 0.4]]
    gt_boxes = [(25.6, 60.4, 96.8, 87.5), (0, 59.1, 154.8, 75), (37.6, 62.4, 119.9, 95.8)]
    boxes = [
        (3.5, 58.5, 124.3, 65.4),
        (0, 59.1, 119.9, 79.3),
        (38.1, 12.1, 73.2, 118),
        (30, 69.6, 101.2, 87.5),
    ]
    overlap = twins.iou(gt_boxes, boxes)
    np.testing.assert_allclose(overlap, expected, atol=0.05)
    assert ((overlap < 0.3) == (np.array(expected) < 0.3)).all()
    best_iou, matched_idxs, is_best = run([gt_boxes], [boxes], 0.0, kernel)
    positive, negative = label_anchors(Tensor(best_iou), Tensor(is_best), 0.7, 0.3)
    labels = np.where(positive.asnumpy(), 1, np.where(negative.asnumpy(), 0, -1))
    assert matched_idxs.tolist() == [[1, 1, 2, 0]] and labels.tolist() == [[-1, 1, 0, 1]]


@BOTH
@pytest.mark.parametrize(("min_pos_iou", "expected"), [(0.0, [1, 0, 2, 0]), (0.5, [1, 0, 0, 0])])
def test_mmdetections_table(kernel, min_pos_iou, expected):
    boxes = [(0, 0, 10, 10), (10, 10, 20, 20), (5, 5, 15, 15), (32, 32, 38, 42)]
    gt_boxes = [(0, 0, 10, 9), (0, 10, 10, 19)]
    best_iou, matched_idxs, is_best = run([gt_boxes], [boxes], min_pos_iou, kernel)
    positive = (best_iou >= 0.5) | is_best
    assert ((matched_idxs + 1) * positive).tolist() == [expected]


@BOTH
def test_a_picture_without_objects_matches_nothing(kernel):
    boxes = [[(0, 0, 10, 10), (5, 5, 15, 15), (0, 0, 0, 0)]] * 2
    gt_boxes = [[(0, 0, 10, 10), (0, 0, 0, 0)]] * 2
    gt_valid = [[False, False], [False, False]]
    best_iou, _, is_best = run(gt_boxes, boxes, 0.0, kernel, gt_valid)
    assert not best_iou.any() and not is_best.any()


@BOTH
@pytest.mark.parametrize(
    ("min_pos_iou", "shared", "objects"),
    [(0.0, True, 70), (0.5, False, 70), (0.5, False, 5)],
    ids=["anchors", "rois", "few objects"],
)
def test_against_a_plain_loop(rng, kernel, min_pos_iou, shared, objects):
    """70 objects are more than a chunk. Some are not valid, some are equal, and some boxes are objects."""
    gt_boxes = np.stack([twins.random_boxes(rng, objects) for _ in range(2)])
    gt_boxes[:, 1] = gt_boxes[:, 0]
    near = np.concatenate([gt_boxes[:, :4], gt_boxes[:, :4] + np.float32(3)], 1)
    boxes = np.concatenate([np.stack([twins.random_boxes(rng, 200) for _ in range(2)]), near], 1)
    boxes = boxes[: 1 if shared else 2]
    gt_valid = rng.uniform(size=(2, objects)) < 0.6
    gt_valid[0, 0] = gt_valid[1, -1] = True
    best_iou, matched_idxs, is_best = run(gt_boxes, boxes, min_pos_iou, kernel, gt_valid)
    for n in range(2):
        want_best, want_matched, want_is_best = twins.match(
            gt_boxes[n], gt_valid[n], boxes[0 if shared else n], min_pos_iou
        )
        np.testing.assert_allclose(best_iou[n], want_best, atol=1e-5)
        np.testing.assert_array_equal(matched_idxs[n][want_best > 0], want_matched[want_best > 0])
        np.testing.assert_array_equal(is_best[n], want_is_best)


def test_kernel_and_operators_agree_on_anchors(rng):
    """Anchors of a grid tie with one another, so an object has several best boxes."""
    y, x = np.mgrid[0:20, 0:24] * 8
    sides = np.array([(-16, -16, 16, 16), (-23, -11, 23, 11)])
    anchors = (np.stack([x, y, x, y], -1).reshape(-1, 1, 4) + sides).reshape(1, -1, 4)
    gt_boxes = np.round(np.stack([twins.random_boxes(rng, 40) for _ in range(2)]) / 8) * 8
    gt_valid = np.arange(40)[None] < [[40], [7]]
    got = run(gt_boxes, anchors, 0.0, True, gt_valid)
    want = run(gt_boxes, anchors, 0.0, False, gt_valid)
    np.testing.assert_allclose(got[0], want[0], atol=1e-6)
    np.testing.assert_array_equal(got[1], want[1])
    np.testing.assert_array_equal(got[2], want[2])
    assert got[2].sum() > 60


def test_objects_in_several_chunks_match_as_in_one(rng, monkeypatch):
    gt_boxes = np.stack([twins.random_boxes(rng, 11) for _ in range(2)])
    boxes = np.stack([twins.random_boxes(rng, 40) for _ in range(2)])
    boxes[:, :3] = gt_boxes[:, 4:7]  # best boxes of objects of different chunks
    whole = run(gt_boxes, boxes, 0.3, False)
    monkeypatch.setattr("src.maskrcnn.ops.matcher.MAX_IOUS", 2 * 40 * 4)  # four objects at a time
    matcher.cache_clear()
    for got, want in zip(run(gt_boxes, boxes, 0.3, False), whole):
        np.testing.assert_array_equal(got, want)
    matcher.cache_clear()
