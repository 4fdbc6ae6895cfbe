"""Objects on the canvas: what is left of them where their picture is cropped or shrinks."""

from __future__ import annotations

from typing import Sequence, Tuple

import numpy as np

from src.data.images.placement import Placement, Window
from src.data.mindrecord.row_format import StoredObjects
from src.data.pipeline.placed_objects import ObjectTargets, objects_on_canvas


def targets_of(
    polygon: np.ndarray,
    box: Sequence[float],
    window: Tuple[int, int, int, int],
    scale: float = 1,
    has_masks: bool = True,
) -> ObjectTargets:
    """The targets of one object of a 100x100 picture, of which a window is placed.

    Args:
        polygon: Of the object, float32, x, y, x, y, ...
        box: Of the object, x1, y1, x2, y2.
        window: The part of the picture that is placed: top, left, height, width.
        scale: Canvas pixels per picture pixel.
        has_masks: Whether masks are made.
    """
    objects = StoredObjects("x", 100, 100, np.array([box], np.float32), np.array([3], np.int32), [[polygon]])
    placed_window = Window(*window)
    size = (int(placed_window.height * scale), int(placed_window.width * scale))
    placement = Placement(100, 100, *size, 0, 0, *size, window=placed_window)
    return objects_on_canvas(objects, placement, 28, has_masks).targets


def test_a_cut_objects_box_follows_its_mask():
    """An L: its upper arm is at columns 10 to 20, its lower one at rows 80 to 90.

    Cut above row 60, the box is the upper arm's alone.
    """
    polygon = np.array([10, 10, 20, 10, 20, 80, 90, 80, 90, 90, 10, 90], np.float32)
    targets = targets_of(polygon, [10, 10, 90, 90], (0, 0, 60, 100))
    assert targets.boxes.tolist() == [[10, 10, 20, 60]] and targets.labels.tolist() == [3]
    assert targets.masks.min() > 127
    without_masks = targets_of(polygon, [10, 10, 90, 90], (0, 0, 60, 100), has_masks=False)
    assert without_masks.boxes.tolist() == [[10, 10, 90, 60]]
    # The corner that no arm reaches shows nothing of it, though it lies within its box.
    assert len(targets_of(polygon, [10, 10, 90, 90], (10, 40, 50, 50)).labels) == 0
    assert len(targets_of(polygon, [10, 10, 90, 90], (92, 92, 8, 8), has_masks=False).labels) == 0
    # An object that is not cut keeps its box as it was annotated.
    uncut = targets_of(polygon, [10.25, 10.5, 90, 90], (5, 5, 90, 90))
    assert uncut.boxes.tolist() == [[5.25, 5.5, 85, 85]]


def test_an_object_of_no_pixels_is_dropped():
    """A square of 10x10 at a tenth is one pixel; at a twentieth, a quarter of one."""
    square = np.array([10, 10, 20, 10, 20, 20, 10, 20], np.float32)
    for has_masks in (True, False):
        assert len(targets_of(square, [10, 10, 20, 20], (0, 0, 100, 100), 0.1, has_masks).labels) == 1
        assert len(targets_of(square, [10, 10, 20, 20], (0, 0, 100, 100), 0.05, has_masks).labels) == 0
