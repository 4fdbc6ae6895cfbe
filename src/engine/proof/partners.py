"""Which detections of two networks are the same: pairs, each detection in one of them at most."""

from __future__ import annotations

from typing import Dict, List, Mapping, Sequence, Tuple

import numpy as np

# A detection has a partner in the other network's: the same class, the boxes' IoU above the first number, the
# scores no further apart than the second.
SAME = (0.99, 1e-3)
# The same object, found by a network that computes less exactly.
SAME_OBJECT = (0.5, 1.0)


def box_ious(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """float64 [n, m]: the IoU of every pair of boxes [n, 4] and [m, 4] (x1, y1, x2, y2)."""
    first = np.asarray(first, np.float64).reshape(-1, 1, 4)
    second = np.asarray(second, np.float64).reshape(1, -1, 4)
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    common = (high - low).clip(0).prod(-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).prod(-1) for boxes in (first, second)]
    return common / np.maximum(areas[0] + areas[1] - common, 1e-12)


def find_partners(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray], limits: Tuple[float, float] = SAME
) -> List[Tuple[int, int]]:
    """The partners among two networks' detections of a picture: pairs with the largest IoUs come first.

    Args:
        first, second: boxes [n, 4], scores [n] and labels [n] of each.
        limits: SAME or SAME_OBJECT.

    Returns:
        [(i, j)]: i of `first` and j of `second`.
    """
    min_iou, max_difference = limits
    ious = box_ious(first["boxes"], second["boxes"])
    labels = np.equal.outer(first["labels"], second["labels"])
    differences = np.abs(np.subtract.outer(first["scores"], second["scores"]))
    possible = np.argwhere(labels & (ious > min_iou) & (differences <= max_difference))
    order = np.argsort([-ious[i, j] for i, j in possible], kind="stable")
    pairs: List[Tuple[int, int]] = []
    taken: Dict[str, set] = {"first": set(), "second": set()}
    for i, j in possible[order].tolist():
        if i not in taken["first"] and j not in taken["second"]:
            pairs.append((i, j))
            taken["first"].add(i)
            taken["second"].add(j)
    return pairs


def partner_share(
    first: Sequence[Mapping[str, np.ndarray]],
    second: Sequence[Mapping[str, np.ndarray]],
    limits: Tuple[float, float] = SAME,
) -> float:
    """The share of detections with a partner, over all pictures; 1 where both found nothing.

    Of each picture it counts those of the network that found more, so that a missing detection and one too
    many weigh alike.
    """
    total = sum(max(len(a["scores"]), len(b["scores"])) for a, b in zip(first, second))
    pairs = sum(len(find_partners(a, b, limits)) for a, b in zip(first, second))
    return pairs / total if total else 1.0
