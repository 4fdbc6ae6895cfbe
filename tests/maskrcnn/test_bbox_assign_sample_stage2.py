"""Second stage's sampling: counts, classes, the appended ground truth."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from mindspore import Tensor

from src.config import load_config
from src.maskrcnn.bbox_assign_sample_stage2 import RoISampler
from tests.maskrcnn import twins

BOTH = pytest.mark.parametrize("kernel", [True, False], ids=["kernel", "operators"])
PROPOSALS, OBJECTS = 80, 6


@functools.lru_cache(maxsize=None)
def sampler(kernel, pos, neg, total):
    return RoISampler(
        load_config(
            [
                f"num_expected_pos_stage2={pos}",
                f"num_expected_neg_stage2={neg}",
                f"num_expected_total_stage2={total}",
            ]
        ),
        kernel,
    )


@pytest.fixture
def scene(rng):
    """Two pictures: the first with objects, proposals around them and elsewhere, the second with none."""
    truth = np.stack([twins.random_boxes(rng, OBJECTS, low=20), np.zeros((OBJECTS, 4))]).astype(np.float32)
    shaken = np.repeat(truth[0], 5, 0) + rng.uniform(-2, 2, (5 * OBJECTS, 4))
    proposals = np.stack(
        [
            np.concatenate([shaken, twins.random_boxes(rng, PROPOSALS - 5 * OBJECTS)]),
            twins.random_boxes(rng, PROPOSALS),
        ]
    )
    usable = np.ones((2, PROPOSALS), bool)
    usable[:, -7:] = usable[:, :3] = False
    valid = np.array([[True] * 4 + [False] * 2, [False] * OBJECTS])
    labels = np.where(valid, rng.integers(1, 81, (2, OBJECTS)), 0).astype(np.int32)
    return dict(
        proposals=proposals.astype(np.float32),
        usable=usable,
        truth=truth,
        labels=labels,
        valid=valid,
        key=np.array([4, 5], np.int32),
    )


def run(cell, scene):
    """(rois [B, S, 4], class, object, chosen [B, S])."""
    return [part.asnumpy() for part in cell(*(Tensor(array) for array in scene.values()))]


@BOTH
@pytest.mark.parametrize(("pos", "neg", "total"), [(8, 32, 32), (64, 128, 100)])
def test_counts_and_classes(kernel, scene, pos, neg, total):
    rois, classes, objects, chosen = run(sampler(kernel, pos, neg, total), scene)
    everything = np.concatenate([scene["proposals"], scene["truth"]], 1)
    usable = np.concatenate([scene["usable"], scene["valid"]], 1)
    slots = min(pos, PROPOSALS + OBJECTS)
    assert rois.shape == (2, slots + min(neg, PROPOSALS + OBJECTS), 4)
    for n in range(2):
        best, matched, is_best = twins.match(scene["truth"][n], scene["valid"][n], everything[n], 0.5)
        positive, background = ((best >= 0.5) | is_best) & usable[n], (best < 0.5) & ~is_best & usable[n]
        wanted = min(int(positive.sum()), pos)
        assert (classes[n] > 0).sum() == wanted and not classes[n][slots:].any()
        assert chosen[n].sum() == wanted + min(int(background.sum()), neg, total - wanted)
        rows = [
            int(np.flatnonzero((everything[n] == roi).all(1) & usable[n])[0]) for roi in rois[n][chosen[n]]
        ]
        assert len(rows) == len(set(rows))
        for row, label, item in zip(rows, classes[n][chosen[n]], objects[n][chosen[n]]):
            if label:
                assert positive[row] and label == scene["labels"][n][matched[row]] and item == matched[row]
            else:
                assert background[row]
        assert not rois[n][~chosen[n]].any() and not classes[n][~chosen[n]].any()


@BOTH
def test_an_object_is_a_proposal_of_its_own(kernel, scene):
    """Before the RPN has learnt anything, the objects themselves are what the second stage learns from."""
    scene["usable"][:] = False
    rois, classes, objects, chosen = run(sampler(kernel, 8, 32, 32), scene)
    assert chosen.sum(1).tolist() == [4, 0]
    order = objects[0][chosen[0]]
    assert sorted(order.tolist()) == [0, 1, 2, 3]
    np.testing.assert_array_equal(rois[0][chosen[0]], scene["truth"][0][order])
    np.testing.assert_array_equal(classes[0][chosen[0]], scene["labels"][0][order])


@BOTH
def test_the_choice_follows_the_key(kernel, scene):
    cell = sampler(kernel, 8, 32, 32)
    first = run(cell, scene)
    assert all((a == b).all() for a, b in zip(first, run(cell, scene)))
    scene["key"] = np.array([40, 50], np.int32)
    assert (run(cell, scene)[0] != first[0]).any()
