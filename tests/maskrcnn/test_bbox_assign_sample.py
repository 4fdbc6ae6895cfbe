"""First stage's sampling against torchvision's table, and its counts."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from mindspore import Tensor

from src.config import load_config
from src.maskrcnn.bbox_assign_sample import AnchorSampler
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
    return AnchorSampler(load_config(list(words)), kernel)


def run(cell, anchors, truth, valid, keys):
    """(index, matched, positive, weight), [B, S] each."""
    return [
        part.asnumpy()
        for part in cell(
            Tensor(anchors),
            Tensor(np.asarray(truth, np.float32)),
            Tensor(np.asarray(valid)),
            Tensor(np.asarray(keys, np.int32)),
        )
    ]


@BOTH
def test_the_known_table(kernel):
    """6 negative, 3 positive, 2 ignored; 4 wanted, a quarter positive: 1 positive, 3 negative."""
    cell = sampler(kernel, "num_expected_pos=1", "num_expected_neg=4")
    assert [
        int(part.asnumpy().sum())
        for part in cell.assign(
            Tensor(ANCHORS), Tensor(np.array([[OBJECT]], np.float32)), Tensor(np.array([[True]]))
        )[:2]
    ] == [3, 6]
    index, _, positive, weight = run(cell, ANCHORS, [[OBJECT]] * 8, [[True]] * 8, range(8))
    for n in range(8):
        taken = index[n][weight[n] > 0]
        assert len(taken) == len(set(taken.tolist())) == 4 and positive[n].sum() == 1
        assert set(taken[positive[n][weight[n] > 0] > 0]) <= {0, 1, 2} and sum(i >= 5 for i in taken) == 3
    assert len({int(row[0]) for row in index}) > 1  # which positive it is depends on the key


@BOTH
def test_background_fills_the_places_of_missing_positives(kernel):
    cell = sampler(kernel, "num_expected_pos=4", "num_expected_neg=6")
    _, _, positive, weight = run(cell, ANCHORS, [[OBJECT], (OBJECT,)], [[True], [False]], [1, 2])
    assert positive.sum(1).tolist() == [3, 0] and weight.sum(1).tolist() == [6, 6]


@BOTH
def test_a_picture_without_objects_gives_background_only(kernel):
    cell = sampler(kernel, "num_expected_pos=4", "num_expected_neg=6")
    _, _, positive, weight = run(cell, ANCHORS, np.zeros((2, 1, 4)), [[False], [False]], [1, 2])
    assert not positive.any() and weight.sum(1).tolist() == [6, 6]


@BOTH
def test_take_everything(kernel, rng):
    cell = sampler(kernel, "num_expected_pos=10000000", "num_expected_neg=10000000", "min_pos_iou=0")
    anchors, truth = twins.random_boxes(rng, 60), np.stack([twins.random_boxes(rng, 4) for _ in range(2)])
    index, matched, positive, weight = run(cell, anchors, truth, np.ones((2, 4), bool), [1, 2])
    for n in range(2):
        best, objects, is_best = twins.match(truth[n], np.ones(4, bool), anchors, 0)
        is_positive = (best >= 0.7) | is_best
        taken = index[n][weight[n] > 0]
        assert sorted(taken.tolist()) == np.flatnonzero(is_positive | (best < 0.3)).tolist()
        np.testing.assert_array_equal(positive[n][weight[n] > 0], is_positive[taken])
        np.testing.assert_array_equal(matched[n][positive[n] > 0], objects[index[n][positive[n] > 0]])


@BOTH
def test_positives_stand_in_their_own_slots(kernel, rng):
    """The box loss reads these slots only."""
    cell = sampler(kernel, "num_expected_pos=5", "num_expected_neg=20", "min_pos_iou=0")
    anchors, truth = twins.random_boxes(rng, 60), np.stack([twins.random_boxes(rng, 9) for _ in range(2)])
    assert cell.positive_slots(60) == 5 and cell.positive_slots(3) == 3
    _, _, positive, weight = run(cell, anchors, truth, np.ones((2, 9), bool), [1, 2])
    assert (
        not positive[:, 5:].any()
        and positive.sum(1).tolist() == [5, 5]
        and weight.sum(1).tolist() == [20, 20]
    )
