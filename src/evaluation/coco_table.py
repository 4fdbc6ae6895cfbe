"""COCO's figures as lines for users: the table, AP by class, and why a figure says nothing."""

from __future__ import annotations

from collections import Counter
from typing import Any, List, Mapping, Sequence

from ..errors import one_line
from .coco_settings import CocoSettings
from .ground_truth import GroundTruth, plain_id

_AREA_NAMES = {"s": "small", "m": "medium", "l": "large"}
_SHOWN = 5  # names in a line


def figure_lines(figures: Mapping[str, float], settings: CocoSettings) -> List[str]:
    """A line for each figure, as the COCO API prints them."""
    thresholds = settings.iou_thresholds
    of_all = f"{thresholds[0]:0.2f}:{thresholds[-1]:0.2f}"
    lines = []
    for name, figure in figures.items():
        area = _AREA_NAMES.get(name[2:], "all")
        iou = of_all
        max_dets = settings.max_dets[-1]
        if name in ("AP50", "AP75"):
            iou = f"{int(name[2:]) / 100:0.2f}"
        if name.startswith("AR") and name[2:].isdigit():
            max_dets = int(name[2:])
        title = " Average Precision  (AP)" if name.startswith("AP") else " Average Recall     (AR)"
        lines.append(f"{title} @[ IoU={iou:<9} | area={area:>6s} | maxDets={max_dets:>3d} ] = {figure:0.3f}")
    return lines


def class_table_lines(kind: str, figures: Mapping[str, float], columns: int = 4) -> List[str]:
    """AP by class, in columns."""
    cells = [
        f"{one_line(name)[:20]:<20} {'-' if figure < 0 else f'{figure:.3f}':>6}"
        for name, figure in figures.items()
    ]
    row_count = -(-len(cells) // columns)
    lines = [f"{kind} AP by class ('-': no such object in the ground truth):"]
    return lines + [" " + "   ".join(cells[row::row_count]) for row in range(row_count)]


def figure_notes(
    truth: GroundTruth,
    rows: Sequence[dict],
    image_ids: Sequence[int],
    category_ids: Sequence[int],
    figures: Mapping[str, float],
    settings: CocoSettings,
) -> List[str]:
    """A line for each thing that a reader of the figures has to know.

    Args:
        truth: the ground truth.
        rows: the result rows.
        image_ids, category_ids: what is evaluated.
        figures: what came out.
        settings: what it was computed with.
    """
    pictures = set(image_ids)
    classes = set(category_ids)
    objects = [
        item for item in truth.annotations if item["image_id"] in pictures and item["category_id"] in classes
    ]
    counted = [item for item in objects if not item["iscrowd"]]
    detections = [
        row
        for row in rows
        if plain_id(row["image_id"]) in pictures and plain_id(row["category_id"]) in classes
    ]
    notes = []
    if truth.without_mask:
        notes.append(f"{truth.without_mask} crowds without a mask are left out")
    notes += _no_object_notes(objects, counted, figures, settings)
    notes += _class_notes(truth, counted, category_ids)
    if counted:
        notes += _zero_notes(detections, counted, figures, settings)
    notes += _max_dets_notes(counted, detections, settings)
    return [f"{truth.kind}: {note}" for note in notes]


def _no_object_notes(objects, counted, figures, settings) -> List[str]:
    """Why figures are -1."""
    if not counted:
        if not objects:
            return ["every figure is -1: the evaluated pictures and classes have no object"]
        return [f"every figure is -1: all {len(objects)} objects are crowds (iscrowd=1), which do not count"]
    low, high = settings.area_limits
    sizes = {
        "s": f"below {low:g} square pixels",
        "m": f"of {low:g} to {high:g} square pixels",
        "l": f"above {high:g} square pixels",
    }
    return [
        f"AP{letter} and AR{letter} are -1: no object {size} in the ground truth"
        for letter, size in sizes.items()
        if figures[f"AP{letter}"] == -1
    ]


def _class_notes(truth, counted, category_ids) -> List[str]:
    with_objects = {item["category_id"] for item in counted}
    names = [truth.classes[number] for number in category_ids if number not in with_objects]
    if not names or not with_objects:
        return []
    return [f"classes without an object in the ground truth, which AP leaves out: {_list_of(names)}"]


def _zero_notes(detections, counted, figures, settings) -> List[str]:
    """Why AP is 0."""
    if figures["AP"] != 0:
        return []
    if not detections:
        return ["AP is 0: there is no detection of these classes (test_score_thr drops those below it)"]
    annotated = {(item["image_id"], item["category_id"]) for item in counted}
    if not any((plain_id(row["image_id"]), plain_id(row["category_id"])) in annotated for row in detections):
        return [
            f"AP is 0: none of the {len(detections)} detections has the class of an object in its picture"
        ]
    lowest = settings.iou_thresholds[0]
    return [f"AP is 0: none of the {len(detections)} detections overlaps its object by an IoU of {lowest:g}"]


def _max_dets_notes(counted, detections, settings) -> List[str]:
    """What the limit of detections a picture and class hides."""
    limit = settings.max_dets[-1]
    notes = []
    if limit != 100:
        notes.append(f"computed with {limit} detections a picture and class; COCO's own figures have 100")
    objects = Counter(item["image_id"] for item in counted)
    crowded = sum(number > limit for number in objects.values())
    if crowded:
        image_id, most = objects.most_common(1)[0]
        notes.append(
            f"{_counted(crowded, 'picture')} with more than {limit} objects (the most: {most}, image "
            f"{image_id}), of which {limit} detections cannot find all; test_max_per_img={most} allows more"
        )
    found = Counter((plain_id(row["image_id"]), plain_id(row["category_id"])) for row in detections)
    cut = sum(number > limit for number in found.values())
    if cut:
        notes.append(
            f"{_counted(cut, 'picture')} with more than {limit} detections of a class: the best {limit} count"
        )
    return notes


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


def _list_of(names: Sequence[Any]) -> str:
    shown = ", ".join(map(one_line, names[:_SHOWN]))
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
