"""Many polygons at once, as columns: extents, areas, which cross themselves, which cover no pixel.

For the checks of a whole annotation file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pycocotools import mask as mask_api

from .compiled import compiled


@dataclass
class Polygons:
    """p polygons of at least three points each.

    Attributes:
        points: float64 [2k], x, y, x, y, ... in pixels, one polygon after another.
        starts: int64 [p + 1], where each polygon begins in `points`, and the end.
        owner: int64 [p], rising: the object (a row of `ObjectColumns`) that a polygon is a part of.
        part: int64 [p], a polygon's number in the file's list of the object's parts.
    """

    points: np.ndarray
    starts: np.ndarray
    owner: np.ndarray
    part: np.ndarray

    def __len__(self) -> int:
        return len(self.owner)

    def extents(self) -> np.ndarray:
        """float64 [p, 4]: x1, y1, x2, y2 around each polygon; NaN where a point is NaN."""
        if not len(self):
            return np.zeros((0, 4))
        starts = self.starts[:-1] // 2
        x = self.points[0::2]
        y = self.points[1::2]
        columns = (
            np.minimum.reduceat(x, starts),
            np.minimum.reduceat(y, starts),
            np.maximum.reduceat(x, starts),
            np.maximum.reduceat(y, starts),
        )
        return np.stack(columns, 1).astype(np.float64)

    def areas(self) -> np.ndarray:
        """float64 [p]: the area in pixels by the shoelace formula."""
        return _polygon_areas(self.points, self.starts)

    def crossing(self) -> np.ndarray:
        """bool [p]: whether two sides that share no corner cross each other (touching is not crossing)."""
        return _crossing_polygons(self.points, self.starts)

    def without_pixel(
        self, height: np.ndarray, width: np.ndarray, areas: np.ndarray, extents: np.ndarray
    ) -> np.ndarray:
        """Whether pycocotools draws nothing for a polygon in its picture.

        Only thin polygons are drawn: the others are sure to cover a pixel.

        Args:
            height: int [p], of each polygon's picture in pixels.
            width: int [p].
            areas: float64 [p], as `areas` returns them.
            extents: float64 [p, 4], as `extents` returns them.

        Returns:
            bool [p].
        """
        no_pixel = np.zeros(len(self), bool)
        long_side = np.maximum(extents[:, 2] - extents[:, 0], extents[:, 3] - extents[:, 1])
        for i in np.flatnonzero(areas < 2 * long_side + 2).tolist():
            polygon = self.points[self.starts[i] : self.starts[i + 1]].astype(np.float64).tolist()
            rles = mask_api.frPyObjects([polygon], int(height[i]), int(width[i]))
            no_pixel[i] = mask_api.area(rles)[0] == 0
        return no_pixel

    def select(self, valid: np.ndarray) -> Polygons:
        """The polygons where valid (bool [p]) is true."""
        lengths = np.diff(self.starts)
        starts = np.concatenate([[0], np.cumsum(lengths[valid])])
        points = self.points if valid.all() else self.points[np.repeat(valid, lengths)]
        return Polygons(points, starts, self.owner[valid], self.part[valid])


@compiled
def _polygon_areas(points: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """float64 [p]: areas by the shoelace formula; points and starts: as of `Polygons`."""
    areas = np.zeros(len(starts) - 1)
    for p in range(len(areas)):
        first = starts[p]
        last = starts[p + 1]
        # from the first point on, so that a far-away polygon keeps its digits
        x0 = np.float64(points[first])
        y0 = np.float64(points[first + 1])
        total = 0.0
        for i in range(first, last - 2, 2):
            total += (points[i] - x0) * (points[i + 3] - y0) - (points[i + 2] - x0) * (points[i + 1] - y0)
        areas[p] = abs(total) / 2
    return areas


@compiled
def _crossing_polygons(points: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """bool [p]: which polygons cross themselves; points and starts: as of `Polygons`."""
    crosses = np.zeros(len(starts) - 1, np.bool_)
    for p in range(len(crosses)):
        first = starts[p]
        count = (starts[p + 1] - first) // 2
        # side i goes from corner i to corner i + 1
        x1 = np.empty(count)
        y1 = np.empty(count)
        x2 = np.empty(count)
        y2 = np.empty(count)
        for i in range(count):
            j = (i + 1) % count
            x1[i] = points[first + 2 * i]
            y1[i] = points[first + 2 * i + 1]
            x2[i] = points[first + 2 * j]
            y2[i] = points[first + 2 * j + 1]
        crosses[p] = _has_crossing(x1, y1, x2, y2)
    return crosses


@compiled
def _has_crossing(x1: np.ndarray, y1: np.ndarray, x2: np.ndarray, y2: np.ndarray) -> bool:
    """Whether two of n sides, from (x1, y1) to (x2, y2), cross each other.

    Sides are compared in the order of their left ends, until one begins right of where the first ends.
    """
    left = np.empty(len(x1))
    for i in range(len(x1)):
        left[i] = min(x1[i], x2[i])
    order = _argsort(left)
    for a in range(len(order)):
        i = order[a]
        right = max(x1[i], x2[i])
        low = min(y1[i], y2[i])
        high = max(y1[i], y2[i])
        for b in range(a + 1, len(order)):
            j = order[b]
            if left[j] > right:
                break
            if min(y1[j], y2[j]) > high or max(y1[j], y2[j]) < low:
                continue
            if _are_apart(x1[i], y1[i], x2[i], y2[i], x1[j], y1[j], x2[j], y2[j]) and _are_apart(
                x1[j], y1[j], x2[j], y2[j], x1[i], y1[i], x2[i], y2[i]
            ):
                return True
    return False


@compiled
def _argsort(values: np.ndarray) -> np.ndarray:
    """The order of rising values, by Shell's sort: Numba takes seconds to compile np.argsort."""
    count = len(values)
    order = np.arange(count)
    gap = count // 2
    while gap:
        for a in range(gap, count):
            i = order[a]
            b = a
            while b >= gap and values[order[b - gap]] > values[i]:
                order[b] = order[b - gap]
                b -= gap
            order[b] = i
        gap //= 2
    return order


@compiled
def _are_apart(
    ax: float, ay: float, bx: float, by: float, cx: float, cy: float, dx: float, dy: float
) -> bool:
    """Whether points c and d lie on different sides of the line through a and b, neither of them on it."""
    return _orientation(ax, ay, bx, by, cx, cy) * _orientation(ax, ay, bx, by, dx, dy) < 0


@compiled
def _orientation(ax: float, ay: float, bx: float, by: float, cx: float, cy: float) -> float:
    """Above 0 where c lies left of the way from a to b, below 0 where it lies right, 0 on the line."""
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
