"""Pictures of what the network found, of the ground truth, and of the losses."""

from __future__ import annotations

import colorsys
import os
from pathlib import Path

import cv2
import numpy as np

from ...data.images.masks import paste_mask, segmentation_to_mask
from ...errors import DataError
from .progress import LOSS_NAMES, global_steps, read_loss_log

_SMALL_SIDE = (
    400  # pictures whose shorter side is below this are enlarged by a whole number, so that names can be read
)
_ALPHA = 0.45


def draw_detections(picture_rgb, detections, class_names, threshold=0.5, mask_threshold=0.5):
    """Detections over a picture: tinted masks with outlines, boxes, and names with scores; every instance in a colour of its own.

    picture_rgb: uint8 [H, W, 3]; detections: a mapping of `boxes` float [n, 4] (x1, y1, x2, y2 in the picture's pixels), `scores`
    float [n], `labels` int [n] from 1 and `masks` float [n, 28, 28] in the boxes' frames (None or absent: boxes only);
    class_names: names by label, "background" first; threshold: scores under it are not drawn; mask_threshold: probability from
    which a mask's pixel is set. Returns uint8 [kH, kW, 3] RGB; pictures with a side under 400 are enlarged k times.
    """
    scores = np.asarray(detections["scores"], np.float64).reshape(-1)
    order = [i for i in np.argsort(-scores, kind="stable") if scores[i] >= threshold]
    boxes = np.asarray(detections["boxes"], np.float64).reshape(-1, 4)
    probabilities = detections.get("masks")
    height, width = picture_rgb.shape[:2]
    masks = [
        None
        if probabilities is None
        else paste_mask(probabilities[i], boxes[i], height, width, mask_threshold)
        for i in order
    ]
    labels = np.asarray(detections["labels"]).reshape(-1)
    captions = [f"{class_names[int(labels[i])]} {scores[i]:.2f}" for i in order]
    return _overlay(picture_rgb, [boxes[i] for i in order], captions, masks)


def draw_ground_truth(picture_rgb, boxes, labels, class_names, segmentations=None, crowd=None):
    """Annotated objects over a picture, as `draw_detections` does it.

    boxes: float [n, 4] x1, y1, x2, y2 in pixels; labels: int [n] from 1; segmentations: None or a list of n COCO segmentations
    (polygons or RLE; None for an object without); crowd: None or bool [n], named "(crowd)". Returns uint8 [kH, kW, 3] RGB.
    """
    height, width = picture_rgb.shape[:2]
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    masks = [
        None if item is None or len(item) == 0 else segmentation_to_mask(item, height, width)
        for item in (segmentations if segmentations is not None else [None] * len(boxes))
    ]
    names = [
        class_names[int(label)] + (" (crowd)" if crowd is not None and crowd[i] else "")
        for i, label in enumerate(labels)
    ]
    return _overlay(picture_rgb, list(boxes), names, masks)


def side_by_side(pictures, titles=None, gap=8):
    """Pictures (uint8 [H, W, 3] each) in a row on white, titles above: uint8 [h, w, 3]. Lower ones are enlarged to the highest."""
    tallest = max(picture.shape[0] for picture in pictures)
    scaled = [
        picture
        if picture.shape[0] == tallest
        else cv2.resize(
            picture,
            (max(1, round(picture.shape[1] * tallest / picture.shape[0])), tallest),
            interpolation=cv2.INTER_CUBIC,
        )
        for picture in pictures
    ]
    head = 30 if titles else 0
    sheet = np.full(
        (tallest + head + 2 * gap, sum(picture.shape[1] + gap for picture in scaled) + gap, 3), 255, np.uint8
    )
    left = gap
    for number, picture in enumerate(scaled):
        sheet[head + gap : head + gap + tallest, left : left + picture.shape[1]] = picture
        if titles:
            at = (left, head - 4 + gap // 2)
            cv2.putText(
                sheet,
                _plain(titles[number]),
                at,
                cv2.FONT_HERSHEY_SIMPLEX,
                0.65,
                (30, 30, 30),
                1,
                cv2.LINE_AA,
            )
        left += picture.shape[1] + gap
    return sheet


def save_png(path, array):
    """Write a uint8 [H, W, 3] RGB or [H, W] grey picture as PNG, making its folder; a DataError says why it cannot be written."""
    path = Path(path)
    written, data = cv2.imencode(".png", array[:, :, ::-1] if array.ndim == 3 else array)
    if not written:
        raise DataError(f"{path}: a picture of shape {array.shape} cannot be written as PNG")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}; choose a folder that can be written") from None


