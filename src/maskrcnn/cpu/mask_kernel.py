"""The mask branch on the CPU: its logits in one operator, and its loss with all its gradients in another, by Winograd's way (`winograd.py`).

A custom operator takes static shapes, and the mask branch's rows follow the data: so these take every slot and compute the real ones. The loss
has one output that anything depends on, the sum of the RoIs' losses, so the gradients are computed with it, a few RoIs at a time from the
first layer to the last and back, and are only multiplied afterwards by what comes back. Their plain twin is `MaskHead` with `MaskHead.loss`.
"""

from __future__ import annotations

import numba
import numpy as np
from mindspore import nn, ops

from . import winograd
from .conv_kernel import in_threads
from .custom_operator import custom_operator
from .onednn import convolution

LAYERS = 4
MOST = 16  # RoIs at a time: enough for large matrix products, few enough that their maps stay small


def cell_by_cell(kind, x, w, y, bias=None):
    """Fill x, w or y of a 1x1 convolution, by kind (`onednn.Convolution`)."""
    convolution(kind, x.shape, w.shape, y.shape, 1, 0).run(x, w, y, bias)
    return {"forward": y, "input": x, "weight": w}[kind]


def three_by_three(x, mixed, bias):
    """x [n, C, h, w] convolved by a mixed weight [16, O, C], with bias [O]."""
    y = np.empty((len(x), len(bias), *x.shape[2:]), np.float32)
    winograd.forward(x, mixed, bias, y, 0, winograd.rows_of(x))
    return y


def through_relu(back, above, of_bias):
    """Make `back`, the gradient of what a ReLU gave (`above`), that of what it was given; adds its sums to the gradient of the bias before."""
    np.multiply(back, above > 0, out=back)
    of_bias += back.sum((0, 2, 3))


def branch_of(threads, parameters, backward):
    """(layers, up, logits) of the branch's weights and biases in the graph's order.

    layers: (mixed weight, mixed turned weight or None if not `backward`, bias) of each 3x3 convolution; up: (weight, bias) of the transposed one,
    [W, W, 2, 2] (in, out), as a 1x1 one [4W, W, 1, 1]; logits: (weight [classes, W], bias).
    """
    *convolutions, (up, up_bias), logits = zip(parameters[::2], parameters[1::2])
    wide, layers = len(up_bias), [None] * LAYERS

    def mix(place):
        weight, bias = convolutions[place]
        outputs, inputs = weight.shape[:2]
        mixed, turned = (
            np.empty((16, outputs, inputs), np.float32),
            np.empty((16, inputs, outputs), np.float32) if backward else None,
        )
        winograd.mix_weight(weight, 0, outputs, mixed)
        if backward:
            winograd.mix_turned_weight(weight, 0, inputs, turned)
        layers[place] = mixed, turned, bias

    in_threads(mix, [(place,) for place in range(LAYERS)], threads)
    return (
        layers,
        (np.ascontiguousarray(up.transpose(2, 3, 1, 0)).reshape(4 * wide, wide, 1, 1), np.tile(up_bias, 4)),
        logits,
    )


def through_branch(x, classes, layers, up, logits):
    """(maps, upsampled, found) of RoI features x [n, C, h, w]: x and what each 3x3 layer makes of it; the same of the transposed convolution, the
    four sub-pixels [n, 4W, h, w] of every cell; their logits [n, 4, hw] for the RoI's own class."""
    maps = [x]
    for mixed, _, bias in layers:
        maps.append(three_by_three(maps[-1], mixed, bias))
        np.maximum(maps[-1], 0, out=maps[-1])
    n, _, height, width = x.shape
    weight, bias = logits
    upsampled = cell_by_cell(
        "forward", maps[-1], up[0], np.empty((n, len(up[0]), height, width), np.float32), up[1]
    )
    np.maximum(upsampled, 0, out=upsampled)
    found = np.matmul(weight[classes][:, None, None], upsampled.reshape(n, 4, weight.shape[1], -1))[:, :, 0]
    return maps, upsampled, found + bias[classes][:, None, None]


