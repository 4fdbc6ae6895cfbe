"""The network's parts in plain NumPy float64, from the papers' definitions; slow and simple."""

from __future__ import annotations

import math

import numpy as np


def iou(a, b):
    """IoU [N, M] of boxes [N, 4] and [M, 4]; 0 where neither has an area."""
    a = np.asarray(a, np.float64).T[:, :, None]
    b = np.asarray(b, np.float64).T[:, None, :]
    width = np.minimum(a[2], b[2]) - np.maximum(a[0], b[0])
    height = np.minimum(a[3], b[3]) - np.maximum(a[1], b[1])
    overlap = np.maximum(width, 0) * np.maximum(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
    return np.where(union > 0, overlap / np.where(union > 0, union, 1), 0.0)


def encode(boxes, targets, stds=(1, 1, 1, 1)):
    """R-CNN's deltas of boxes [N, 4] to targets [N, 4]."""
    boxes = np.asarray(boxes, np.float64)
    targets = np.asarray(targets, np.float64)
    size = boxes[:, 2:] - boxes[:, :2]
    target_size = targets[:, 2:] - targets[:, :2]
    center = (boxes[:, :2] + boxes[:, 2:]) / 2
    target_center = (targets[:, :2] + targets[:, 2:]) / 2
    deltas = np.concatenate([(target_center - center) / size, np.log(target_size / size)], 1)
    return deltas / np.asarray(stds, np.float64)


def decode(boxes, deltas, stds=(1, 1, 1, 1)):
    """Boxes [N, 4] moved by deltas [N, 4], sides growing or shrinking 62.5 times at most."""
    boxes = np.asarray(boxes, np.float64)
    deltas = np.asarray(deltas, np.float64) * np.asarray(stds, np.float64)
    size = boxes[:, 2:] - boxes[:, :2]
    center = (boxes[:, :2] + boxes[:, 2:]) / 2 + deltas[:, :2] * size
    half = size * np.exp(np.clip(deltas[:, 2:], -math.log(62.5), math.log(62.5))) / 2
    return np.concatenate([center - half, center + half], 1)


def clip(boxes, height, width):
    return np.clip(boxes, 0, [width, height, width, height])


def greedy_nms(boxes, threshold):
    """bool [N]: which boxes [N, 4], in descending order of their scores, are kept."""
    overlap = iou(boxes, boxes)
    kept = np.ones(len(boxes), bool)
    for i in range(len(boxes)):
        if kept[i]:
            kept[i + 1 :] &= overlap[i, i + 1 :] <= threshold
    return kept


def match(gt_boxes, gt_valid, boxes, min_pos_iou):
    """(best IoU, matched_idxs, is_best), [N] each, of one picture."""
    overlap = iou(gt_boxes, boxes)
    overlap[~np.asarray(gt_valid, bool)] = 0
    is_best = np.zeros(len(boxes), bool)
    for row in overlap:
        if row.max() > 0 and row.max() >= min_pos_iou:
            is_best |= row == row.max()
    return overlap.max(0), overlap.argmax(0), is_best


def interpolate(plane, y, x):
    """Bilinear value of a map [H, W] at a point in cells.

    Up to one cell outside it is the edge's value, and further outside 0.
    """
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y = min(max(y, 0.0), height - 1.0)
    x = min(max(x, 0.0), width - 1.0)
    top = int(y)
    left = int(x)
    bottom = min(top + 1, height - 1)
    right = min(left + 1, width - 1)
    down = y - top
    across = x - left
    above = (1 - across) * plane[top, left] + across * plane[top, right]
    below = (1 - across) * plane[bottom, left] + across * plane[bottom, right]
    return (1 - down) * above + down * below


def roi_align(feature, roi, stride, size, samples, aligned):
    """RoIAlign (He et al. 2017) of one RoI (x1, y1, x2, y2 in pixels) on a map [C, H, W]: [C, size, size].

    samples 0 is detectron2's adaptive sampling: as many as a pooled cell is cells wide and high, rounded up.
    A cell without samples is 0.
    """
    shift = 0.5 if aligned else 0.0
    x1, y1, x2, y2 = (float(value) / stride - shift for value in roi)
    width = x2 - x1
    height = y2 - y1
    if not aligned:
        width = max(width, 1.0)
        height = max(height, 1.0)
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
    logits = np.asarray(logits, np.float64)
    targets = np.asarray(targets, np.float64)
    return targets * np.logaddexp(0, -logits) + (1 - targets) * np.logaddexp(0, logits)


def convolution(x, weight, bias=None, stride=1):
    """'Same'-style convolution (padding (k - 1) / 2) of [B, C, H, W] with [O, C, k, k]."""
    x = np.asarray(x, np.float64)
    weight = np.asarray(weight, np.float64)
    kernel = weight.shape[-1]
    pad = (kernel - 1) // 2
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    height = (padded.shape[2] - kernel) // stride + 1
    width = (padded.shape[3] - kernel) // stride + 1
    out = np.zeros((len(x), len(weight), height, width))
    for i in range(kernel):
        for j in range(kernel):
            window = padded[:, :, i : i + stride * height : stride, j : j + stride * width : stride]
            out += np.einsum("bchw,oc->bohw", window, weight[:, :, i, j])
    return out if bias is None else out + np.asarray(bias, np.float64).reshape(1, -1, 1, 1)


def group_norm(x, groups, gamma, beta, eps=1e-5):
    """Group norm (Wu & He 2018) of x [B, C, H, W] with `groups` groups of channels."""
    grouped = np.asarray(x, np.float64).reshape(x.shape[0], groups, -1)
    grouped = (grouped - grouped.mean(-1, keepdims=True)) / np.sqrt(grouped.var(-1, keepdims=True) + eps)
    return grouped.reshape(x.shape) * np.reshape(gamma, (1, -1, 1, 1)) + np.reshape(beta, (1, -1, 1, 1))


def conv_norm(conv, norms, i, x):
    """x after a convolution with a cell's arrays, then the group norm norms[i] unless `norms` is empty."""
    y = convolution(x, conv.weight.asnumpy(), None if conv.bias is None else conv.bias.asnumpy())
    if not len(norms):
        return y
    return group_norm(y, norms[i].groups, norms[i].gamma.asnumpy(), norms[i].beta.asnumpy())


def random_boxes(rng, count, width=200.0, height=150.0, low=2.0):
    """float32 [count, 4] boxes of at least `low` pixels a side inside height x width."""
    sides = rng.uniform(low, [width * 0.6, height * 0.6], (count, 2))
    corner = rng.uniform(0, 1, (count, 2)) * ([width, height] - sides)
    return np.concatenate([corner, corner + sides], 1).astype(np.float32)
