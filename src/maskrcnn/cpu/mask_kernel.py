"""The mask head on the CPU: its logits in one function, and its loss with all gradients in another.

The operators of `mask_operator.py` call these. A custom operator takes static shapes, while the number of
positive RoIs follows from the data: so the functions take all slots and compute the valid ones. The 3x3
convolutions use Winograd's algorithm (`winograd.py`). The same in MindSpore's operators is `MaskHead` with
`MaskHead.loss`.

The gradients are computed together with the loss, for a few RoIs at a time, from the first layer to the last
and back. The backward pass of the graph only multiplies them by the gradient of the loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import winograd
from .conv_kernel import run_jobs
from .onednn import convolution

NUM_CONVS = 4
ROIS_PER_CHUNK = 16  # enough for large matrix products, few enough that their maps stay small


class ConvWeights(NamedTuple):
    """A 3x3 convolution, its filters transformed as `winograd.forward` takes them.

    Attributes:
        transformed: float32 [16, O, C].
        transposed: float32 [16, C, O], for the gradient of x; None where no gradients are computed.
        bias: float32 [O].
    """

    transformed: np.ndarray
    transposed: np.ndarray | None
    bias: np.ndarray


class HeadWeights(NamedTuple):
    """The weights of the mask head, prepared for the kernels; W is the head's width.

    Attributes:
        convs: the four 3x3 convolutions.
        up: (weight [4W, W, 1, 1], bias [4W]) of the transposed convolution, written as a 1x1 convolution.
        logits: (weight [classes, W], bias [classes]).
    """

    convs: list[ConvWeights]
    up: tuple[np.ndarray, np.ndarray]
    logits: tuple[np.ndarray, np.ndarray]


class HeadOutputs(NamedTuple):
    """What the layers of the mask head give for n RoIs.

    Attributes:
        maps: RoI features [n, C, h, w], then the output [n, W, h, w] of each 3x3 convolution and its ReLU.
        upsampled: float32 [n, 4W, h, w], the 2x2 sub-cells of every cell, after the ReLU.
        logits: float32 [n, 4, hw], those of each RoI's own class.
    """

    maps: list[np.ndarray]
    upsampled: np.ndarray
    logits: np.ndarray


def conv1x1(kind, x, w, y, bias=None):
    """Fill and return y, or the gradient of x or w, of a 1x1 convolution, by kind (`onednn.Convolution`)."""
    convolution(kind, x.shape, w.shape, y.shape, 1, 0).run(x, w, y, bias)
    return {"forward": y, "input": x, "weight": w}[kind]


def conv3x3(x, transformed_weight, bias):
    """x [n, C, h, w] convolved with transformed filters [16, O, C] and bias [O]."""
    y = np.empty((len(x), len(bias), *x.shape[2:]), np.float32)
    winograd.forward(x, transformed_weight, bias, y, 0, winograd.num_tile_rows(x))
    return y


def relu_backward(gradient, output, bias_gradient):
    """Zero `gradient` in place where the ReLU's output is 0; then add its sums to bias_gradient [C]."""
    np.multiply(gradient, output > 0, out=gradient)
    bias_gradient += gradient.sum((0, 2, 3))


def prepare_weights(parameters: tuple, needs_gradients: bool, threads: int) -> HeadWeights:
    """The `HeadWeights` of the head's parameters, given as in `mask_logits`."""
    *conv_parameters, (up_weight, up_bias), logits = zip(parameters[::2], parameters[1::2])
    width = len(up_bias)
    convs = [None] * NUM_CONVS

    def transform(layer):
        weight, bias = conv_parameters[layer]
        outputs, inputs = weight.shape[:2]
        transformed = np.empty((16, outputs, inputs), np.float32)
        winograd.filter_transform(weight, 0, outputs, transformed)
        transposed = None
        if needs_gradients:
            transposed = np.empty((16, inputs, outputs), np.float32)
            winograd.transposed_filter_transform(weight, 0, inputs, transposed)
        convs[layer] = ConvWeights(transformed, transposed, bias)

    run_jobs(transform, [(layer,) for layer in range(NUM_CONVS)], threads)
    up_as_1x1 = np.ascontiguousarray(up_weight.transpose(2, 3, 1, 0)).reshape(4 * width, width, 1, 1)
    return HeadWeights(convs, (up_as_1x1, np.tile(up_bias, 4)), logits)