def some_rois(x, classes, targets, layers, up, logits, sums):
    """(sum of the losses, gradient of x) of RoI features x [n, C, h, w], targets [n, 2h, 2w]; adds to `sums`, the weights' gradients.

    sums: (of the weight, of the bias) of each of the layers, of up and of the logits; those of 3x3 weights mixed.
    """
    maps, upsampled, found = through_branch(x, classes, layers, up, logits)
    n, _, height, width = x.shape
    wanted = targets.reshape(n, height, 2, width, 2).transpose(0, 2, 4, 1, 3).reshape(found.shape)
    away = np.exp(-np.abs(found))
    loss = (np.maximum(found, 0) - found * wanted + np.log1p(away)).sum() / wanted[0].size
    gradient = (np.where(found >= 0, 1, away) / (1 + away) - wanted) / np.float32(wanted[0].size)

    # a RoI's own class is the one row of the logits' weight that was multiplied
    np.add.at(
        sums[-1][0],
        classes,
        np.matmul(upsampled.reshape(n, 4, -1, height * width), gradient[..., None]).sum((1, 3)),
    )
    np.add.at(sums[-1][1], classes, gradient.sum((1, 2)))
    back = (logits[0][classes][:, None, :, None] * gradient[:, :, None]).reshape(upsampled.shape)
    through_relu(back, upsampled, sums[LAYERS][1])
    sums[LAYERS][0] += cell_by_cell("weight", maps[-1], np.empty_like(up[0]), back)
    back = cell_by_cell("input", np.empty_like(maps[-1]), up[0], back)
    for (_, turned, _), (of_mixed, of_bias), below, above in zip(
        layers[::-1], sums[LAYERS - 1 :: -1], maps[LAYERS - 1 :: -1], maps[:0:-1]
    ):
        through_relu(back, above, of_bias)
        winograd.weight_gradient(below, back, 0, winograd.rows_of(back), of_mixed)
        back = three_by_three(back, turned, np.zeros(below.shape[1], np.float32))
    return loss, back


