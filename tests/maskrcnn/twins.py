"""Plain NumPy float64 twins of the network's parts, written from the papers' definitions; slow, and with no trick in them."""

from __future__ import annotations

import math

import numpy as np


def iou(a, b):
    """IoU [N, M] of boxes [N, 4] and [M, 4]; 0 where neither has an area."""
    a, b = np.asarray(a, np.float64).T[:, :, None], np.asarray(b, np.float64).T[:, None, :]
    width, height = (
        np.minimum(a[2], b[2]) - np.maximum(a[0], b[0]),
        np.minimum(a[3], b[3]) - np.maximum(a[1], b[1]),
    )
    overlap = np.maximum(width, 0) * np.maximum(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
    return np.where(union > 0, overlap / np.where(union > 0, union, 1), 0.0)


def encode(boxes, targets, stds=(1, 1, 1, 1)):
    """R-CNN's deltas of boxes [N, 4] to targets [N, 4]."""
    boxes, targets = np.asarray(boxes, np.float64), np.asarray(targets, np.float64)
    size, target_size = boxes[:, 2:] - boxes[:, :2], targets[:, 2:] - targets[:, :2]
    center, target_center = (boxes[:, :2] + boxes[:, 2:]) / 2, (targets[:, :2] + targets[:, 2:]) / 2
    return np.concatenate([(target_center - center) / size, np.log(target_size / size)], 1) / np.asarray(
        stds, np.float64
    )


def decode(boxes, deltas, stds=(1, 1, 1, 1)):
    """Boxes [N, 4] moved by deltas [N, 4], sides growing or shrinking 62.5 times at most."""
    boxes, deltas = (
        np.asarray(boxes, np.float64),
        np.asarray(deltas, np.float64) * np.asarray(stds, np.float64),
    )
    size, center = boxes[:, 2:] - boxes[:, :2], (boxes[:, :2] + boxes[:, 2:]) / 2
    center = center + deltas[:, :2] * size
    half = size * np.exp(np.clip(deltas[:, 2:], -math.log(62.5), math.log(62.5))) / 2
    return np.concatenate([center - half, center + half], 1)


def clip(boxes, height, width):
    return np.clip(boxes, 0, [width, height, width, height])


def greedy_nms(boxes, threshold):
    """bool [N]: kept boxes of [N, 4] in the order of falling scores."""
    overlap = iou(boxes, boxes)
    kept = np.ones(len(boxes), bool)
    for i in range(len(boxes)):
        if kept[i]:
            kept[i + 1 :] &= overlap[i, i + 1 :] <= threshold
    return kept


def match(truth, valid, boxes, floor):
    """(best IoU [N], object [N], low-quality match [N]) of one picture; objects that are not valid do not exist."""
    overlap = iou(truth, boxes)
    overlap[~np.asarray(valid, bool)] = 0
    is_best = np.zeros(len(boxes), bool)
    for row in overlap:
        if row.max() > 0 and row.max() >= floor:
            is_best |= row == row.max()
    return overlap.max(0), overlap.argmax(0), is_best


def interpolate(plane, y, x):
    """Bilinear value of a map [H, W] at one point in cells: 0 from one cell outside on, the edge's value up to there."""
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = max(y, 0.0), max(x, 0.0)
    top, left = int(y), int(x)
    if top >= height - 1:
        top, y = height - 1, float(height - 1)
    if left >= width - 1:
        left, x = width - 1, float(width - 1)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, across = y - top, x - left
    return (1 - down) * ((1 - across) * plane[top, left] + across * plane[top, right]) + down * (
        (1 - across) * plane[bottom, left] + across * plane[bottom, right]
    )


def roi_align(feature, roi, stride, size, samples, aligned):
    """RoIAlign (He et al. 2017) of one RoI (x1, y1, x2, y2 in pixels) on a map [C, H, W]: [C, size, size].

    samples 0 is detectron2's adaptive sampling: as many as a pooled cell is cells wide and high, rounded up; without any the answer is 0.
    """
    shift = 0.5 if aligned else 0.0
    x1, y1, x2, y2 = (float(value) / stride - shift for value in roi)
    width, height = x2 - x1, y2 - y1
    if not aligned:
        width, height = max(width, 1.0), max(height, 1.0)
    down, across = (samples or max(math.ceil(side / size), 0) for side in (height, width))
    out = np.zeros((len(feature), size, size))
    if down * across == 0:
        return out
    for c, plane in enumerate(np.asarray(feature, np.float64)):
        for i in range(size):
            for j in range(size):
                points = [
                    (
                        y1 + (i + (a + 0.5) / down) * height / size,
                        x1 + (j + (b + 0.5) / across) * width / size,
                    )
                    for a in range(down)
                    for b in range(across)
                ]
                out[c, i, j] = np.mean([interpolate(plane, y, x) for y, x in points])
    return out


def level(roi):
    """Index into P2..P5: floor(4 + log2(sqrt(area) / 224)) - 2, limited to the pyramid (FPN's equation 1)."""
    side = math.sqrt((roi[2] - roi[0]) * (roi[3] - roi[1]))
    return int(np.clip(math.floor(4 + math.log2(max(side, 1e-9) / 224)), 2, 5)) - 2


def smooth_l1(error, beta):
    size = np.abs(np.asarray(error, np.float64))
    return np.where(size < beta, size**2 / (2 * beta), size - beta / 2) if beta else size


def cross_entropy(logits, labels):
    logits = np.asarray(logits, np.float64)
    top = logits.max(-1, keepdims=True)
    return np.log(np.exp(logits - top).sum(-1)) + top[:, 0] - logits[np.arange(len(labels)), labels]


def sigmoid(x):
    x = np.asarray(x, np.float64)
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def sigmoid_cross_entropy(logits, targets):
    logits, targets = np.asarray(logits, np.float64), np.asarray(targets, np.float64)
    return targets * np.logaddexp(0, -logits) + (1 - targets) * np.logaddexp(0, logits)


def convolution(x, weight, bias=None, stride=1):
    """'Same'-style convolution (padding (k - 1) / 2) of [B, C, H, W] with [O, C, k, k]."""
    x, weight = np.asarray(x, np.float64), np.asarray(weight, np.float64)
    kernel = weight.shape[-1]
    pad = (kernel - 1) // 2
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    height, width = (padded.shape[2] - kernel) // stride + 1, (padded.shape[3] - kernel) // stride + 1
    out = np.zeros((len(x), len(weight), height, width))
    for i in range(kernel):
        for j in range(kernel):
            window = padded[:, :, i : i + stride * height : stride, j : j + stride * width : stride]
            out += np.einsum("bchw,oc->bohw", window, weight[:, :, i, j])
    return out if bias is None else out + np.asarray(bias, np.float64).reshape(1, -1, 1, 1)


def group_norm(x, groups, gamma, beta, eps=1e-5):
    """x [B, C, H, W] normalised in `groups` groups of channels (Wu & He 2018), then scaled and shifted a channel."""
    grouped = np.asarray(x, np.float64).reshape(x.shape[0], groups, -1)
    grouped = (grouped - grouped.mean(-1, keepdims=True)) / np.sqrt(grouped.var(-1, keepdims=True) + eps)
    return grouped.reshape(x.shape) * np.reshape(gamma, (1, -1, 1, 1)) + np.reshape(beta, (1, -1, 1, 1))


def conv_norm(conv, norms, i, x):
    """A cell's i-th convolution of x, by its arrays, and the group norm after it where `norms` has any."""
    y = convolution(x, conv.weight.asnumpy(), None if conv.bias is None else conv.bias.asnumpy())
    return (
        group_norm(y, norms[i].groups, norms[i].gamma.asnumpy(), norms[i].beta.asnumpy()) if len(norms) else y
    )


def random_boxes(rng, count, width=200.0, height=150.0, low=2.0):
    """float32 [count, 4] boxes of at least `low` pixels a side inside height x width."""
    sides = rng.uniform(low, [width * 0.6, height * 0.6], (count, 2))
    corner = rng.uniform(0, 1, (count, 2)) * ([width, height] - sides)
    return np.concatenate([corner, corner + sides], 1).astype(np.float32)
