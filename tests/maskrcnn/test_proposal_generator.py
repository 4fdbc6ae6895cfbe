"""Proposals against a plain loop: best of each level, decode, clip, drop small ones, NMS, best of all."""

from __future__ import annotations

import numpy as np
import pytest
from mindspore import Tensor

from src.maskrcnn.from_config import make_anchors, make_test_proposals, make_train_proposals
from tests.maskrcnn import twins
from tests.small_network import small_config

META = np.array([[128, 128, 1, 1, 128, 128], [100, 70, 1, 1, 100, 70]], np.float32)
WORDS = ("rpn_nms_pre=60", "rpn_nms_post=25", "rpn_max_num=50")


def proposals(logits, deltas, anchors, n, pre, post, limit, threshold, min_size, across):
    """The proposals [<= limit, 4] of picture n, the best first."""
    height, width = META[n, :2]
    boxes = []
    scores = []
    for level_logits, level_deltas, level_anchors in zip(logits, deltas, anchors):
        order = np.argsort(-level_logits[n], kind="stable")[:pre]
        decoded = twins.clip(twins.decode(level_anchors[order], level_deltas[n][order]), height, width)
        sides = decoded[:, 2:] - decoded[:, :2]
        large = ((sides >= min_size) & (sides > 0)).all(1)
        decoded = decoded[large]
        order = order[large]
        if not across:
            kept = np.flatnonzero(twins.greedy_nms(decoded, threshold))[:post]
            decoded = decoded[kept]
            order = order[kept]
        boxes.append(decoded)
        scores.append(level_logits[n][order])
    boxes = np.concatenate(boxes)[np.argsort(-np.concatenate(scores), kind="stable")]
    if across:
        boxes = boxes[twins.greedy_nms(boxes, threshold)][:post]
    return boxes[:limit]


def draw(rng, spread=0.3):
    """(logits, deltas, anchors), a list of levels each; no two logits are equal."""
    anchors = make_anchors(small_config())
    logits = [
        rng.permutation(2 * len(a)).reshape(2, -1).astype(np.float32) / 100 + 0.001 * i
        for i, a in enumerate(anchors)
    ]
    return logits, [rng.normal(0, spread, (2, len(a), 4)).astype(np.float32) for a in anchors], anchors


def run(words, logits, deltas, anchors, training=False, together=False):
    make = make_train_proposals if training else make_test_proposals
    cell = make(small_config(*words))
    if together:
        logits = [np.concatenate(logits, 1)]
        deltas = [np.concatenate(deltas, 1)]
    levels = (tuple(Tensor(array) for array in arrays) for arrays in (logits, deltas, anchors))
    boxes, valid = cell(*levels, Tensor(META))
    return boxes.asnumpy(), valid.asnumpy()


@pytest.mark.parametrize(
    ("words", "min_size", "across"),
    [((), 0, False), (("rpn_min_bbox_min_size=12",), 12, False), (("rpn_nms_across_levels=True",), 0, True)],
    ids=["plain", "small ones dropped", "across levels"],
)
def test_against_a_plain_loop(rng, words, min_size, across):
    logits, deltas, anchors = draw(rng)
    boxes, valid = run((*WORDS, *words), logits, deltas, anchors)
    assert boxes.shape == (2, 50, 4)
    for n in range(2):
        want = proposals(logits, deltas, anchors, n, 60, 25, 50, 0.7, min_size, across)
        assert valid[n].sum() == len(want) and valid[n][: len(want)].all()
        np.testing.assert_allclose(boxes[n][: len(want)], want, atol=1e-3)
        assert not boxes[n][len(want) :].any()


def test_one_array_of_all_levels_gives_the_same(rng):
    logits, deltas, anchors = draw(rng)
    apart = run(WORDS, logits, deltas, anchors)
    for got, want in zip(run(WORDS, logits, deltas, anchors, together=True), apart):
        np.testing.assert_array_equal(got, want)


def test_training_has_keys_of_its_own(rng):
    words = (
        *WORDS,
        "rpn_proposal_nms_pre=40",
        "rpn_proposal_nms_post=10",
        "rpn_proposal_max_num=30",
        "rpn_proposal_nms_thr=0.5",
    )
    logits, deltas, anchors = draw(rng)
    boxes, valid = run(words, logits, deltas, anchors, training=True)
    for n in range(2):
        want = proposals(logits, deltas, anchors, n, 40, 10, 30, 0.5, 0, False)
        np.testing.assert_allclose(boxes[n][valid[n]], want, atol=1e-3)


def test_a_canvas_with_fewer_anchors_than_proposals_are_wanted(rng):
    logits, deltas, anchors = draw(rng)
    boxes, valid = run(("rpn_nms_pre=5", "rpn_nms_post=5", "rpn_max_num=100"), logits, deltas, anchors)
    assert boxes.shape == (2, 100, 4) and valid.shape == (2, 100)
    assert 0 < valid.sum(1).max() <= 25 and not boxes[~valid].any()


def test_large_deltas_stay_finite_and_inside(rng):
    logits, deltas, anchors = draw(rng, spread=100)
    boxes, valid = run(WORDS, logits, deltas, anchors)
    assert np.isfinite(boxes).all() and (boxes >= 0).all()
    assert (boxes[..., 2] <= META[:, 1:2]).all() and (boxes[..., 3] <= META[:, 0:1]).all()
