"""The figures of a data set that people look at before they train: instances, box sizes and shapes, picture sizes, and what the anchors reach.

Objects are those that training can learn from (no crowds); boxes are measured in their pictures and on the canvas, where the anchors are.
"""

from __future__ import annotations

from typing import Any, Dict

import numpy as np

from ...errors import ConfigError
from ...maskrcnn.anchor_generator import base_anchors
from ..images.placement import resized_size

_STEPS = (0, 5, 25, 50, 75, 95, 100)  # percentiles
_COCO_AREAS = (32**2, 96**2)  # where COCO's evaluation parts small, medium and large


def data_statistics(config, source, columns=None) -> Dict[str, Any]:
    """The statistics of a DataSource as JSON-like values; see `statistics_text` for how they read. columns: of `columns_of`, if they are there.

    instances_per_class: {name: objects}; pictures_per_class; instances_per_picture, box_side (square root of the area, in pixels), box_ratio
    (height over width), picture_width, picture_height, box_side_on_canvas: {percentile: value}; box_area: shares of COCO's small, medium and
    large; anchors: {"recall": {IoU: share of objects with an anchor of at least that IoU}, "mean_best_iou", "by_size": the same by the side on
    the canvas, "unreached": objects under min_pos_iou}.
    """
    columns = columns or columns_of(config, source)
    boxes, labels, best = columns["boxes"], columns["labels"], columns["best_iou"]
    sides = boxes[:, 2:] - boxes[:, :2]
    areas = sides.prod(1)
    names = source.class_names[1:]
    pairs = np.unique(np.stack([columns["picture"], labels], 1), axis=0)[:, 1] if len(labels) else labels
    small, large = areas < _COCO_AREAS[0], areas >= _COCO_AREAS[1]
    return {
        "instances_per_class": dict(zip(names, np.bincount(labels, minlength=len(names) + 1)[1:].tolist())),
        "pictures_per_class": dict(zip(names, np.bincount(pairs, minlength=len(names) + 1)[1:].tolist())),
        "instances_per_picture": _percentiles(columns["per_picture"]),
        "pictures_without_objects": int((columns["per_picture"] == 0).sum()),
        "box_side": _percentiles(np.sqrt(areas)),
        "box_ratio": _percentiles(sides[:, 1] / sides[:, 0]),
        "box_side_on_canvas": _percentiles(columns["canvas_side"]),
        "box_area": {"small": _share(small), "medium": _share(~small & ~large), "large": _share(large)},
        "picture_width": _percentiles(columns["size"][:, 1]),
        "picture_height": _percentiles(columns["size"][:, 0]),
        "anchors": {
            "recall": {f"{level:g}": _share(best >= level) for level in _levels(config)},
            "mean_best_iou": _mean(best),
            "unreached": int((best < config.min_pos_iou).sum()),
            "by_size": _by_size(columns["canvas_side"], best, config),
        },
    }


def _levels(config):
    return sorted({0.5, config.pos_iou_thr, config.neg_iou_thr})


def _by_size(side, best, config):
    edges = [0, 16, 32, 64, 128, 256, 512, np.inf]
    rows = []
    for low, high in zip(edges, edges[1:]):
        inside = (side >= low) & (side < high)
        if inside.any():
            rows.append(
                {
                    "from": low,
                    "to": None if np.isinf(high) else high,
                    "objects": int(inside.sum()),
                    "recall": {f"{level:g}": _share(best[inside] >= level) for level in _levels(config)},
                    "mean_best_iou": _mean(best[inside]),
                }
            )
    return rows


def _percentiles(values):
    return (
        {str(step): round(float(value), 4) for step, value in zip(_STEPS, np.percentile(values, _STEPS))}
        if len(values)
        else {}
    )


def _share(mask):
    return round(float(np.mean(mask)), 4) if len(mask) else 0.0


def _mean(values):
    return round(float(np.mean(values)), 4) if len(values) else 0.0


def columns_of(config, source):
    """Arrays over a DataSource: picture int [n] (its number), labels int [n], boxes float64 [n, 4], canvas_side and best_iou float64 [n] of the n
    objects that are not crowds; per_picture int [P] and size int [P, 2] (height, width) of the P pictures."""
    records = source.records
    keep = [~record.crowd for record in records]
    per_picture = np.array([mask.sum() for mask in keep], np.int64)
    picture = np.repeat(np.arange(len(records)), per_picture)
    boxes = np.concatenate(
        [record.boxes[mask] for record, mask in zip(records, keep)] or [np.zeros((0, 4))]
    ).astype(np.float64)
    labels = np.concatenate(
        [record.labels[mask] for record, mask in zip(records, keep)] or [np.zeros(0, np.int32)]
    ).astype(np.int64)
    size = np.array([(record.height, record.width) for record in records], np.int64).reshape(-1, 2)
    scale = _canvas_scale(config, size)[picture]
    canvas = boxes * np.concatenate([scale, scale], 1)
    return {
        "picture": picture,
        "labels": labels,
        "boxes": boxes,
        "per_picture": per_picture,
        "size": size,
        "canvas_side": np.sqrt((canvas[:, 2:] - canvas[:, :2]).prod(1)),
        "best_iou": best_anchor_iou(config, canvas),
    }


