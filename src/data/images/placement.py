"""Where a picture goes on the canvas, and its pixels and boxes drawn there.

A `Placement` is decided first, from sizes alone. Pixels, boxes and masks follow it. Evaluation uses
`place_plainly`; training uses `place_randomly` in `random_placement.py`.

A picture is cropped, flipped and resized once, straight to its final size. An expanded canvas 4x as large, or
an enlarged picture of which only a crop is kept, is never made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, NamedTuple, Optional

import cv2
import numpy as np

from .canvas import CanvasSettings, resized_size


class Window(NamedTuple):
    """A rectangle of whole pixels in a picture."""

    top: int
    left: int
    height: int
    width: int


class Axis(NamedTuple):
    """One axis of the map from picture to canvas: canvas = scale * picture + offset, in pixels."""

    scale: float
    offset: float


class Axes(NamedTuple):
    """The map from picture to canvas, an `Axis` for x and one for y."""

    x: Axis
    y: Axis


@dataclass(frozen=True)
class Placement:
    """Where a picture goes on the canvas; all in pixels.

    Attributes:
        source_height, source_width: size of the picture.
        height, width: size on the canvas of what is placed.
        top, left: its corner on the canvas.
        filled_height, filled_width: size of the canvas's part, from its top-left corner, that is not padding.
            It is larger than height, width where the picture was expanded.
        flip: whether the picture is mirrored left to right.
        window: the crop of the picture that is placed; None for the whole picture.
    """

    source_height: int
    source_width: int
    height: int
    width: int
    top: int = 0
    left: int = 0
    filled_height: int = 0
    filled_width: int = 0
    flip: bool = False
    window: Optional[Window] = None

    @property
    def source_window(self) -> Window:
        """What is placed: `window`, or the whole picture."""
        if self.window is None:
            return Window(0, 0, self.source_height, self.source_width)
        return self.window

    @property
    def axes(self) -> Axes:
        """The map from the picture's pixels to the canvas's."""
        window = self.source_window
        scale_x = self.width / window.width
        scale_y = self.height / window.height
        y = Axis(scale_y, self.top - window.top * scale_y)
        if self.flip:
            return Axes(Axis(-scale_x, self.left + (window.left + window.width) * scale_x), y)
        return Axes(Axis(scale_x, self.left - window.left * scale_x), y)

    @property
    def meta(self) -> np.ndarray:
        """What the network and its outputs need of a placement (image_meta).

        Returns:
            float32 [6]: filled height, filled width, scale_y, scale_x (canvas over picture pixels), source
            height, source width.
        """
        window = self.source_window
        return np.array(
            [
                self.filled_height,
                self.filled_width,
                self.height / window.height,
                self.width / window.width,
                self.source_height,
                self.source_width,
            ],
            np.float32,
        )


def place_plainly(height: int, width: int, settings: CanvasSettings) -> Placement:
    """The Placement of a picture in evaluation: resized into the canvas's top-left corner."""
    new_height, new_width = resized_size(height, width, settings)
    return Placement(
        source_height=height,
        source_width=width,
        height=new_height,
        width=new_width,
        filled_height=new_height,
        filled_width=new_width,
    )