def plot_losses(loss_log_path, png_path):
    """Draw the curves of a loss_{rank}.log as PNG: the parts of the loss and their total by step, thin as logged and thick smoothed.

    Raises DataError for a log that cannot be read or holds no line.
    """
    rows = read_loss_log(loss_log_path)
    if not rows:
        raise DataError(f"loss log {loss_log_path}: holds no line yet")
    steps = global_steps(rows)
    figure, axes = _figure()
    for name in (name for name in LOSS_NAMES if name not in ("rpn_loss", "rcnn_loss")):
        values = np.array([row[name] for row in rows])
        colour = "black" if name == "total_loss" else None
        (line,) = axes.plot(
            steps,
            smooth(values),
            linewidth=2,
            label=name,
            color=colour,
            marker="o" if len(rows) == 1 else None,
        )
        axes.plot(steps, values, linewidth=0.6, alpha=0.25, color=line.get_color())
    totals = np.array([row["total_loss"] for row in rows])
    axes.set(xlabel="step", ylabel="loss", title=f"{Path(loss_log_path).name}: {len(rows)} logged steps")
    if np.isfinite(totals).any():
        axes.set_ylim(0, 1.05 * float(np.percentile(totals[np.isfinite(totals)], 99.5)) + 1e-6)
    _save_figure(figure, axes, png_path)


def plot_precision(rows, png_path):
    """Draw AP by step as PNG: AP (solid) and AP50 (dashed) of masks and boxes, for the weights and for their average.

    rows: as metrics.jsonl holds evaluations: {"step": int, "evaluated": "weights" or "average", "bbox": {"AP": ..., "AP50": ...}, "segm": ...}.
    """
    figure, axes = _figure()
    for what in dict.fromkeys(row["evaluated"] for row in rows):
        for kind in ("segm", "bbox"):
            found = [
                (row["step"], row[kind]["AP"], row[kind]["AP50"])
                for row in rows
                if row["evaluated"] == what and kind in row
            ]
            if found:
                steps, ap, ap50 = zip(*found)
                name = kind if what == "weights" else f"{kind}, average of the weights"
                (line,) = axes.plot(steps, ap, marker="o", markersize=3, label=f"{name}: AP")
                axes.plot(
                    steps,
                    ap50,
                    "--",
                    marker=".",
                    markersize=3,
                    alpha=0.6,
                    color=line.get_color(),
                    label=f"{name}: AP50",
                )
    best = max(rows, key=lambda row: row.get("segm", row.get("bbox"))["AP"])
    axes.set(
        xlabel="step",
        ylabel="AP",
        ylim=(0, 1),
        title=f"{len(rows)} evaluations, best AP {best.get('segm', best.get('bbox'))['AP']:.3f} at step {best['step']}",
    )
    _save_figure(figure, axes, png_path)


def _figure():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _save_figure(figure, axes, png_path):
    axes.grid(alpha=0.3)
    axes.legend()
    path = Path(png_path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path.with_name(f".{path.name}.partial"), format="png")
        os.replace(path.with_name(f".{path.name}.partial"), path)
    except OSError as error:
        raise DataError(
            f"{png_path}: {error.strerror or error}; choose a folder that can be written"
        ) from None


def smooth(values):
    """float [n]: a centred running mean over a twentieth of the curve's length, cut off at its ends; NaN and infinity are left out."""
    values = np.asarray(values, np.float64)
    finite = np.isfinite(values)
    total, count = (np.concatenate([[0], np.cumsum(item)]) for item in (np.where(finite, values, 0), finite))
    places, half = np.arange(len(values)), len(values) // 40
    low, high = np.maximum(places - half, 0), np.minimum(places + half + 1, len(values))
    with np.errstate(invalid="ignore"):
        return (total[high] - total[low]) / (count[high] - count[low])


