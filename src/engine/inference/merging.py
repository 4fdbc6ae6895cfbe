"""What was found in several views of a picture, merged: duplicates, and objects that tiles have cut.

An object that is whole in its view is a duplicate of one that is whole in another view where their boxes
overlap (IoU), as in NMS. One that its view has cut is compared by masks, in the part of the picture that both
views show: two belong together where the smaller one's mask lies in the other's (intersection over smaller,
IoS). Of a view that is there for its size alone (`View.whole_only`), cut objects are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np

from ...data.images.box_masks import sample_box_mask
from ...data.images.placement import Window
from .views import View

_IOS = 0.5  # from here on a cut object's mask belongs to another's
# A side of a box this near to a side of its tile, as a share of the tile's side, is cut there.
_CUT_SHARE = 0.01
_CUT_PIXELS = 2.0
_GRID = 96  # points a side at most on which two masks are compared
_MAX_CELLS = 224  # a side of a merged mask
_SAME_BOX = 0.5  # IoU from which on an uncut box stands for what was merged


@dataclass(frozen=True)
class MergeSettings:
    """How views are merged.

    Attributes:
        iou_threshold: The IoU of boxes from which on they are duplicates.
        mask_threshold: The probability from which on a mask's pixel is set.
        max_detections: How many of a picture are kept, the best ones; None: all.
    """

    iou_threshold: float
    mask_threshold: float
    max_detections: Optional[int]


class _Pool:
    """All detections of a picture, by falling score."""

    def __init__(self, found: Sequence[Dict[str, np.ndarray]], views: Sequence[View], whole: Window):
        counts = [len(detections["scores"]) for detections in found]
        scores = np.concatenate([detections["scores"] for detections in found])
        order = np.argsort(-scores, kind="stable")
        masks = [mask for detections in found for mask in detections["masks"]]
        self.scores = scores[order]
        self.boxes = np.concatenate([detections["boxes"] for detections in found])[order]
        self.labels = np.concatenate([detections["labels"] for detections in found])[order]
        self.masks = [masks[i] for i in order]
        self.view = np.repeat(np.arange(len(views)), counts)[order]
        self.windows = [view.window for view in views]
        self.is_cut = np.array([self._cuts(i, whole) for i in range(len(order))], bool)
        whole_only = np.array([view.whole_only for view in views], bool)
        self._keep(np.flatnonzero(~(self.is_cut & whole_only[self.view])))

    def _keep(self, rows: np.ndarray) -> None:
        self.scores = self.scores[rows]
        self.boxes = self.boxes[rows]
        self.labels = self.labels[rows]
        self.masks = [self.masks[i] for i in rows]
        self.view = self.view[rows]
        self.is_cut = self.is_cut[rows]

    def window(self, i: int) -> Window:
        return self.windows[self.view[i]]

    def _cuts(self, i: int, whole: Window) -> bool:
        """Whether a box reaches a side of its window that is no side of the picture."""
        window = self.window(i)
        x1, y1, x2, y2 = self.boxes[i].tolist()
        near_x = max(_CUT_PIXELS, _CUT_SHARE * window.width)
        near_y = max(_CUT_PIXELS, _CUT_SHARE * window.height)
        right = window.left + window.width
        bottom = window.top + window.height
        return (
            (window.left > 0 and x1 - window.left < near_x)
            or (window.top > 0 and y1 - window.top < near_y)
            or (right < whole.width and right - x2 < near_x)
            or (bottom < whole.height and bottom - y2 < near_y)
        )


def merge_views(
    found: Sequence[Dict[str, np.ndarray]],
    views: Sequence[View],
    size: Tuple[int, int],
    settings: MergeSettings,
) -> Dict[str, object]:
    """One picture's detections from those of its views.

    Args:
        found: A dict for each view as of `detect`, in the pixels of the whole picture (`from_view`).
        views: The views.
        size: (height, width) of the picture in pixels.
        settings: How they are merged.

    Returns:
        As `detect`, by falling score; masks are a list of float32 [m, m], where m may differ: a mask that is
        merged of finer ones has as fine cells. A detection's score is the best of those that it is merged
        of, its mask their mean by scores, at each place of the views that show it.
    """
    pool = _Pool(found, views, Window(0, 0, *size))
    merged = [_merge_group(pool, group) for group in _groups(pool, settings)]
    merged.sort(key=lambda item: -item[1])
    merged = merged[: settings.max_detections]
    return {
        "boxes": np.array([box for box, *_ in merged], np.float32).reshape(-1, 4),
        "scores": np.array([score for _, score, *_ in merged], np.float32),
        "labels": np.array([label for _, _, label, _ in merged], np.int32),
        "masks": [mask for *_, mask in merged],
    }


def _groups(pool: _Pool, settings: MergeSettings) -> List[List[int]]:
    """The pool's rows that are one object each; the first of a group has its best score."""
    groups: List[List[int]] = []
    group_of = np.full(len(pool.scores), -1)
    for i in range(len(pool.scores)):
        earlier = np.flatnonzero(
            (pool.labels[:i] == pool.labels[i]) & (pool.view[:i] != pool.view[i]) & _overlaps(pool.boxes, i)
        )
        matched = _matches(pool, i, earlier, groups, group_of, settings)
        if not matched:
            matched = [len(groups)]
            groups.append([])
        target = matched[0]
        for other in matched[1:]:  # an object that joins several parts
            groups[target] += groups[other]
            groups[other] = []
        groups[target].append(i)
        group_of[groups[target]] = target
    return [sorted(group) for group in groups if group]


