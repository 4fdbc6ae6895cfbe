"""COCO's greedy assignment of detections to objects, for all pictures at once.

Detections choose by falling score, each the object with the highest IoU that is still free. The first
detections of all groups (a group: an image and a class) choose together, then the second ones, and so on:
groups do not share objects.
"""

from __future__ import annotations

from typing import Iterator, NamedTuple, Sequence

import numpy as np

from .columns import rank_in_group
from .overlaps import Overlaps

# pycocotools lowers a threshold of 1 by this, so that an IoU of 1 with rounding errors reaches it
_LARGEST_THRESHOLD = 1 - 1e-10


class _Round(NamedTuple):
    """The pairs of the detections that choose together."""

    detections: np.ndarray
    objects: np.ndarray
    iou: np.ndarray
    starts: np.ndarray


def greedy_partners(
    overlaps: Overlaps,
    turn: np.ndarray,
    group: np.ndarray,
    thresholds: Sequence[float],
    ignored: np.ndarray,
    reusable: np.ndarray,
) -> np.ndarray:
    """The object that each detection is assigned to.

    Objects that are ignored are chosen only where no other reaches the threshold. Of equal IoUs the later
    object is chosen, as by pycocotools.

    Args:
        overlaps: the pairs that may be assigned to each other, all within their group.
        turn: int [D], rises in the order in which the detections of a group choose; groups follow each other.
        group: int [D].
        thresholds: IoUs [T].
        ignored: bool [A, G], for A ways of counting objects.
        reusable: bool [G], crowds, which several detections may be assigned to.

    Returns:
        int32 [A, T, D], the object or -1.
    """
    limits = np.minimum(np.asarray(thresholds, np.float64), _LARGEST_THRESHOLD)
    partner = np.full((len(ignored), len(limits), len(turn)), -1, np.int32)
    taken = np.zeros((len(ignored), len(limits), ignored.shape[1]), bool)
    for part in _rounds(overlaps.at(overlaps.iou >= limits.min()), turn, group):
        size = len(part.objects)
        place = np.arange(size)
        reaches = part.iou >= limits[:, None]
        for way in range(len(ignored)):
            # a pair's key is its place, and more by `size` where the object is not ignored: the largest wins
            key = place + size * ~ignored[way, part.objects]
            free = reaches & ~taken[way][:, part.objects]
            best = np.maximum.reduceat(np.where(free, key, -1), part.starts, axis=1)
            chosen = part.objects[best % size]
            found = best >= 0
            partner[way][:, part.detections] = np.where(found, chosen, -1)
            threshold, place_in_round = np.nonzero(found & ~reusable[chosen])
            taken[way, threshold, chosen[threshold, place_in_round]] = True
    return partner


def _rounds(overlaps: Overlaps, turn: np.ndarray, group: np.ndarray) -> Iterator[_Round]:
    """The pairs by round. Those of a detection are neighbours, by rising IoU and object."""
    if not len(overlaps.iou):
        return
    order = np.lexsort((overlaps.object, overlaps.iou, turn[overlaps.detection]))
    detection, partner, iou = overlaps.at(order)
    is_first = np.ones(len(detection), bool)
    is_first[1:] = detection[1:] != detection[:-1]
    round_of_detection = rank_in_group(group[detection[is_first]])
    round_of_pair = round_of_detection[np.cumsum(is_first) - 1]
    order = np.argsort(round_of_pair, kind="stable")
    bounds = np.searchsorted(round_of_pair[order], np.arange(round_of_pair.max() + 2))
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist()):
        part = order[begin:end]
        starts = np.flatnonzero(is_first[part])
        yield _Round(detection[part[starts]], partner[part], iou[part], starts)