def head_forward(x: np.ndarray, classes: np.ndarray, weights: HeadWeights) -> HeadOutputs:
    """The mask head for RoI features x [n, C, h, w] and their classes int32 [n]."""
    maps = [x]
    for conv in weights.convs:
        maps.append(conv3x3(maps[-1], conv.transformed, conv.bias))
        np.maximum(maps[-1], 0, out=maps[-1])
    n, _, height, width = x.shape
    up_weight, up_bias = weights.up
    upsampled = np.empty((n, len(up_weight), height, width), np.float32)
    conv1x1("forward", maps[-1], up_weight, upsampled, up_bias)
    np.maximum(upsampled, 0, out=upsampled)
    weight, bias = weights.logits
    sub_cells = upsampled.reshape(n, 4, weight.shape[1], -1)
    logits = np.matmul(weight[classes][:, None, None], sub_cells)[:, :, 0]
    return HeadOutputs(maps, upsampled, logits + bias[classes][:, None, None])


def head_loss(
    x: np.ndarray, classes: np.ndarray, targets: np.ndarray, weights: HeadWeights, sums: list
) -> tuple[float, np.ndarray]:
    """The loss of some RoIs, and its gradients.

    Args:
        x: float32 [n, C, h, w], RoI features.
        classes: int32 [n].
        targets: float32 [n, 2h, 2w].
        sums: [weight's, bias's] gradient of each convolution, of `up` and of `logits`, which are added to.
            Those of 3x3 weights are of the transformed filters.

    Returns:
        The sum of the RoIs' mean binary cross entropies, and the gradient of x.
    """
    maps, upsampled, logits = head_forward(x, classes, weights)
    n, _, height, width = x.shape
    targets = targets.reshape(n, height, 2, width, 2).transpose(0, 2, 4, 1, 3).reshape(logits.shape)
    exponential = np.exp(-np.abs(logits))
    loss = (np.maximum(logits, 0) - logits * targets + np.log1p(exponential)).sum() / targets[0].size
    sigmoid = np.where(logits >= 0, 1, exponential) / (1 + exponential)
    logits_gradient = (sigmoid - targets) / np.float32(targets[0].size)

    # Only the row of a RoI's own class was multiplied: only that row has a gradient.
    logits_weight_sum, logits_bias_sum = sums[-1]
    sub_cells = upsampled.reshape(n, 4, -1, height * width)
    np.add.at(logits_weight_sum, classes, np.matmul(sub_cells, logits_gradient[..., None]).sum((1, 3)))
    np.add.at(logits_bias_sum, classes, logits_gradient.sum((1, 2)))
    class_rows = weights.logits[0][classes]
    gradient = (class_rows[:, None, :, None] * logits_gradient[:, :, None]).reshape(upsampled.shape)

    up_weight = weights.up[0]
    up_sums = sums[NUM_CONVS]
    relu_backward(gradient, upsampled, up_sums[1])
    up_sums[0] += conv1x1("weight", maps[-1], np.empty_like(up_weight), gradient)
    gradient = conv1x1("input", np.empty_like(maps[-1]), up_weight, gradient)

    for layer in reversed(range(NUM_CONVS)):
        inputs = maps[layer]
        weight_sum, bias_sum = sums[layer]
        relu_backward(gradient, maps[layer + 1], bias_sum)
        winograd.weight_gradient(inputs, gradient, 0, winograd.num_tile_rows(gradient), weight_sum)
        no_bias = np.zeros(inputs.shape[1], np.float32)
        gradient = conv3x3(gradient, weights.convs[layer].transposed, no_bias)
    return loss, gradient