def place_picture(
    picture: np.ndarray, placement: Placement, settings: CanvasSettings, out: Optional[np.ndarray] = None
) -> np.ndarray:
    """Draw a picture onto the canvas.

    Resizing is half-pixel-correct and bilinear. Where the picture shrinks to under half, a canvas pixel is
    the mean of the pixels that it covers: bilinear sampling would leave some out. An expansion is filled with
    the mean of the pictures, padding as `pads_with_mean` says.

    Args:
        picture: uint8 [h, w, 3], RGB.
        placement: where it goes.
        settings: the canvas.
        out: a canvas to write into; a new one by default.

    Returns:
        uint8 [img_height, img_width, 3], RGB.
    """
    canvas = out
    if canvas is None:
        canvas = np.empty((settings.height, settings.width, 3), np.uint8)
    _fill_background(canvas, placement, settings)
    window = placement.source_window
    picture = picture[window.top : window.top + window.height, window.left : window.left + window.width]
    if placement.flip:
        picture = cv2.flip(picture, 1)
    target = canvas[
        placement.top : placement.top + placement.height, placement.left : placement.left + placement.width
    ]
    if picture.shape == target.shape:
        target[:] = picture
        return canvas
    under_half = 2 * placement.height < window.height and 2 * placement.width < window.width
    cv2.resize(
        picture,
        (placement.width, placement.height),
        dst=target,
        interpolation=cv2.INTER_AREA if under_half else cv2.INTER_LINEAR,
    )
    return canvas


def _fill_background(canvas: np.ndarray, placement: Placement, settings: CanvasSettings) -> None:
    """Fill the canvas's padding, and its expansion where there is one."""
    mean = np.round(settings.mean).astype(np.uint8)
    padding = mean if settings.pads_with_mean else np.zeros(3, np.uint8)
    filled_height = placement.filled_height
    filled_width = placement.filled_width
    # whole rows at a time: three bytes at a time is ten times slower
    rows = canvas.reshape(len(canvas), -1)
    rows[filled_height:] = np.tile(padding, settings.width)
    rows[:filled_height, 3 * filled_width :] = np.tile(padding, settings.width - filled_width)
    if (placement.height, placement.width) != (filled_height, filled_width):
        rows[:filled_height, : 3 * filled_width] = np.tile(mean, filled_width)


def flip_boxes(boxes: np.ndarray, width: float) -> np.ndarray:
    """Boxes [n, 4] (x1, y1, x2, y2) mirrored left to right in a picture `width` pixels wide."""
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)


def place_boxes(boxes: np.ndarray, placement: Placement) -> np.ndarray:
    """A picture's boxes on the canvas, clipped to what is placed.

    Args:
        boxes: [n, 4], x1, y1, x2, y2 in pixels of the picture.
        placement: where the picture goes.

    Returns:
        float32 [n, 4], x1, y1, x2, y2 in pixels of the canvas.
    """
    window = placement.source_window
    origin = (window.left, window.top, window.left, window.top)
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4) - origin
    if placement.flip:
        boxes = flip_boxes(boxes, window.width)
    boxes = boxes * np.array([placement.width / window.width, placement.height / window.height] * 2)
    corner = (placement.left, placement.top, placement.left, placement.top)
    if placement.window is not None:
        boxes = np.clip(boxes, 0, [placement.width, placement.height] * 2) + corner
    else:
        boxes = np.clip(boxes + corner, 0, [placement.filled_width, placement.filled_height] * 2)
    return boxes.astype(np.float32)


def to_picture(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    det_valid: np.ndarray,
    masks: np.ndarray,
    meta: np.ndarray,
) -> Dict[str, np.ndarray]:
    """One picture's detections, from the network's padded outputs on the canvas to the picture's pixels.

    Args:
        boxes: float32 [D, 4], x1, y1, x2, y2 in pixels of the canvas.
        scores: float32 [D].
        labels: int32 [D].
        det_valid: bool [D], which detections are not padding.
        masks: float32 [D, m, m], in the boxes' frames.
        meta: float32 [6], as `Placement.meta`.

    Returns:
        A dict of the n valid ones: boxes float32 [n, 4] in pixels of the picture, scores [n], labels [n] and
        masks [n, m, m].
    """
    _, _, scale_y, scale_x, height, width = meta
    scale = np.array([scale_x, scale_y, scale_x, scale_y], np.float32)
    limit = np.array([width, height, width, height], np.float32)
    return dict(
        boxes=np.clip(boxes[det_valid] / scale, 0, limit),
        scores=scores[det_valid],
        labels=labels[det_valid],
        masks=masks[det_valid],
    )
