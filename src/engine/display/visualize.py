"""Drawings of objects over pictures: what the network found, and the ground truth."""

from __future__ import annotations

import colorsys
from pathlib import Path
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import cv2
import numpy as np

from ...data.annotations.records import Record
from ...data.images.box_masks import paste_mask
from ...data.images.rasterize import segmentation_to_mask
from ...errors import DataError
from .fonts import readable_name
from .text import draw_text, measure_text

# Pictures whose shorter side is below this are enlarged by a whole number, so that names can be read.
_SMALL_SIDE = 400
# Nothing that is drawn is wider or higher, in pixels.
MAX_SIDE = 4096
_MASK_OPACITY = 0.45
_DARK = (0, 0, 0)
_LIGHT = (255, 255, 255)
# Saturation and value of instance colours, all high enough to be seen on dark pictures.
_TONES = ((0.75, 1.0), (0.5, 1.0), (0.9, 0.92))
_GOLDEN_ANGLE = 0.381966  # as a part of the colour circle


class _Rectangle(NamedTuple):
    x1: int
    y1: int
    x2: int
    y2: int

    def overlaps(self, other: _Rectangle) -> bool:
        return self.x1 < other.x2 and other.x1 < self.x2 and self.y1 < other.y2 and other.y1 < self.y2


def draw_detections(
    picture: np.ndarray,
    detections: Mapping[str, Optional[np.ndarray]],
    class_names: Sequence[str],
    threshold: float = 0.5,
    mask_threshold: float = 0.5,
) -> np.ndarray:
    """Draw detections over a picture: tinted masks with outlines, boxes, and names with scores.

    Every instance has a colour of its own.

    Args:
        picture: uint8 [H, W, 3], RGB.
        detections: `boxes` float [n, 4], x1, y1, x2, y2 in the picture's pixels; `scores` float [n]; `labels`
            int [n], from 1; `masks` float [n, 28, 28], probabilities within the boxes (None or missing: boxes
            only).
        class_names: Names by label; the first is "background".
        threshold: The lowest score that is drawn.
        mask_threshold: The probability from which on a mask's pixel is set.

    Returns:
        uint8 [kH, kW, 3], RGB. Pictures with a side under 400 are enlarged k times, a whole number, within
        MAX_SIDE; larger ones than that are reduced to it.
    """
    scores = np.asarray(detections["scores"], np.float64).reshape(-1)
    boxes = np.asarray(detections["boxes"], np.float64).reshape(-1, 4)
    labels = np.asarray(detections["labels"]).reshape(-1)
    probabilities = detections.get("masks")
    order = [i for i in np.argsort(-scores, kind="stable") if scores[i] >= threshold]
    picture, scale = _reduce(picture)
    height, width = picture.shape[:2]
    boxes = boxes * scale
    masks = [None] * len(order)
    if probabilities is not None:
        masks = [paste_mask(probabilities[i], boxes[i], height, width, mask_threshold) for i in order]
    captions = [f"{_name(class_names, labels[i])} {scores[i]:.2f}" for i in order]
    return _draw_instances(picture, [boxes[i] for i in order], captions, masks)


def draw_ground_truth(
    picture: np.ndarray,
    boxes: Sequence[Sequence[float]],
    labels: Sequence[int],
    class_names: Sequence[str],
    segmentations: Optional[Sequence[Any]] = None,
    crowd: Optional[Sequence[bool]] = None,
) -> np.ndarray:
    """Draw annotated objects over a picture, in the way of `draw_detections`.

    Args:
        picture: uint8 [H, W, 3], RGB.
        boxes: float [n, 4], x1, y1, x2, y2 in pixels.
        labels: int [n], from 1.
        class_names: Names by label.
        segmentations: n COCO segmentations (polygons or RLE; None for an object without one), or None.
        crowd: bool [n], which objects are named "(crowd)", or None.

    Returns:
        uint8 [kH, kW, 3], RGB.
    """
    height, width = picture.shape[:2]
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    if segmentations is None:
        segmentations = [None] * len(boxes)
    picture, scale = _reduce(picture)
    masks = [
        None
        if item is None or len(item) == 0
        else _reduce_mask(segmentation_to_mask(item, height, width), picture.shape)
        for item in segmentations
    ]
    boxes = boxes * scale
    captions = [
        _name(class_names, label) + (" (crowd)" if crowd is not None and crowd[i] else "")
        for i, label in enumerate(labels)
    ]
    return _draw_instances(picture, list(boxes), captions, masks)


