"""The second stage's sampling: counts, classes, the appended ground truth."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from mindspore import Tensor

from src.config import load_config
from src.maskrcnn.from_config import make_roi_sampler
from tests.maskrcnn import twins

BOTH = pytest.mark.parametrize("kernel", [True, False], ids=["kernel", "operators"])
PROPOSALS = 80
OBJECTS = 6


@functools.lru_cache(maxsize=None)
def sampler(kernel, pos, neg, total):
    words = [
        f"num_expected_pos_stage2={pos}",
        f"num_expected_neg_stage2={neg}",
        f"num_expected_total_stage2={total}",
    ]
    return make_roi_sampler(load_config(words), kernel)


@pytest.fixture
def scene(rng):
    """The sampler's inputs for two pictures.

    The first has objects, with proposals around them and elsewhere; the second has none.
    """
    gt_boxes = np.stack([twins.random_boxes(rng, OBJECTS, low=20), np.zeros((OBJECTS, 4))])
    gt_boxes = gt_boxes.astype(np.float32)
    shifted = np.repeat(gt_boxes[0], 5, 0) + rng.uniform(-2, 2, (5 * OBJECTS, 4))
    proposals = np.stack(
        [
            np.concatenate([shifted, twins.random_boxes(rng, PROPOSALS - 5 * OBJECTS)]),
            twins.random_boxes(rng, PROPOSALS),
        ]
    )
    proposal_valid = np.ones((2, PROPOSALS), bool)
    proposal_valid[:, -7:] = proposal_valid[:, :3] = False
    gt_valid = np.array([[True] * 4 + [False] * 2, [False] * OBJECTS])
    gt_labels = np.where(gt_valid, rng.integers(1, 81, (2, OBJECTS)), 0).astype(np.int32)
    return dict(
        proposals=proposals.astype(np.float32),
        proposal_valid=proposal_valid,
        gt_boxes=gt_boxes,
        gt_labels=gt_labels,
        gt_valid=gt_valid,
        key=np.array([4, 5], np.int32),
    )


def run(cell, scene):
    """(rois [B, S, 4], classes, matched_idxs, roi_valid [B, S])."""
    return [part.asnumpy() for part in cell(*(Tensor(array) for array in scene.values()))]


@BOTH
@pytest.mark.parametrize(("pos", "neg", "total"), [(8, 32, 32), (64, 128, 100)])
def test_counts_and_classes(kernel, scene, pos, neg, total):
    rois, classes, matched_idxs, roi_valid = run(sampler(kernel, pos, neg, total), scene)
    candidates = np.concatenate([scene["proposals"], scene["gt_boxes"]], 1)
    valid = np.concatenate([scene["proposal_valid"], scene["gt_valid"]], 1)
    slots = min(pos, PROPOSALS + OBJECTS)
    assert rois.shape == (2, slots + min(neg, PROPOSALS + OBJECTS), 4)
    for n in range(2):
        best_iou, want_matched, is_best = twins.match(
            scene["gt_boxes"][n], scene["gt_valid"][n], candidates[n], 0.5
        )
        positive = ((best_iou >= 0.5) | is_best) & valid[n]
        negative = (best_iou < 0.5) & ~is_best & valid[n]
        num_positive = min(int(positive.sum()), pos)
        sampled = roi_valid[n]
        assert (classes[n] > 0).sum() == num_positive and not classes[n][slots:].any()
        assert sampled.sum() == num_positive + min(int(negative.sum()), neg, total - num_positive)
        rows = [int(np.flatnonzero((candidates[n] == roi).all(1) & valid[n])[0]) for roi in rois[n][sampled]]
        assert len(rows) == len(set(rows))
        for row, label, matched in zip(rows, classes[n][sampled], matched_idxs[n][sampled]):
            if label:
                assert positive[row] and label == scene["gt_labels"][n][want_matched[row]]
                assert matched == want_matched[row]
            else:
                assert negative[row]
        assert not rois[n][~sampled].any() and not classes[n][~sampled].any()


@BOTH
def test_an_object_is_a_proposal_of_its_own(kernel, scene):
    """Before the RPN has learnt anything, the second stage learns from the objects themselves."""
    scene["proposal_valid"][:] = False
    rois, classes, matched_idxs, roi_valid = run(sampler(kernel, 8, 32, 32), scene)
    assert roi_valid.sum(1).tolist() == [4, 0]
    order = matched_idxs[0][roi_valid[0]]
    assert sorted(order.tolist()) == [0, 1, 2, 3]
    np.testing.assert_array_equal(rois[0][roi_valid[0]], scene["gt_boxes"][0][order])
    np.testing.assert_array_equal(classes[0][roi_valid[0]], scene["gt_labels"][0][order])


@BOTH
def test_the_sample_follows_the_key(kernel, scene):
    cell = sampler(kernel, 8, 32, 32)
    first = run(cell, scene)
    assert all((a == b).all() for a, b in zip(first, run(cell, scene)))
    scene["key"] = np.array([40, 50], np.int32)
    assert (run(cell, scene)[0] != first[0]).any()