def instance_colours(count):
    """`count` RGB tuples of 0..255, neighbours in the list far apart in hue (steps of the golden angle)."""
    tones = (
        (0.75, 1.0),
        (0.5, 1.0),
        (0.9, 0.92),
    )  # saturation and value, both high enough to be seen on dark pictures
    return [
        tuple(round(255 * part) for part in colorsys.hsv_to_rgb((0.02 + i * 0.381966) % 1, *tones[i % 3]))
        for i in range(count)
    ]


def _overlay(picture, boxes, captions, masks):
    height, width = picture.shape[:2]
    factor = -(-_SMALL_SIDE // min(height, width))
    size = (width * factor, height * factor)
    canvas = (
        cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
        if factor > 1
        else np.ascontiguousarray(picture).copy()
    )
    colours = instance_colours(len(boxes))
    thick = max(1, round(min(size) / 300))
    for colour, mask in zip(colours[::-1], masks[::-1]):  # the best ones on top
        if mask is None or not mask.any():
            continue
        large = _enlarge(mask, factor)
        inside = large.astype(bool)
        canvas[inside] = np.round(canvas[inside] * (1 - _ALPHA) + np.array(colour) * _ALPHA).astype(np.uint8)
        contours, _ = cv2.findContours(large, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        cv2.drawContours(canvas, contours, -1, colour, thick, cv2.LINE_AA)
    for colour, box in zip(colours[::-1], boxes[::-1]):
        corners = np.round(np.asarray(box) * factor).astype(int)
        cv2.rectangle(
            canvas, tuple(map(int, corners[:2])), tuple(map(int, corners[2:])), colour, thick, cv2.LINE_AA
        )
    taken = []
    for colour, box, caption in zip(colours, boxes, captions):
        taken.append(_write_caption(canvas, caption, np.asarray(box) * factor, colour, taken))
    return canvas


def _enlarge(mask, factor):
    """uint8 0/1 [kH, kW] of a mask [H, W], its stairs smoothed away."""
    if factor == 1:
        return mask.astype(np.uint8)
    large = cv2.resize(mask.astype(np.float32), None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    return (cv2.GaussianBlur(large, (0, 0), 0.7 * factor) >= 0.5).astype(np.uint8)


def _write_caption(canvas, caption, box, colour, taken):
    """Put a caption above its box, else inside, below or anywhere under it where no caption is yet; returns where it stands."""
    height, width = canvas.shape[:2]
    scale = float(np.clip(min(height, width) / 1000, 0.45, 0.9))
    (wide, high), base = cv2.getTextSize(_plain(caption), cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    wide, tall = wide + 6, high + base + 3
    left = int(np.clip(box[0], 0, max(0, width - wide)))
    wished = [box[1] - tall, box[1], box[3], *np.arange(box[1] + tall, height - tall, tall)]
    tops = [int(np.clip(top, 0, max(0, height - tall))) for top in wished]
    free = [
        top
        for top in tops
        if all(left + wide <= x1 or x2 <= left or top + tall <= y1 or y2 <= top for x1, y1, x2, y2 in taken)
    ]
    top = free[0] if free else tops[0]
    cv2.rectangle(canvas, (left, top), (left + wide, top + tall), colour, -1)
    ink = (0, 0, 0) if np.dot(colour, (0.299, 0.587, 0.114)) > 110 else (255, 255, 255)
    cv2.putText(
        canvas,
        _plain(caption),
        (left + 3, top + high + 2),
        cv2.FONT_HERSHEY_SIMPLEX,
        scale,
        ink,
        1,
        cv2.LINE_AA,
    )
    return left, top, left + wide, top + tall


def _plain(text):
    """OpenCV's fonts hold ASCII only."""
    return text.encode("ascii", "replace").decode()