def side_by_side(
    pictures: Sequence[np.ndarray], titles: Optional[Sequence[str]] = None, gap: int = 8
) -> np.ndarray:
    """Put pictures in a row on white. Lower pictures are enlarged to the height of the highest.

    The whole is within MAX_SIDE: each picture within its share of the width, and lower where it has to be.

    Args:
        pictures: uint8 [H, W, 3] each.
        titles: A text above each picture.
        gap: The space between pictures, in pixels.

    Returns:
        uint8 [h, w, 3].
    """
    title_height = 30 if titles else 0
    height = min(max(picture.shape[0] for picture in pictures), MAX_SIDE - title_height - 2 * gap)
    column = (MAX_SIDE - gap) // len(pictures) - gap
    scaled = [_scale_to_fit(picture, height, column) for picture in pictures]
    height = max(picture.shape[0] for picture in scaled)
    width = sum(picture.shape[1] + gap for picture in scaled) + gap
    sheet = np.full((height + title_height + 2 * gap, width, 3), 255, np.uint8)
    top = title_height + gap
    left = gap
    for index, picture in enumerate(scaled):
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
        if titles:
            origin = (left, title_height - 4 + gap // 2)
            draw_text(sheet, titles[index], origin, 0.65, (30, 30, 30))
        left += picture.shape[1] + gap
    return sheet


def found_beside_annotated(
    picture: np.ndarray,
    detections: Mapping[str, Optional[np.ndarray]],
    record: Record,
    class_names: Sequence[str],
    threshold: float,
    mask_threshold: float,
) -> np.ndarray:
    """What a network found in a picture, beside what is annotated in it: uint8 [h, w, 3].

    Args:
        picture: uint8 [H, W, 3], RGB.
        detections: The picture's, as of `draw_detections`.
        record: The picture's record, with its annotations.
        class_names, threshold, mask_threshold: As of `draw_detections`.
    """
    found = draw_detections(picture, detections, class_names, threshold, mask_threshold)
    annotated = draw_ground_truth(
        picture, record.boxes, record.labels, class_names, record.segmentations, record.crowd
    )
    return side_by_side([found, annotated], ["found", "annotated"])


def _scale_to_fit(picture: np.ndarray, height: int, max_width: int) -> np.ndarray:
    """A picture in a height, or lower so that it is not wider than `max_width`."""
    scale = min(height / picture.shape[0], max_width / picture.shape[1])
    if scale == 1:
        return picture
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    interpolation = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    return cv2.resize(picture, size, interpolation=interpolation)


def _reduce(picture: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """A picture within MAX_SIDE, and the factors of a box's x1, y1, x2, y2."""
    height, width = picture.shape[:2]
    scale = MAX_SIDE / max(height, width)
    if scale >= 1:
        return picture, np.ones(4)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    reduced = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return reduced, np.tile((size[0] / width, size[1] / height), 2)


def _reduce_mask(mask: np.ndarray, shape: Tuple[int, ...]) -> np.ndarray:
    """A mask, uint8 [H, W], in the size of a picture of `_reduce`."""
    if mask.shape[:2] == tuple(shape[:2]):
        return mask
    share = cv2.resize(mask.astype(np.float32), (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    return (share >= 0.5).astype(np.uint8)


def _name(class_names: Sequence[str], label: int) -> str:
    return readable_name(class_names[int(label)], int(label))


def save_png(path: Union[str, Path], array: np.ndarray) -> None:
    """Write a picture, uint8 [H, W, 3] RGB, [H, W, 4] RGBA or [H, W] grey, as PNG. Its folder is made.

    Raises:
        DataError: The file cannot be written.
    """
    path = Path(path)
    if array.ndim == 3:  # OpenCV's order is BGR, and BGRA
        array = array[:, :, [2, 1, 0, 3][: array.shape[2]]]
    is_encoded, data = cv2.imencode(".png", array)
    if not is_encoded:
        raise DataError(f"{path}: a picture of shape {array.shape} cannot be written as PNG")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}; choose a folder that can be written") from None


def instance_colours(count: int) -> List[Tuple[int, int, int]]:
    """`count` RGB colours of 0..255. Neighbours in the list differ much in hue."""
    colours = []
    for i in range(count):
        hue = (0.02 + i * _GOLDEN_ANGLE) % 1
        rgb = colorsys.hsv_to_rgb(hue, *_TONES[i % len(_TONES)])
        colours.append(tuple(round(255 * part) for part in rgb))
    return colours


def _draw_instances(picture, boxes, captions, masks):
    height, width = picture.shape[:2]
    factor = max(1, min(-(-_SMALL_SIDE // min(height, width)), MAX_SIDE // max(height, width)))
    size = (width * factor, height * factor)
    if factor > 1:
        canvas = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
    else:
        canvas = np.ascontiguousarray(picture).copy()
    colours = instance_colours(len(boxes))
    thickness = max(1, round(min(size) / 300))
    # In reverse order, so that the best ones are on top.
    for colour, mask in zip(colours[::-1], masks[::-1]):
        if mask is not None and mask.any():
            _draw_mask(canvas, _enlarge_mask(mask, factor), colour, thickness)
    for colour, box in zip(colours[::-1], boxes[::-1]):
        x1, y1, x2, y2 = np.round(np.asarray(box) * factor).astype(int).tolist()
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, thickness, cv2.LINE_AA)
    occupied = []
    for colour, box, caption in zip(colours, boxes, captions):
        occupied.append(_draw_caption(canvas, caption, np.asarray(box) * factor, colour, occupied))
    return canvas


def _draw_mask(canvas, mask, colour, thickness):
    inside = mask.astype(bool)
    tinted = canvas[inside] * (1 - _MASK_OPACITY) + np.array(colour) * _MASK_OPACITY
    canvas[inside] = np.round(tinted).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(canvas, contours, -1, colour, thickness, cv2.LINE_AA)


def _enlarge_mask(mask, factor):
    """uint8 0 or 1 [kH, kW] of a mask [H, W], with smooth edges instead of steps."""
    if factor == 1:
        return mask.astype(np.uint8)
    large = cv2.resize(mask.astype(np.float32), None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    return (cv2.GaussianBlur(large, (0, 0), 0.7 * factor) >= 0.5).astype(np.uint8)


def _draw_caption(canvas, caption, box, colour, occupied):
    """Draw a caption above its box, or inside or below it where there is room; returns its _Rectangle."""
    height, width = canvas.shape[:2]
    scale = float(np.clip(min(height, width) / 1000, 0.45, 0.9))
    text = measure_text(caption, scale)
    plate_width = text.width + 6
    plate_height = text.above + text.below + 3
    left = int(np.clip(box[0], 0, max(0, width - plate_width)))
    below = np.arange(box[1] + plate_height, height - plate_height, plate_height)
    plates = []
    for top in (box[1] - plate_height, box[1], box[3], *below):
        top = int(np.clip(top, 0, max(0, height - plate_height)))
        plates.append(_Rectangle(left, top, left + plate_width, top + plate_height))
    free = [plate for plate in plates if not any(plate.overlaps(other) for other in occupied)]
    plate = free[0] if free else plates[0]
    cv2.rectangle(canvas, (plate.x1, plate.y1), (plate.x2, plate.y2), colour, -1)
    brightness = np.dot(colour, (0.299, 0.587, 0.114))
    ink = _DARK if brightness > 110 else _LIGHT
    origin = (plate.x1 + 3, plate.y1 + text.above + 2)
    draw_text(canvas, caption, origin, scale, ink)
    return plate
