"""The RPN's head, its order of anchors, and its losses."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, ops

from src.maskrcnn.from_config import make_rpn
from tests.maskrcnn import twins
from tests.small_network import draw_weights, small_config

ANCHORS = 30
OBJECTS = 4
SLOTS = 9


def loss_twin(logits, deltas, anchors, gt_boxes, sampled_idxs, matched_idxs, is_positive, weight, beta=1 / 9):
    """(class loss, box loss), each over the number of sampled anchors."""
    cls = 0.0
    reg = 0.0
    for n in range(len(logits)):
        cls += (weight[n] * twins.sigmoid_cross_entropy(logits[n][sampled_idxs[n]], is_positive[n])).sum()
        for i, matched, positive in zip(sampled_idxs[n], matched_idxs[n], is_positive[n]):
            if positive:
                target = twins.encode(anchors[i : i + 1], gt_boxes[n][matched : matched + 1])[0]
                reg += twins.smooth_l1(deltas[n][i] - target, beta).sum()
    return cls / weight.sum(), reg / weight.sum()


def draw_samples(rng):
    """What `AnchorSampler` returns, drawn, with positives in the first 3 slots."""
    sampled_idxs = np.stack([rng.permutation(ANCHORS)[:SLOTS] for _ in range(2)]).astype(np.int32)
    matched_idxs = rng.integers(0, OBJECTS, (2, SLOTS)).astype(np.int32)
    is_positive = np.zeros((2, SLOTS), np.float32)
    is_positive[0, :3] = is_positive[1, :1] = 1
    weight = np.maximum(is_positive, rng.uniform(size=(2, SLOTS)) < 0.6).astype(np.float32)
    return sampled_idxs, matched_idxs, is_positive, weight


def run_losses(config, logits, deltas, anchors, gt_boxes, samples):
    cell = make_rpn(config)

    @ms.jit
    def graph(logits, deltas, anchors, gt_boxes, sampled_idxs, matched_idxs, is_positive, weight):
        predicted = cell.gather_at_anchors(logits, deltas, sampled_idxs)
        samples = (sampled_idxs, matched_idxs, is_positive, weight)
        return cell.losses(predicted, anchors, gt_boxes, samples, 4, same_count)

    losses = graph(*(Tensor(a) for a in (logits, deltas, anchors, gt_boxes, *samples)))
    return [float(loss.asnumpy()) for loss in losses]


def same_count(count):
    return count


@pytest.mark.parametrize(
    "words", [(), ("rpn_loss_cls_weight=2", "rpn_loss_reg_weight=3", "rpn_head_weight=0.5")]
)
def test_losses(rng, words):
    logits = rng.normal(0, 3, (2, ANCHORS)).astype(np.float32)
    deltas = rng.normal(0, 0.5, (2, ANCHORS, 4)).astype(np.float32)
    anchors = twins.random_boxes(rng, ANCHORS)
    gt_boxes = np.stack([twins.random_boxes(rng, OBJECTS) for _ in range(2)])
    samples = draw_samples(rng)
    got = run_losses(small_config(*words), logits, deltas, anchors, gt_boxes, samples)
    want = np.array(loss_twin(logits, deltas, anchors, gt_boxes, *samples)) * ([1, 1.5] if words else 1)
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_the_order_is_that_of_the_anchors(rng):
    """y, x, anchor: each value of the maps is the number of its anchor."""
    cell = make_rpn(small_config())
    number = np.arange(4 * 5 * 3).reshape(4, 5, 3)
    scores = number.transpose(2, 0, 1)[None].astype(np.float32)
    deltas = (number[..., None] * 10 + np.arange(4)).reshape(4, 5, 12)
    deltas = deltas.transpose(2, 0, 1)[None].astype(np.float32)
    logits, flat = cell.flatten(Tensor(scores), Tensor(deltas))
    assert logits.asnumpy().tolist() == [list(range(60))]
    np.testing.assert_array_equal(flat.asnumpy()[0], np.arange(60)[:, None] * 10 + np.arange(4))


def test_a_softmax_of_two_is_a_sigmoid_of_the_difference(rng):
    """use_sigmoid_cls=False: probabilities and loss are those of a log-softmax over (background, object)."""
    config = small_config("use_sigmoid_cls=False")
    cell = draw_weights(make_rpn(config))
    assert cell.cls.weight.shape[0] == 6
    features = tuple(Tensor(rng.normal(0, 1, (2, 32, size, size)).astype(np.float32)) for size in (4, 2))
    scores, deltas = cell(features)
    pairs = scores[0].asnumpy().reshape(2, 3, 2, 4, 4).transpose(0, 3, 4, 1, 2)
    pairs = pairs.reshape(2, -1, 2).astype(np.float64)  # [B, hwA, (background, object)]
    logits = cell.flatten(scores[0], deltas[0])[0].asnumpy()
    shifted = np.exp(pairs - pairs.max(-1, keepdims=True))
    probabilities = (shifted / shifted.sum(-1, keepdims=True))[..., 1]
    np.testing.assert_allclose(twins.sigmoid(logits), probabilities, atol=1e-6)
    labels = rng.integers(0, 2, logits.shape)
    want = twins.cross_entropy(pairs.reshape(-1, 2), labels.ravel())
    got = twins.sigmoid_cross_entropy(logits, labels).ravel()
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("words", [(), ("use_sigmoid_cls=False",)], ids=["sigmoid", "softmax"])
def test_all_levels_together_are_the_levels_one_after_another(rng, words):
    cell = draw_weights(make_rpn(small_config(*words)))
    maps = tuple(Tensor(rng.normal(0, 1, (2, 32, *shape)).astype(np.float32)) for shape in ((6, 5), (3, 2)))
    flat = [cell.flatten(*level) for level in zip(*cell(maps))]

    @ms.jit
    def together(*maps):
        return cell.predict(maps)

    for got, levels in zip(together(*maps), zip(*flat)):
        want = np.concatenate([level.asnumpy() for level in levels], 1)
        np.testing.assert_allclose(got.asnumpy(), want, rtol=1e-5, atol=1e-5)


def test_the_head_is_one_for_all_levels(rng):
    cell = draw_weights(make_rpn(small_config()))
    maps = [rng.normal(0, 1, (1, 32, size, size + 1)).astype(np.float32) for size in (6, 3)]
    scores, deltas = cell(tuple(Tensor(m) for m in maps))
    for m, level_scores, level_deltas in zip(maps, scores, deltas):
        hidden = np.maximum(twins.convolution(m, cell.conv.weight.asnumpy(), cell.conv.bias.asnumpy()), 0)
        for got, conv in ((level_scores, cell.cls), (level_deltas, cell.reg)):
            want = twins.convolution(hidden, conv.weight.asnumpy(), conv.bias.asnumpy())
            np.testing.assert_allclose(got.asnumpy(), want, atol=1e-4)


@pytest.mark.parametrize("words", [(), ("use_sigmoid_cls=False",)], ids=["sigmoid", "softmax"])
def test_the_head_at_single_anchors_is_the_head_of_whole_maps(rng, words):
    """Values at sampled anchors and their gradients, by windows (CPU kernel) and by whole maps.

    The canvas has levels of odd sides.
    """
    config = small_config("img_height=96", "img_width=160", *words)
    cell = draw_weights(make_rpn(config, kernels=True))
    shapes = config.feature_shapes
    maps = [Tensor(rng.normal(0, 1, (2, 32, *shape)).astype(np.float32)) for shape in shapes]
    count = sum(3 * height * width for height, width in shapes)
    sampled_idxs = rng.integers(0, count, (2, 40)).astype(np.int32)
    starts = np.cumsum([0] + [3 * height * width for height, width in shapes])
    sampled_idxs[0, :11] = [*starts[:5], *(starts[1:] - 1), 3 * (shapes[0][1] - 1)]  # every level's corners
    sampled_idxs[1, :3] = 7  # empty slots repeat an anchor
    weights = Tensor(rng.normal(0, 1, (2, 40, 5)).astype(np.float32))

    def weighted(logits, deltas):
        return (ops.concat((logits.expand_dims(-1), deltas), -1) * weights).sum()

    def by_windows(p2, p3, p4, p5, p6, sampled_idxs):
        return weighted(*cell.predict_at_anchors((p2, p3, p4, p5, p6), sampled_idxs))

    def by_maps(p2, p3, p4, p5, p6, sampled_idxs):
        flat = [cell.flatten(*level) for level in zip(*cell((p2, p3, p4, p5, p6)))]
        logits = ops.concat([level[0] for level in flat], 1)
        deltas = ops.concat([level[1] for level in flat], 1)
        return weighted(*cell.gather_at_anchors(logits, deltas, sampled_idxs))

    parameters = ms.ParameterTuple(cell.trainable_params())
    got, want = (
        ms.value_and_grad(way, (0, 1, 2, 3, 4), parameters)(*maps, Tensor(sampled_idxs))
        for way in (by_windows, by_maps)
    )
    assert float(got[0]) == pytest.approx(float(want[0]), rel=1e-5)
    for kind in range(2):
        for a, b in zip(got[1][kind], want[1][kind]):
            limit = 2e-4 * max(1, np.abs(b.asnumpy()).max())
            np.testing.assert_allclose(a.asnumpy(), b.asnumpy(), atol=limit)


def test_windows_are_used_where_few_anchors_are_sampled():
    cell = make_rpn(small_config(), kernels=True)
    cells = 32**2 + 16**2 + 8**2 + 4**2 + 2**2
    assert cell.should_predict_at_anchors(256)
    assert cell.should_predict_at_anchors(cells - 1)
    assert not cell.should_predict_at_anchors(cells)
    assert not make_rpn(small_config()).should_predict_at_anchors(256)
