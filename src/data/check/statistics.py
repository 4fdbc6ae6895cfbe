"""The figures of a data set that people look at before they train.

They are: instances, sizes and shapes of boxes, sizes of pictures, and how well the anchors fit the boxes.
Objects are those that training learns from (no crowds). Boxes are measured in their pictures, and on the
canvas, where the anchors are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional

import numpy as np

from ...errors import ConfigError
from ..annotations.records import DataSource
from ..images.canvas import CanvasSettings, resized_size
from .anchor_overlap import AnchorSettings, best_anchor_iou

PERCENTILES = (0, 5, 25, 50, 75, 95, 100)
_SMALL_AREA = 32**2  # COCO's evaluation calls objects below this small
_LARGE_AREA = 96**2  # and from this on large
_SIDE_EDGES = (0, 16, 32, 64, 128, 256, 512, np.inf)  # of the groups of anchors' figures, in canvas pixels


@dataclass(frozen=True)
class StatisticsSettings:
    """What the statistics take of the settings.

    Attributes:
        canvas: the canvas.
        anchors: the anchors on it.
        neg_iou, pos_iou: the thresholds by which anchors are labelled; their recalls are given.
        reached_iou: an object with no anchor of at least this IoU counts as unreached.
    """

    canvas: CanvasSettings
    anchors: AnchorSettings
    neg_iou: float
    pos_iou: float
    reached_iou: float


@dataclass(frozen=True)
class ObjectMeasurements:
    """What the statistics are computed from, for n objects that are not crowds, in P pictures.

    Attributes:
        picture_index: int [n], position of an object's picture.
        labels: int64 [n], from 1.
        boxes: float64 [n, 4], x1, y1, x2, y2 in pixels of the picture.
        canvas_sides: float64 [n], square root of the box's area on the canvas, in pixels.
        best_ious: float64 [n], the largest IoU of any anchor with the box.
        objects_per_picture: int64 [P].
        picture_sizes: int64 [P, 2], height and width in pixels.
    """

    picture_index: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    canvas_sides: np.ndarray
    best_ious: np.ndarray
    objects_per_picture: np.ndarray
    picture_sizes: np.ndarray


def measure_objects(settings: StatisticsSettings, source: DataSource) -> ObjectMeasurements:
    """Measure the objects of a data set; pictures are placed on the canvas without augmentation."""
    records = source.records
    masks = [~record.crowd for record in records]
    objects_per_picture = np.array([mask.sum() for mask in masks], np.int64)
    picture_index = np.repeat(np.arange(len(records)), objects_per_picture)
    boxes = [record.boxes[mask] for record, mask in zip(records, masks)]
    boxes = np.concatenate(boxes or [np.zeros((0, 4))]).astype(np.float64)
    labels = [record.labels[mask] for record, mask in zip(records, masks)]
    labels = np.concatenate(labels or [np.zeros(0, np.int32)]).astype(np.int64)
    picture_sizes = [(record.height, record.width) for record in records]
    picture_sizes = np.array(picture_sizes, np.int64).reshape(-1, 2)
    scale = _canvas_scale(settings.canvas, picture_sizes)[picture_index]
    canvas_boxes = boxes * np.concatenate([scale, scale], 1)
    return ObjectMeasurements(
        picture_index=picture_index,
        labels=labels,
        boxes=boxes,
        canvas_sides=np.sqrt((canvas_boxes[:, 2:] - canvas_boxes[:, :2]).prod(1)),
        best_ious=best_anchor_iou(settings.anchors, canvas_boxes),
        objects_per_picture=objects_per_picture,
        picture_sizes=picture_sizes,
    )


def _canvas_scale(canvas, picture_sizes):
    """The factors in x and y by which pictures are resized, float64 [P, 2]; picture_sizes: int64 [P, 2]."""
    sizes, size_index = np.unique(picture_sizes, axis=0, return_inverse=True)
    scales = np.ones((len(sizes), 2))
    for i, (height, width) in enumerate(sizes.tolist()):
        try:
            new_height, new_width = resized_size(height, width, canvas)
        except ConfigError:  # the check has a finding of its own for it
            continue
        scales[i] = new_width / width, new_height / height
    return scales[size_index.reshape(-1)]


def data_statistics(
    settings: StatisticsSettings, source: DataSource, objects: Optional[ObjectMeasurements] = None
) -> Dict[str, Any]:
    """The statistics of a data set as values for JSON.

    Args:
        settings: canvas, anchors and thresholds.
        source: the data.
        objects: those of `measure_objects`, if the caller has them.

    Returns:
        {"instances_per_class": {name: objects}, "pictures_per_class": {name: pictures with such an object},
        "instances_per_picture", "box_side" (square root of the area, in pixels), "box_side_on_canvas",
        "box_ratio" (height / width), "picture_width", "picture_height": {percentile: value},
        "pictures_without_objects": number,
        "box_area": {"small", "medium", "large": share of the objects, by COCO's limits},
        "anchors": {"recall": {IoU: share of objects with an anchor of at least that IoU}, "mean_best_iou",
        "unreached": number of objects below reached_iou, "by_size": the same by the side on the canvas}}.
    """
    if objects is None:
        objects = measure_objects(settings, source)
    sides = objects.boxes[:, 2:] - objects.boxes[:, :2]
    areas = sides.prod(1)
    small = areas < _SMALL_AREA
    large = areas >= _LARGE_AREA
    names = source.class_names[1:]
    return {
        "instances_per_class": _count_by_class(names, objects.labels),
        "pictures_per_class": _count_by_class(names, _labels_of_pictures(objects)),
        "instances_per_picture": _percentiles(objects.objects_per_picture),
        "pictures_without_objects": int((objects.objects_per_picture == 0).sum()),
        "box_side": _percentiles(np.sqrt(areas)),
        "box_ratio": _percentiles(sides[:, 1] / sides[:, 0]),
        "box_side_on_canvas": _percentiles(objects.canvas_sides),
        "box_area": {"small": _share(small), "medium": _share(~small & ~large), "large": _share(large)},
        "picture_width": _percentiles(objects.picture_sizes[:, 1]),
        "picture_height": _percentiles(objects.picture_sizes[:, 0]),
        "anchors": {
            **_anchor_figures(settings, objects.best_ious),
            "unreached": int((objects.best_ious < settings.reached_iou).sum()),
            "by_size": _anchor_figures_by_size(settings, objects),
        },
    }


def _labels_of_pictures(objects):
    """Each picture's labels once, all pictures one after another."""
    if not len(objects.labels):
        return objects.labels
    return np.unique(np.stack([objects.picture_index, objects.labels], 1), axis=0)[:, 1]


def _count_by_class(names, labels):
    return dict(zip(names, np.bincount(labels, minlength=len(names) + 1)[1:].tolist()))


def _anchor_figures(settings, best_ious):
    thresholds = sorted({0.5, settings.pos_iou, settings.neg_iou})
    return {
        "recall": {f"{threshold:g}": _share(best_ious >= threshold) for threshold in thresholds},
        "mean_best_iou": round(float(np.mean(best_ious)), 4) if len(best_ious) else 0.0,
    }


def _anchor_figures_by_size(settings, objects):
    """The figures for objects of each range of sides, smallest first; ranges without objects are left out."""
    rows = []
    for low, high in zip(_SIDE_EDGES, _SIDE_EDGES[1:]):
        inside = (objects.canvas_sides >= low) & (objects.canvas_sides < high)
        if inside.any():
            rows.append(
                {
                    "from": low,
                    "to": None if np.isinf(high) else high,
                    "objects": int(inside.sum()),
                    **_anchor_figures(settings, objects.best_ious[inside]),
                }
            )
    return rows


def _percentiles(values):
    if not len(values):
        return {}
    return {
        str(percent): round(float(value), 4)
        for percent, value in zip(PERCENTILES, np.percentile(values, PERCENTILES))
    }


def _share(mask):
    return round(float(np.mean(mask)), 4) if len(mask) else 0.0