def in_shares(job, chosen, threads):
    """job(number, some of the chosen slots, up to MOST): each thread's share of them is a number's."""

    def work(number, share):
        for some in np.array_split(share, -(-len(share) // MOST)):
            job(number, some)

    in_threads(
        work,
        [
            (number, share)
            for number, share in enumerate(np.array_split(np.flatnonzero(chosen), threads))
            if len(share)
        ],
        threads,
    )


def mask_logits(threads, pooled, classes, chosen, *parameters):
    """Mask logits float32 [S, 2h, 2w] of the chosen (bool [S]) of pooled float32 [S, C, h, w] for classes int32 [S]; zeros for the others.

    parameters: weight and bias of four convolutions, of the transposed one [W, W, 2, 2] (in, out) and of the logits [classes, W].
    """
    branch, (height, width) = branch_of(threads, parameters, False), pooled.shape[2:]
    masks = np.zeros((len(pooled), 2 * height, 2 * width), np.float32)

    def job(_, some):
        found = through_branch(pooled[some], classes[some], *branch)[2].reshape(-1, 2, 2, height, width)
        masks[some] = found.transpose(0, 3, 1, 4, 2).reshape(-1, 2 * height, 2 * width)

    in_shares(job, chosen, threads)
    return masks


def mask_loss(threads, pooled, classes, chosen, targets, *parameters):
    """float32 [1] the sum of the chosen RoIs' mean binary cross entropies, then the gradients of pooled and parameters.

    As `mask_logits`, with targets float32 [S, 2h, 2w].
    """
    layers, up, logits = branch_of(threads, parameters, True)
    arrays, wide = [*((mixed, bias) for mixed, _, bias in layers), up, logits], logits[0].shape[1]
    of_pooled, found = np.zeros_like(pooled), {}

    def job(number, some):
        total, sums = found.get(number) or (0.0, [[np.zeros_like(one) for one in pair] for pair in arrays])
        loss, of_pooled[some] = some_rois(
            pooled[some], classes[some], targets[some], layers, up, logits, sums
        )
        found[number] = total + loss, sums

    in_shares(job, chosen, threads)
    gradients = [np.zeros_like(one) for pair in arrays for one in pair]
    for number in sorted(found):  # in the same order always
        for whole, part in zip(gradients, (one for pair in found[number][1] for one in pair)):
            whole += part
    for place, weight in enumerate(parameters[: 2 * LAYERS : 2]):
        mixed, gradients[2 * place] = gradients[2 * place], np.empty_like(weight)
        winograd.weight_of(mixed, 0, len(weight), gradients[2 * place])
    gradients[2 * LAYERS] = np.ascontiguousarray(
        gradients[2 * LAYERS].reshape(2, 2, wide, wide).transpose(3, 2, 0, 1)
    )
    gradients[2 * LAYERS + 1] = gradients[2 * LAYERS + 1].reshape(4, wide).sum(0)
    return np.array([sum(total for total, _ in found.values())], np.float32), of_pooled, *gradients


class MaskLogitsKernel(nn.Cell):
    """(pooled, classes, chosen, the branch's parameters) -> what `mask_logits` gives; without a gradient."""

    def __init__(self):
        super().__init__()
        threads = numba.get_num_threads()

        # ops.Custom counts inputs by a function's named arguments
        def chosen_mask_logits(
            pooled, classes, chosen, w1, b1, w2, b2, w3, b3, w4, b4, up, up_bias, logits, logits_bias
        ):
            return mask_logits(
                threads,
                pooled,
                classes,
                chosen,
                w1,
                b1,
                w2,
                b2,
                w3,
                b3,
                w4,
                b4,
                up,
                up_bias,
                logits,
                logits_bias,
            )

        self.operator = custom_operator(
            chosen_mask_logits,
            lambda pooled, *_: [pooled[0], 2 * pooled[2], 2 * pooled[3]],
            lambda pooled, *_: pooled,
        )

    def construct(
        self, pooled, classes, chosen, w1, b1, w2, b2, w3, b3, w4, b4, up, up_bias, logits, logits_bias
    ):
        return self.operator(
            pooled, classes, chosen, w1, b1, w2, b2, w3, b3, w4, b4, up, up_bias, logits, logits_bias
        )


class MaskLossKernel(nn.Cell):
    """(pooled, classes, chosen, targets, the branch's parameters) -> what `mask_loss` gives; only the first of it has a gradient."""

    def __init__(self):
        super().__init__()
        threads = numba.get_num_threads()

        def mask_loss_with_gradients(
            pooled, classes, chosen, targets, w1, b1, w2, b2, w3, b3, w4, b4, up, up_bias, logits, logits_bias
        ):
            return mask_loss(
                threads,
                pooled,
                classes,
                chosen,
                targets,
                w1,
                b1,
                w2,
                b2,
                w3,
                b3,
                w4,
                b4,
                up,
                up_bias,
                logits,
                logits_bias,
            )

        def results(pooled, classes, chosen, targets, *parameters):
            return [1], pooled, *parameters

        def kinds(pooled, classes, chosen, targets, *parameters):
            return pooled, pooled, *parameters

        self.operator = custom_operator(mask_loss_with_gradients, results, kinds)

    def construct(
        self,
        pooled,
        classes,
        chosen,
        targets,
        w1,
        b1,
        w2,
        b2,
        w3,
        b3,
        w4,
        b4,
        up,
        up_bias,
        logits,
        logits_bias,
    ):
        return self.operator(
            pooled, classes, chosen, targets, w1, b1, w2, b2, w3, b3, w4, b4, up, up_bias, logits, logits_bias
        )

    def bprop(
        self,
        pooled,
        classes,
        chosen,
        targets,
        w1,
        b1,
        w2,
        b2,
        w3,
        b3,
        w4,
        b4,
        up,
        up_bias,
        logits,
        logits_bias,
        out,
        dout,
    ):
        gradients = ()
        for i in range(2, 14):
            gradients += (out[i] * dout[0],)
        return (
            out[1] * dout[0],
            ops.zeros_like(classes),
            ops.zeros_like(chosen),
            ops.zeros_like(targets),
        ) + gradients
