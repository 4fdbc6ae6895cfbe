"""The views of a picture that a network is shown: the whole, tiles, other sizes, mirrored ones."""

from __future__ import annotations

import dataclasses
import math
from typing import Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from ...data.images.box_masks import flip_mask
from ...data.images.canvas import CanvasSettings
from ...data.images.placement import Window, flip_boxes, place_picture, place_plainly

# The sizes of test_tta=[scales]. The canvas has one size: a smaller picture leaves more padding, a larger one
# is shown in parts.
SCALES = (0.75, 1.5)
_PART_OVERLAP = 0.5  # of an enlarged picture's parts: an object of half a part's side is whole in one of them


@dataclasses.dataclass(frozen=True)
class ViewSettings:
    """Which views a picture has besides the whole.

    Attributes:
        flip: Whether each view is also shown mirrored left to right.
        scales: Further sizes, relative to the one that the picture has on the canvas.
        tile_side: The side of the tiles in the picture's pixels; None: no tiles.
        tile_overlap: How much neighbouring tiles overlap at least, as a share of their side.
    """

    flip: bool = False
    scales: Tuple[float, ...] = ()
    tile_side: Optional[int] = None
    tile_overlap: float = 0.2

    @property
    def is_single(self) -> bool:
        """Whether every picture has the whole as its only view."""
        return not self.flip and not self.scales and self.tile_side is None


class View(NamedTuple):
    """One view of a picture.

    Attributes:
        window: The part of the picture.
        scale: Its size on the canvas relative to the plain one, at most 1.
        flip: Whether it is mirrored left to right.
        whole_only: Whether objects that its window cuts are left out, as other views show them whole.
    """

    window: Window
    scale: float = 1.0
    flip: bool = False
    whole_only: bool = False


def picture_views(height: int, width: int, settings: ViewSettings) -> List[View]:
    """The views of a picture of a size in pixels. The first is the whole picture."""
    whole = Window(0, 0, height, width)
    views = [View(whole)]
    if settings.tile_side is not None and max(height, width) > settings.tile_side:
        sides = (settings.tile_side, settings.tile_side)
        views += [View(window) for window in tile_windows(height, width, sides, settings.tile_overlap)]
    for scale in settings.scales:
        if scale <= 1:
            views.append(View(whole, scale))
        else:
            sides = (math.ceil(height / scale), math.ceil(width / scale))
            # Half of an object looks like one of another class. It is not needed: the plain view shows the
            # object whole, and at 1 / 1.5 of the size.
            windows = tile_windows(height, width, sides, _PART_OVERLAP)
            views += [View(window, whole_only=True) for window in windows]
    if settings.flip:
        views += [view._replace(flip=True) for view in views]
    return views


def tile_windows(height: int, width: int, sides: Tuple[int, int], overlap: float) -> List[Window]:
    """Tiles of equal size that cover a picture, evenly spread, row by row.

    Args:
        height, width: Of the picture in pixels.
        sides: Height and width of a tile. It is no larger than the picture.
        overlap: How much neighbours overlap at least, as a share of their side, under 1.
    """
    tile_height = min(sides[0], height)
    tile_width = min(sides[1], width)
    return [
        Window(top, left, tile_height, tile_width)
        for top in _starts(height, tile_height, overlap)
        for left in _starts(width, tile_width, overlap)
    ]


def _starts(length: int, side: int, overlap: float) -> List[int]:
    """Where the tiles of one axis begin."""
    # A pixel at least between two of them: of a tiny tile the overlap may leave nothing.
    step = max(1, math.floor(side * (1 - overlap)))
    count = 1 + math.ceil((length - side) / step)
    return [int(start) for start in np.linspace(0, length - side, count).astype(int)]


def place_view(picture: np.ndarray, view: View, canvas: CanvasSettings) -> Tuple[np.ndarray, np.ndarray]:
    """A view on the canvas.

    Args:
        picture: uint8 [H, W, 3], RGB.
        view: One of its views.
        canvas: The canvas.

    Returns:
        (image uint8 [img_height, img_width, 3], image_meta float32 [6]). For the network the window is a
        picture of its own.
    """
    top, left, height, width = view.window
    placement = place_plainly(height, width, canvas)
    new_height = max(1, round(placement.height * view.scale))
    new_width = max(1, round(placement.width * view.scale))
    placement = dataclasses.replace(
        placement,
        height=new_height,
        width=new_width,
        filled_height=new_height,
        filled_width=new_width,
        flip=view.flip,
    )
    image = place_picture(picture[top : top + height, left : left + width], placement, canvas)
    return image, placement.meta


def from_view(detections: Dict[str, np.ndarray], view: View) -> Dict[str, np.ndarray]:
    """Detections in a view's pixels (`detect`), in those of the whole picture."""
    boxes = detections["boxes"]
    masks = detections["masks"]
    if view.flip:
        boxes = flip_boxes(boxes, view.window.width)
        masks = flip_mask(masks)
    corner = np.array([view.window.left, view.window.top] * 2, np.float32)
    return {**detections, "boxes": boxes + corner, "masks": masks}
