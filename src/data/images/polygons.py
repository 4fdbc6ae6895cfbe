"""Many polygons at once, as columns: extents, areas, which cross themselves, which cover no pixel.

For the checks of a whole file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from pycocotools import mask as mask_api


@dataclass
class Polygons:
    """p polygons of at least three points each.

    points: float64 [2k], x, y, x, y, ... in pixels, one polygon after another; starts: int64 [p + 1], where
        each begins in `points`;
    owner: int64 [p], rising: the object (a row of `ObjectColumns`) it is a part of; part: int64 [p], its
        number in the file's list of parts.
    """

    points: np.ndarray
    starts: np.ndarray
    owner: np.ndarray
    part: np.ndarray

    def __len__(self):
        return len(self.owner)

    def extents(self):
        """float64 [p, 4]: x1, y1, x2, y2 around each polygon; NaN where a point is NaN."""
        if not len(self):
            return np.zeros((0, 4))
        starts = self.starts[:-1] // 2
        x, y = self.points[0::2], self.points[1::2]
        return np.stack(
            [
                np.minimum.reduceat(x, starts),
                np.minimum.reduceat(y, starts),
                np.maximum.reduceat(x, starts),
                np.maximum.reduceat(y, starts),
            ],
            1,
        ).astype(np.float64)

    def areas(self):
        """float64 [p]: the shoelace formula's area in pixels."""
        return polygon_areas(self.points, self.starts)

    def crossing(self):
        """bool [p]: whether two sides that share no corner cross each other (touching is not crossing)."""
        return crossing_polygons(self.points, self.starts)

    def without_pixel(self, height, width, areas, extents):
        """bool [p]: whether pycocotools draws nothing for a polygon in its picture.

        Height, width: int [p]; only thin ones are drawn.
        """
        found = np.zeros(len(self), bool)
        longest = np.maximum(extents[:, 2] - extents[:, 0], extents[:, 3] - extents[:, 1])
        for i in np.flatnonzero(areas < 2 * longest + 2).tolist():
            polygon = self.points[self.starts[i] : self.starts[i + 1]].astype(np.float64).tolist()
            found[i] = not mask_api.area(mask_api.frPyObjects([polygon], int(height[i]), int(width[i])))[0]
        return found

    def take(self, chosen):
        """The polygons where bool [p] is true."""
        lengths = np.diff(self.starts)
        starts = np.concatenate([[0], np.cumsum(lengths[chosen])])
        points = self.points if chosen.all() else self.points[np.repeat(chosen, lengths)]
        return Polygons(points, starts, self.owner[chosen], self.part[chosen])


@njit(cache=True)
def polygon_areas(points, starts):
    areas = np.zeros(len(starts) - 1)
    for p in range(len(areas)):
        first, last = starts[p], starts[p + 1]
        # from the first point on, so that a far-away polygon keeps its digits
        x0, y0 = np.float64(points[first]), np.float64(points[first + 1])
        total = 0.0
        for i in range(first, last - 2, 2):
            total += (points[i] - x0) * (points[i + 3] - y0) - (points[i + 2] - x0) * (points[i + 1] - y0)
        areas[p] = abs(total) / 2
    return areas


@njit(cache=True)
def _side(ax, ay, bx, by, cx, cy):
    """Above 0 where c lies left of the way from a to b, below where right."""
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)


@njit(cache=True)
def crossing_polygons(points, starts):
    """Sides are compared in the order of their left ends, until one begins right of where the first ends."""
    crosses = np.zeros(len(starts) - 1, np.bool_)
    for p in range(len(crosses)):
        first, count = starts[p], (starts[p + 1] - starts[p]) // 2
        x1, y1, x2, y2, left = (
            np.empty(count),
            np.empty(count),
            np.empty(count),
            np.empty(count),
            np.empty(count),
        )
        for i in range(count):
            j = (i + 1) % count
            x1[i], y1[i] = points[first + 2 * i], points[first + 2 * i + 1]
            x2[i], y2[i] = points[first + 2 * j], points[first + 2 * j + 1]
            left[i] = min(x1[i], x2[i])
        order = np.arange(count)
        gap = count // 2  # Shell's sort: Numba takes seconds to compile np.argsort
        while gap:
            for a in range(gap, count):
                i, b = order[a], a
                while b >= gap and left[order[b - gap]] > left[i]:
                    order[b] = order[b - gap]
                    b -= gap
                order[b] = i
            gap //= 2
        for a in range(count):
            i = order[a]
            right, low, high = max(x1[i], x2[i]), min(y1[i], y2[i]), max(y1[i], y2[i])
            for b in range(a + 1, count):
                j = order[b]
                if left[j] > right:
                    break
                if min(y1[j], y2[j]) > high or max(y1[j], y2[j]) < low:
                    continue
                if (
                    _side(x1[i], y1[i], x2[i], y2[i], x1[j], y1[j])
                    * _side(x1[i], y1[i], x2[i], y2[i], x2[j], y2[j])
                    < 0
                    and _side(x1[j], y1[j], x2[j], y2[j], x1[i], y1[i])
                    * _side(x1[j], y1[j], x2[j], y2[j], x2[i], y2[i])
                    < 0
                ):
                    crosses[p] = True
                    break
            if crosses[p]:
                break
    return crosses
