"""The RPN's head, its order of anchors, and its losses."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, ops

from src.maskrcnn.rpn import RPN
from tests.maskrcnn import twins
from tests.small_network import draw_weights, small_config

ANCHORS, OBJECTS, SLOTS = 30, 4, 9


def loss_twin(logits, deltas, anchors, truth, index, matched, positive, weight, beta=1 / 9):
    """(class loss, box loss), each over the number of sampled anchors."""
    cls, reg = 0.0, 0.0
    for n in range(len(logits)):
        cls += (weight[n] * twins.sigmoid_cross_entropy(logits[n][index[n]], positive[n])).sum()
        for i, item, is_positive in zip(index[n], matched[n], positive[n]):
            if is_positive:
                target = twins.encode(anchors[i : i + 1], truth[n][item : item + 1])[0]
                reg += twins.smooth_l1(deltas[n][i] - target, beta).sum()
    return cls / weight.sum(), reg / weight.sum()


def draw_samples(rng):
    index = np.stack([rng.permutation(ANCHORS)[:SLOTS] for _ in range(2)]).astype(np.int32)
    matched = rng.integers(0, OBJECTS, (2, SLOTS)).astype(np.int32)
    positive = np.zeros((2, SLOTS), np.float32)
    positive[0, :3] = positive[1, :1] = 1
    weight = np.maximum(positive, rng.uniform(size=(2, SLOTS)) < 0.6).astype(np.float32)
    return index, matched, positive, weight


def run_losses(config, logits, deltas, anchors, truth, samples):
    cell = RPN(config)

    @ms.jit
    def graph(logits, deltas, anchors, truth, index, matched, positive, weight):
        return cell.losses(
            cell.of_anchors(logits, deltas, index),
            anchors,
            truth,
            (index, matched, positive, weight),
            4,
            plain_count,
        )

    return [
        float(loss.asnumpy())
        for loss in graph(*(Tensor(a) for a in (logits, deltas, anchors, truth, *samples)))
    ]


def plain_count(count):
    return count


@pytest.mark.parametrize(
    "words", [(), ("rpn_loss_cls_weight=2", "rpn_loss_reg_weight=3", "rpn_head_weight=0.5")]
)
def test_losses(rng, words):
    logits, deltas = (
        rng.normal(0, 3, (2, ANCHORS)).astype(np.float32),
        rng.normal(0, 0.5, (2, ANCHORS, 4)).astype(np.float32),
    )
    anchors, truth = (
        twins.random_boxes(rng, ANCHORS),
        np.stack([twins.random_boxes(rng, OBJECTS) for _ in range(2)]),
    )
    samples = draw_samples(rng)
    got = run_losses(small_config(*words), logits, deltas, anchors, truth, samples)
    want = np.array(loss_twin(logits, deltas, anchors, truth, *samples)) * ([1, 1.5] if words else 1)
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_the_order_is_that_of_the_anchors(rng):
    """y, x, anchor: the maps are filled with the number of their place."""
    cell = RPN(small_config())
    place = np.arange(4 * 5 * 3).reshape(4, 5, 3)
    scores = Tensor(place.transpose(2, 0, 1)[None].astype(np.float32))
    deltas = Tensor(
        (place[..., None] * 10 + np.arange(4)).reshape(4, 5, 12).transpose(2, 0, 1)[None].astype(np.float32)
    )
    logits, flat = cell.flatten(scores, deltas)
    assert logits.asnumpy().tolist() == [list(range(60))]
    np.testing.assert_array_equal(flat.asnumpy()[0], np.arange(60)[:, None] * 10 + np.arange(4))


def test_a_softmax_of_two_is_a_sigmoid_of_the_difference(rng):
    """use_sigmoid_cls=False: logits, probabilities and the loss are those of log-softmax over (background, object)."""
    config = small_config("use_sigmoid_cls=False")
    cell = draw_weights(RPN(config))
    assert cell.cls.weight.shape[0] == 6
    features = tuple(Tensor(rng.normal(0, 1, (2, 32, size, size)).astype(np.float32)) for size in (4, 2))
    scores, deltas = cell(features)
    raw = scores[0].asnumpy()
    logits = cell.flatten(scores[0], deltas[0])[0].asnumpy()
    pairs = (
        raw.reshape(2, 3, 2, 4, 4).transpose(0, 3, 4, 1, 2).reshape(2, -1, 2).astype(np.float64)
    )  # [B, hwA, (background, object)]
    shifted = np.exp(pairs - pairs.max(-1, keepdims=True))
    np.testing.assert_allclose(
        twins.sigmoid(logits), (shifted / shifted.sum(-1, keepdims=True))[..., 1], atol=1e-6
    )
    labels = rng.integers(0, 2, logits.shape)
    want = twins.cross_entropy(pairs.reshape(-1, 2), labels.ravel())
    np.testing.assert_allclose(
        twins.sigmoid_cross_entropy(logits, labels).ravel(), want, rtol=1e-5, atol=1e-6
    )


def test_the_head_is_one_for_all_levels(rng):
    cell = draw_weights(RPN(small_config()))
    maps = [rng.normal(0, 1, (1, 32, size, size + 1)).astype(np.float32) for size in (6, 3)]
    scores, deltas = cell(tuple(Tensor(m) for m in maps))
    for m, s, d in zip(maps, scores, deltas):
        hidden = np.maximum(twins.convolution(m, cell.conv.weight.asnumpy(), cell.conv.bias.asnumpy()), 0)
        np.testing.assert_allclose(
            s.asnumpy(),
            twins.convolution(hidden, cell.cls.weight.asnumpy(), cell.cls.bias.asnumpy()),
            atol=1e-4,
        )
        np.testing.assert_allclose(
            d.asnumpy(),
            twins.convolution(hidden, cell.reg.weight.asnumpy(), cell.reg.bias.asnumpy()),
            atol=1e-4,
        )


@pytest.mark.parametrize("words", [(), ("use_sigmoid_cls=False",)], ids=["sigmoid", "softmax"])
def test_the_head_at_single_anchors_is_the_head_of_whole_maps(rng, words):
    """What the losses see of sampled anchors, and its gradients, by windows (CPU kernel) and by whole maps; a canvas whose levels are odd."""
    config = small_config("img_height=96", "img_width=160", *words)
    cell = draw_weights(RPN(config, kernels=True))
    shapes = config.feature_shapes
    maps = [Tensor(rng.normal(0, 1, (2, 32, *shape)).astype(np.float32)) for shape in shapes]
    count = sum(3 * height * width for height, width in shapes)
    index = rng.integers(0, count, (2, 40)).astype(np.int32)
    starts = np.cumsum([0] + [3 * height * width for height, width in shapes])
    index[0, :11] = [*starts[:5], *(starts[1:] - 1), 3 * (shapes[0][1] - 1)]  # corners of every level
    index[1, :3] = 7  # empty slots repeat an anchor
    weights = Tensor(rng.normal(0, 1, (2, 40, 5)).astype(np.float32))

    def weighted(logits, deltas):
        return (ops.concat((logits.expand_dims(-1), deltas), -1) * weights).sum()

    def by_windows(p2, p3, p4, p5, p6, index):
        return weighted(*cell.at_anchors((p2, p3, p4, p5, p6), index))

    def by_maps(p2, p3, p4, p5, p6, index):
        flat = [cell.flatten(*level) for level in zip(*cell((p2, p3, p4, p5, p6)))]
        logits, deltas = (
            ops.concat([level[0] for level in flat], 1),
            ops.concat([level[1] for level in flat], 1),
        )
        return weighted(*cell.of_anchors(logits, deltas, index))

    parameters = ms.ParameterTuple(cell.trainable_params())
    got, want = (
        ms.value_and_grad(way, (0, 1, 2, 3, 4), parameters)(*maps, Tensor(index))
        for way in (by_windows, by_maps)
    )
    assert float(got[0]) == pytest.approx(float(want[0]), rel=1e-5)
    for kind in range(2):
        for a, b in zip(got[1][kind], want[1][kind]):
            np.testing.assert_allclose(
                a.asnumpy(), b.asnumpy(), atol=2e-4 * max(1, np.abs(b.asnumpy()).max())
            )


def test_windows_are_used_where_few_anchors_are_sampled():
    cell = RPN(small_config(), kernels=True)
    cells = 32**2 + 16**2 + 8**2 + 4**2 + 2**2
    assert cell.few(256) and cell.few(cells - 1) and not cell.few(cells) and not RPN(small_config()).few(256)
