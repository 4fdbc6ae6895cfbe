"""Assignment against detectron2's and mmdetection's tables and a plain loop; the operators' way and the CPU kernel's."""

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
def matcher(floor, kernel):
    return Matcher(floor, kernel)


def run(truth, boxes, floor, kernel, valid=None):
    """(best IoU, object, low-quality match), [B, N] each, of truth [B, G, 4] and boxes [B or 1, N, 4]."""
    truth, boxes = np.asarray(truth, np.float32), np.asarray(boxes, np.float32)
    valid = np.ones(truth.shape[:2], bool) if valid is None else np.asarray(valid)
    return [part.asnumpy() for part in matcher(floor, kernel)(Tensor(truth), Tensor(valid), Tensor(boxes))]


@BOTH
def test_detectron2s_table(kernel):
    """The table is of IoUs; these boxes, found by a search, have them to within .05 and on the same sides of the thresholds."""
    expected = [[0.15, 0.45, 0.2, 0.6], [0.3, 0.65, 0.05, 0.1], [0.05, 0.4, 0.25, 0.4]]
    truth = [(25.6, 60.4, 96.8, 87.5), (0, 59.1, 154.8, 75), (37.6, 62.4, 119.9, 95.8)]
    boxes = [
        (3.5, 58.5, 124.3, 65.4),
        (0, 59.1, 119.9, 79.3),
        (38.1, 12.1, 73.2, 118),
        (30, 69.6, 101.2, 87.5),
    ]
    overlap = twins.iou(truth, boxes)
    np.testing.assert_allclose(overlap, expected, atol=0.05)
    assert ((overlap < 0.3) == (np.array(expected) < 0.3)).all()
    best, matched, is_best = run([truth], [boxes], 0.0, kernel)
    positive, negative = label_anchors(Tensor(best), Tensor(is_best), 0.7, 0.3)
    labels = np.where(positive.asnumpy(), 1, np.where(negative.asnumpy(), 0, -1))
    assert matched.tolist() == [[1, 1, 2, 0]] and labels.tolist() == [[-1, 1, 0, 1]]


@BOTH
@pytest.mark.parametrize(("floor", "expected"), [(0.0, [1, 0, 2, 0]), (0.5, [1, 0, 0, 0])])
def test_mmdetections_table(kernel, floor, expected):
    boxes = [(0, 0, 10, 10), (10, 10, 20, 20), (5, 5, 15, 15), (32, 32, 38, 42)]
    truth = [(0, 0, 10, 9), (0, 10, 10, 19)]
    best, matched, is_best = run([truth], [boxes], floor, kernel)
    positive = (best >= 0.5) | is_best
    assert ((matched + 1) * positive).tolist() == [expected]


@BOTH
def test_a_picture_without_objects_matches_nothing(kernel):
    boxes = [[(0, 0, 10, 10), (5, 5, 15, 15), (0, 0, 0, 0)]] * 2
    truth, valid = [[(0, 0, 10, 10), (0, 0, 0, 0)]] * 2, [[False, False], [False, False]]
    best, _, is_best = run(truth, boxes, 0.0, kernel, valid)
    assert not best.any() and not is_best.any()


@BOTH
@pytest.mark.parametrize(
    ("floor", "shared", "objects"),
    [(0.0, True, 70), (0.5, False, 70), (0.5, False, 5)],
    ids=["anchors", "rois", "few objects"],
)
def test_against_a_plain_loop(rng, kernel, floor, shared, objects):
    """70 objects are more than are compared at a time; some are not valid, some boxes are objects themselves, some objects are equal."""
    truth = np.stack([twins.random_boxes(rng, objects) for _ in range(2)])
    truth[:, 1] = truth[:, 0]
    near = np.concatenate([truth[:, :4], truth[:, :4] + np.float32(3)], 1)
    boxes = np.concatenate([np.stack([twins.random_boxes(rng, 200) for _ in range(2)]), near], 1)[
        : 1 if shared else 2
    ]
    valid = rng.uniform(size=(2, objects)) < 0.6
    valid[0, 0] = valid[1, -1] = True
    best, matched, is_best = run(truth, boxes, floor, kernel, valid)
    for n in range(2):
        want_best, want_matched, want_is_best = twins.match(
            truth[n], valid[n], boxes[0 if shared else n], floor
        )
        np.testing.assert_allclose(best[n], want_best, atol=1e-5)
        np.testing.assert_array_equal(matched[n][want_best > 0], want_matched[want_best > 0])
        np.testing.assert_array_equal(is_best[n], want_is_best)


def test_kernel_and_operators_agree_on_anchors(rng):
    """Anchors of a grid tie with one another, which is where a best box is not one box."""
    y, x = np.mgrid[0:20, 0:24] * 8
    sides = np.array([(-16, -16, 16, 16), (-23, -11, 23, 11)])
    anchors = (np.stack([x, y, x, y], -1).reshape(-1, 1, 4) + sides).reshape(1, -1, 4)
    truth = np.round(np.stack([twins.random_boxes(rng, 40) for _ in range(2)]) / 8) * 8
    valid = np.arange(40)[None] < [[40], [7]]
    got, want = run(truth, anchors, 0.0, True, valid), run(truth, anchors, 0.0, False, valid)
    np.testing.assert_allclose(got[0], want[0], atol=1e-6)
    np.testing.assert_array_equal(got[1], want[1])
    np.testing.assert_array_equal(got[2], want[2])
    assert got[2].sum() > 60