def _matches(pool, i, earlier, groups, group_of, settings) -> List[int]:
    """The groups that row i belongs to, in the order of their scores.

    They are at most one that has an object whole, and any number of those that have cut parts only: two
    objects that were each seen whole stay two, whatever else covers both.
    """
    parts = set()
    best = None
    best_overlap = 0.0
    for j in earlier.tolist():
        group = int(group_of[j])
        if group in parts:
            continue  # it belongs, whatever its other members say
        uncut = min((k for k in groups[group] if not pool.is_cut[k]), default=None)
        if not pool.is_cut[i] and uncut is not None:
            # As NMS: with the best of a group only.
            overlap = _box_iou(pool.boxes[i], pool.boxes[j]) if j == uncut else 0.0
            belongs = j == uncut and overlap >= settings.iou_threshold
        else:
            ios, overlap = _mask_overlap(pool, i, j, settings.mask_threshold)
            belongs = ios >= _IOS
        if belongs and uncut is None:
            parts.add(group)
        elif belongs and overlap > best_overlap:
            best = group
            best_overlap = overlap
    return sorted(parts if best is None else parts | {best})


def _overlaps(boxes: np.ndarray, i: int) -> np.ndarray:
    """bool [i]: which of the boxes before box i share some area with it."""
    x1, y1, x2, y2 = boxes[i]
    others = boxes[:i]
    return (others[:, 0] < x2) & (others[:, 2] > x1) & (others[:, 1] < y2) & (others[:, 3] > y1)


def _box_iou(first: np.ndarray, second: np.ndarray) -> float:
    low = np.maximum(first[:2], second[:2])
    high = np.minimum(first[2:], second[2:])
    intersection = float(np.prod(np.maximum(high - low, 0)))
    union = float(np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2])) - intersection
    return intersection / union if union > 0 else 0.0


def _mask_overlap(pool: _Pool, i: int, j: int, threshold: float) -> Tuple[float, float]:
    """(IoS, IoU) of two masks in the part of the picture that both views show."""
    first = pool.window(i)
    second = pool.window(j)
    boxes = pool.boxes[[i, j]].astype(np.float64)
    left = max(first.left, second.left, boxes[:, 0].min())
    top = max(first.top, second.top, boxes[:, 1].min())
    right = min(first.left + first.width, second.left + second.width, boxes[:, 2].max())
    bottom = min(first.top + first.height, second.top + second.height, boxes[:, 3].max())
    if right <= left or bottom <= top:
        return 0.0, 0.0
    xs = _points(left, right)
    ys = _points(top, bottom)
    masks = [sample_box_mask(pool.masks[k], pool.boxes[k], xs, ys) >= threshold for k in (i, j)]
    smaller, larger = sorted(int(mask.sum()) for mask in masks)
    if smaller == 0:
        return 0.0, 0.0
    intersection = int((masks[0] & masks[1]).sum())
    return intersection / smaller, intersection / (smaller + larger - intersection)


def _points(low: float, high: float) -> np.ndarray:
    """The middles of at most _GRID equal cells over an interval, none much under a pixel."""
    count = int(np.clip(math.ceil(high - low), 1, _GRID))
    return low + (np.arange(count) + 0.5) * (high - low) / count


def _merge_group(pool: _Pool, group: List[int]) -> Tuple[np.ndarray, float, int, np.ndarray]:
    """(box, score, label, mask) of rows that are one object."""
    best = group[0]
    common = (float(pool.scores[best]), int(pool.labels[best]))
    if len(group) == 1:
        return (pool.boxes[best], *common, pool.masks[best])
    box = _group_box(pool, group)
    cells = len(pool.masks[best])
    if pool.is_cut[group].any():
        cells = _cells(pool, group, box)
    x1, y1, x2, y2 = box.tolist()
    middles = (np.arange(cells) + 0.5) / cells
    xs = x1 + middles * (x2 - x1)
    ys = y1 + middles * (y2 - y1)
    total = np.zeros((cells, cells))
    weight = np.zeros((cells, cells))
    for k in group:
        window = pool.window(k)
        rows = (ys >= window.top) & (ys <= window.top + window.height)
        columns = (xs >= window.left) & (xs <= window.left + window.width)
        shown = (rows[:, None] & columns) * float(pool.scores[k])
        total += shown * sample_box_mask(pool.masks[k], pool.boxes[k], xs, ys)
        weight += shown
    return (box, *common, (total / np.maximum(weight, 1e-12)).astype(np.float32))


def _group_box(pool: _Pool, group: List[int]) -> np.ndarray:
    """The best box that no view has cut; the extent of all where that is another object's size."""
    whole = [k for k in group if not pool.is_cut[k]]
    if len(whole) == len(group):
        return pool.boxes[group[0]]
    boxes = pool.boxes[group]
    extent = np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])
    for k in whole:
        if _box_iou(pool.boxes[k], extent) >= _SAME_BOX:
            return pool.boxes[k]
    return extent


def _cells(pool: _Pool, group: List[int], box: np.ndarray) -> int:
    """The cells a side of a merged mask: as small as those of the finest mask, within a limit."""
    sides = pool.boxes[group][:, 2:] - pool.boxes[group][:, :2]
    counts = np.array([len(pool.masks[k]) for k in group])
    finest = np.maximum((sides / counts[:, None]).min(0), 1e-6)
    needed = math.ceil(float(((box[2:] - box[:2]) / finest).max()))
    return int(np.clip(needed, counts.max(), _MAX_CELLS))