def _canvas_scale(config, size):
    """float64 [P, 2]: by how much each picture is resized in x and y when it is not augmented."""
    kinds, which = np.unique(size, axis=0, return_inverse=True)
    scales = np.ones((len(kinds), 2))
    for i, (height, width) in enumerate(kinds.tolist()):
        try:
            new_height, new_width = resized_size(height, width, config)
        except ConfigError:  # a finding of its own
            continue
        scales[i] = new_width / width, new_height / height
    return scales[which.reshape(-1)]


def best_anchor_iou(config, boxes):
    """float64 [n]: the largest IoU of any anchor with each canvas box float64 [n, 4].

    Exact, without looking at every anchor: of one shape and level, the overlap in x and the overlap in y both grow as the anchor's centre comes
    nearer, so the nearest centre of the grid is the best.
    """
    best = np.zeros(len(boxes))
    centres, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    for (height, width), stride in zip(config.feature_shapes, config.anchor_strides):
        steps = (
            (config.img_width // width, config.img_height // height)
            if config.anchor_round
            else (stride, stride)
        )
        for x1, y1, x2, y2 in base_anchors(
            stride, config.anchor_scales, config.anchor_ratios, config.anchor_round
        ):
            overlap = np.ones(len(boxes))
            for axis, (low, high, step, cells) in enumerate(
                ((x1, x2, steps[0], width), (y1, y2, steps[1], height))
            ):
                middle = np.clip(np.rint((centres[:, axis] - (low + high) / 2) / step), 0, cells - 1) * step
                overlap *= np.maximum(
                    np.minimum(boxes[:, axis + 2], middle + high) - np.maximum(boxes[:, axis], middle + low),
                    0,
                )
            best = np.maximum(best, overlap / (sides.prod(1) + (x2 - x1) * (y2 - y1) - overlap))
    return best


def statistics_text(statistics, widest=20):
    """The statistics as lines of a table; of many classes the `widest` with the most and the 5 with the fewest instances."""
    rows = [
        (
            "",
            *(
                f"{step} %" if step not in ("0", "100") else {"0": "least", "100": "most"}[step]
                for step in map(str, _STEPS)
            ),
        )
    ]
    for name, words in (
        ("instances_per_picture", "objects a picture"),
        ("picture_width", "picture width"),
        ("picture_height", "picture height"),
        ("box_side", "box side (root of area)"),
        ("box_side_on_canvas", "box side on the canvas"),
        ("box_ratio", "box height / width"),
    ):
        rows.append((words, *(f"{value:.4g}" for value in statistics[name].values())))
    lines = [f"{row[0]:24s}" + "".join(f"{cell:>9s}" for cell in row[1:]) for row in rows]
    area = statistics["box_area"]
    lines.append(
        f"box area as COCO parts it: {area['small']:.1%} small (under 32x32), {area['medium']:.1%} medium, "
        f"{area['large']:.1%} large (from 96x96)"
    )
    lines += ["", "class                     objects  pictures"]
    classes = sorted(statistics["instances_per_class"].items(), key=lambda item: -item[1])
    shown = classes if len(classes) <= widest + 6 else [*classes[:widest], None, *classes[-5:]]
    for item in shown:
        lines.append(
            "..."
            if item is None
            else f"{item[0][:24]:24s}{item[1]:>9d}{statistics['pictures_per_class'][item[0]]:>10d}"
        )
    anchors = statistics["anchors"]
    levels = list(anchors["recall"])
    lines += [
        "",
        f"{'anchors: box side':24s}{'objects':>9s}{'mean IoU':>10s}"
        + "".join(f"{f'IoU {level}':>9s}" for level in levels),
    ]
    for row in [*anchors["by_size"], None]:
        name = (
            "all" if row is None else f"{row['from']} to {row['to']}" if row["to"] else f"from {row['from']}"
        )
        row = row or {"objects": sum(part["objects"] for part in anchors["by_size"]), **anchors}
        lines.append(
            f"{name:24s}{row['objects']:>9d}{row['mean_best_iou']:>10.3f}"
            + "".join(f"{row['recall'][level]:>9.1%}" for level in levels)
        )
    return lines
