"""The first stage's sampling: torchvision's table, and the counts."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from mindspore import Tensor

from src.config import load_config
from src.maskrcnn.from_config import make_anchor_sampler
from tests.maskrcnn import twins

# One object of 100x100: 3 anchors of IoU over .7, 2 between .3 and .7, 6 under .3
OBJECT = (100, 100, 200, 200)
ANCHORS = np.array(
    [
        (100, 100, 200, 200),
        (100, 100, 200, 190),
        (100, 100, 190, 200),
        (100, 100, 200, 160),
        (100, 100, 150, 200),
    ]
    + [(300 + 10 * i, 0, 400 + 10 * i, 100) for i in range(6)],
    np.float32,
)
BOTH = pytest.mark.parametrize("kernel", [True, False], ids=["kernel", "operators"])


@functools.lru_cache(maxsize=None)
def sampler(kernel, *words):
    return make_anchor_sampler(load_config(list(words)), kernel)


def run(cell, anchors, gt_boxes, gt_valid, keys):
    """(sampled_idxs, matched_idxs, is_positive, weight), [B, S] each."""
    inputs = (
        Tensor(anchors),
        Tensor(np.asarray(gt_boxes, np.float32)),
        Tensor(np.asarray(gt_valid)),
        Tensor(np.asarray(keys, np.int32)),
    )
    return [part.asnumpy() for part in cell(*inputs)]


@BOTH
def test_the_known_table(kernel):
    """Of 6 negative, 3 positive and 2 ignored anchors 4 are sampled, a quarter positive: 1 and 3."""
    cell = sampler(kernel, "num_expected_pos=1", "num_expected_neg=4")
    gt_boxes = Tensor(np.array([[OBJECT]], np.float32))
    positive, negative, _ = cell.assign(Tensor(ANCHORS), gt_boxes, Tensor(np.array([[True]])))
    assert [int(part.asnumpy().sum()) for part in (positive, negative)] == [3, 6]
    sampled_idxs, _, is_positive, weight = run(cell, ANCHORS, [[OBJECT]] * 8, [[True]] * 8, range(8))
    for n in range(8):
        sampled = sampled_idxs[n][weight[n] > 0]
        assert len(sampled) == len(set(sampled.tolist())) == 4 and is_positive[n].sum() == 1
        assert set(sampled[is_positive[n][weight[n] > 0] > 0]) <= {0, 1, 2}
        assert sum(i >= 5 for i in sampled) == 3
    assert len({int(row[0]) for row in sampled_idxs}) > 1  # which positive it is depends on the key


@BOTH
def test_negatives_fill_the_slots_of_missing_positives(kernel):
    cell = sampler(kernel, "num_expected_pos=4", "num_expected_neg=6")
    _, _, is_positive, weight = run(cell, ANCHORS, [[OBJECT], (OBJECT,)], [[True], [False]], [1, 2])
    assert is_positive.sum(1).tolist() == [3, 0] and weight.sum(1).tolist() == [6, 6]


@BOTH
def test_a_picture_without_objects_gives_negatives_only(kernel):
    cell = sampler(kernel, "num_expected_pos=4", "num_expected_neg=6")
    _, _, is_positive, weight = run(cell, ANCHORS, np.zeros((2, 1, 4)), [[False], [False]], [1, 2])
    assert not is_positive.any() and weight.sum(1).tolist() == [6, 6]


@BOTH
def test_take_everything(kernel, rng):
    cell = sampler(kernel, "num_expected_pos=10000000", "num_expected_neg=10000000", "min_pos_iou=0")
    anchors = twins.random_boxes(rng, 60)
    gt_boxes = np.stack([twins.random_boxes(rng, 4) for _ in range(2)])
    sampled_idxs, matched_idxs, is_positive, weight = run(
        cell, anchors, gt_boxes, np.ones((2, 4), bool), [1, 2]
    )
    for n in range(2):
        best_iou, want_matched, is_best = twins.match(gt_boxes[n], np.ones(4, bool), anchors, 0)
        want_positive = (best_iou >= 0.7) | is_best
        sampled = sampled_idxs[n][weight[n] > 0]
        assert sorted(sampled.tolist()) == np.flatnonzero(want_positive | (best_iou < 0.3)).tolist()
        np.testing.assert_array_equal(is_positive[n][weight[n] > 0], want_positive[sampled])
        positive = is_positive[n] > 0
        np.testing.assert_array_equal(matched_idxs[n][positive], want_matched[sampled_idxs[n][positive]])


@BOTH
def test_positives_stand_in_their_own_slots(kernel, rng):
    """The box loss reads these slots only."""
    cell = sampler(kernel, "num_expected_pos=5", "num_expected_neg=20", "min_pos_iou=0")
    anchors = twins.random_boxes(rng, 60)
    gt_boxes = np.stack([twins.random_boxes(rng, 9) for _ in range(2)])
    assert cell.positive_slots(60) == 5 and cell.positive_slots(3) == 3
    _, _, is_positive, weight = run(cell, anchors, gt_boxes, np.ones((2, 9), bool), [1, 2])
    assert not is_positive[:, 5:].any()
    assert is_positive.sum(1).tolist() == [5, 5] and weight.sum(1).tolist() == [20, 20]