def run_chunks(function: Callable, roi_valid: np.ndarray, threads: int) -> None:
    """function(share, slots) of all valid slots, at most ROIS_PER_CHUNK a call, in threads.

    Each thread takes one share of the slots; calls of one share follow each other.
    """

    def run(share, slots):
        for chunk in np.array_split(slots, -(-len(slots) // ROIS_PER_CHUNK)):
            function(share, chunk)

    shares = enumerate(np.array_split(np.flatnonzero(roi_valid), threads))
    run_jobs(run, [(share, slots) for share, slots in shares if len(slots)], threads)


def mask_logits(
    threads: int, pooled: np.ndarray, classes: np.ndarray, roi_valid: np.ndarray, *parameters: np.ndarray
) -> np.ndarray:
    """The mask logits of the valid RoIs.

    Args:
        pooled: float32 [S, C, h, w], RoI features.
        classes: int32 [S].
        roi_valid: bool [S].
        parameters: weight and bias of the four convolutions, of the transposed convolution (weight [W, W, 2,
            2]: in, out) and of the logits (weight [classes, W]).

    Returns:
        float32 [S, 2h, 2w]; zeros where a RoI is not valid.
    """
    weights = prepare_weights(parameters, False, threads)
    height, width = pooled.shape[2:]
    masks = np.zeros((len(pooled), 2 * height, 2 * width), np.float32)

    def fill(_, slots):
        logits = head_forward(pooled[slots], classes[slots], weights).logits
        sub_cells = logits.reshape(-1, 2, 2, height, width)
        masks[slots] = sub_cells.transpose(0, 3, 1, 4, 2).reshape(-1, 2 * height, 2 * width)

    run_chunks(fill, roi_valid, threads)
    return masks


def mask_loss(
    threads: int,
    pooled: np.ndarray,
    classes: np.ndarray,
    roi_valid: np.ndarray,
    targets: np.ndarray,
    *parameters: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """The mask loss of the valid RoIs with its gradients.

    Args:
        targets: float32 [S, 2h, 2w], 0 or 1.
        The others are those of `mask_logits`.

    Returns:
        float32 [1], the sum of the valid RoIs' mean binary cross entropies; then the gradient of pooled and
        those of all parameters.
    """
    weights = prepare_weights(parameters, True, threads)
    arrays = [(conv.transformed, conv.bias) for conv in weights.convs] + [weights.up, weights.logits]
    pooled_gradient = np.zeros_like(pooled)
    found = {}  # share: (loss, sums)

    def add(share, slots):
        loss, sums = found.get(share) or (0.0, [[np.zeros_like(one) for one in pair] for pair in arrays])
        chunk_loss, pooled_gradient[slots] = head_loss(
            pooled[slots], classes[slots], targets[slots], weights, sums
        )
        found[share] = loss + chunk_loss, sums

    run_chunks(add, roi_valid, threads)
    gradients = [np.zeros_like(one) for pair in arrays for one in pair]
    for share in sorted(found):  # always summed in the same order
        for total, part in zip(gradients, (one for pair in found[share][1] for one in pair)):
            total += part

    for layer in range(NUM_CONVS):
        transformed_gradient = gradients[2 * layer]
        gradients[2 * layer] = np.empty_like(parameters[2 * layer])
        winograd.filter_transform_gradient(
            transformed_gradient, 0, len(gradients[2 * layer]), gradients[2 * layer]
        )
    width = weights.logits[0].shape[1]
    up_weight = 2 * NUM_CONVS
    up_bias = up_weight + 1
    as_transposed = gradients[up_weight].reshape(2, 2, width, width).transpose(3, 2, 0, 1)
    gradients[up_weight] = np.ascontiguousarray(as_transposed)
    gradients[up_bias] = gradients[up_bias].reshape(4, width).sum(0)
    loss = np.array([sum(share_loss for share_loss, _ in found.values())], np.float32)
    return loss, pooled_gradient, *gradients
