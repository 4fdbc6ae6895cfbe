"""Which pictures belong to what a reader clicks: cells of tables, label mistakes, best and worst."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Sequence

import numpy as np

from ..evaluation.matching.confusion import BACKGROUND, ConfusionMatrix
from ..evaluation.matching.table import MatchTable

NAMED = 40  # pictures of a list that are named, whether they are shown or not
_WORST = 12
_BEST = 6
_WHOLE_LISTS = ("worst", "best", "gains", "losses")
_OF_A_CELL = 3
_OF_MISTAKES = 8


class PictureList(NamedTuple):
    """Pictures behind a button.

    Attributes:
        title: what they have in common.
        images: positions in `MatchTable.image_ids`, the most telling first, at most NAMED.
        total: how many there are.
    """

    title: str
    images: Sequence[int]
    total: int


def ranked_images(images: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The images, each once, by the falling weight of their heaviest entry."""
    ordered = images[np.argsort(-weight, kind="stable")]
    _, first = np.unique(ordered, return_index=True)
    return ordered[np.sort(first)]


def _entries(table: MatchTable, confusion: ConfusionMatrix):
    """(image, weight) of each entry of a confusion matrix: a detection's score, a missed object's area."""
    detections = table.detections
    objects = table.objects
    is_detection = confusion.detection >= 0
    image = np.zeros(len(is_detection), np.int64)
    weight = np.zeros(len(is_detection))
    image[is_detection] = detections.image[confusion.detection[is_detection]]
    weight[is_detection] = detections.score[confusion.detection[is_detection]]
    image[~is_detection] = objects.image[confusion.object[~is_detection]]
    weight[~is_detection] = objects.area[confusion.object[~is_detection]]
    return image, weight


def confusion_lists(
    table: MatchTable, confusion: ConfusionMatrix, shown: Sequence[int]
) -> Dict[str, PictureList]:
    """{"{kind}-cell-{row}-{column}": pictures} for the cells of the shown classes that count something."""
    image, weight = _entries(table, confusion)
    names = [*table.class_names, BACKGROUND]
    group = confusion.true_class * len(names) + confusion.predicted_class
    lists = {}
    is_shown = set(shown)
    for value, chosen in _groups(group):
        row, column = divmod(value, len(names))
        if row not in is_shown or column not in is_shown:
            continue
        images = ranked_images(image[chosen], weight[chosen])
        title = f"{table.kind}: {_cell_title(names[row], names[column], row, column, len(names) - 1)}"
        lists[f"{table.kind}-cell-{row}-{column}"] = PictureList(title, images[:NAMED].tolist(), len(images))
    return lists


def _cell_title(true: str, predicted: str, row: int, column: int, background: int) -> str:
    if row == column:
        return f"“{true}”, found"
    if column == background:
        return f"“{true}”, missed"
    if row == background:
        return f"“{predicted}” found where no object is"
    return f"“{true}”, taken for “{predicted}”"


def _groups(values: np.ndarray):
    """(value, positions) of equal values."""
    order = np.argsort(values, kind="stable")
    unique, first = np.unique(values[order], return_index=True)
    return zip(unique.tolist(), np.split(order, first[1:]))


class SizeCounts(NamedTuple):
    """Errors by class and size.

    Attributes:
        missed, false: int64 [K, 3], objects without a true detection, and false detections, of at least the
            score of the confusion matrix. A size is small, medium or large.
        objects: int64 [K, 3].
        sizes: their names.
        lists: {"{kind}-{missed or false}-{class}-{size}": pictures}.
    """

    missed: np.ndarray
    false: np.ndarray
    objects: np.ndarray
    sizes: Sequence[str]
    lists: Mapping[str, PictureList]


def errors_by_size(table: MatchTable, confusion: ConfusionMatrix) -> SizeCounts:
    """Missed objects and false detections by class and size (that of the object, or of the detection)."""
    ranges = list(table.settings.area_ranges.items())[1:]
    sizes = [name for name, _ in ranges]
    limits = np.array([limit for _, (_, limit) in ranges[:-1]])
    is_error = confusion.true_class != confusion.predicted_class
    lists: Dict[str, PictureList] = {}
    counts = []
    parts = (
        ("missed", table.objects, confusion.object[is_error & (confusion.object >= 0)], table.objects.area),
        (
            "false",
            table.detections,
            confusion.detection[is_error & (confusion.detection >= 0)],
            table.detections.score,
        ),
    )
    classes = len(table.class_names)
    for name, columns, chosen, weight in parts:
        group = columns.category[chosen] * len(sizes) + np.searchsorted(limits, columns.area[chosen])
        counts.append(np.bincount(group, minlength=classes * len(sizes)).reshape(classes, len(sizes)))
        for value, positions in _groups(group):
            category, size = divmod(value, len(sizes))
            own = chosen[positions]
            images = ranked_images(columns.image[own], weight[own])
            title = f"{table.kind}: “{table.class_names[category]}”, {sizes[size]}, {name}"
            key = f"{table.kind}-{name}-{category}-{size}"
            lists[key] = PictureList(title, images[:NAMED].tolist(), len(images))
    counted = ~table.object_ignored[0]
    group = table.objects.category[counted] * len(sizes) + np.searchsorted(
        limits, table.objects.area[counted]
    )
    objects = np.bincount(group, minlength=classes * len(sizes)).reshape(classes, len(sizes))
    return SizeCounts(counts[0], counts[1], objects, sizes, lists)


class PictureScores(NamedTuple):
    """F1 of each picture, int64 or float64 [pictures].

    Attributes:
        f1: 2 TP / (2 TP + FP + FN); 0 where there is nothing to count.
        true: true positives.
        errors: false positives and misses.
    """

    f1: np.ndarray
    true: np.ndarray
    errors: np.ndarray


def picture_scores(table: MatchTable, confusion: ConfusionMatrix) -> PictureScores:
    """F1 of each picture with detections of at least the score of the confusion matrix."""
    image, _ = _entries(table, confusion)
    size = len(table.image_ids)
    is_true = confusion.true_class == confusion.predicted_class
    true = np.bincount(image[is_true], minlength=size)
    false = np.bincount(image[~is_true & (confusion.detection >= 0)], minlength=size)
    missed = np.bincount(image[~is_true & (confusion.object >= 0)], minlength=size)
    errors = false + missed
    return PictureScores(2 * true / np.maximum(2 * true + errors, 1), true, errors)


def best_and_worst(table: MatchTable, confusion: ConfusionMatrix) -> Dict[str, PictureList]:
    """{"worst": pictures, "best": pictures} by F1 of a picture.

    Of equal ones, more errors are worse, and more objects are better. Pictures without objects and detections
    are in neither, and no picture is in both.
    """
    f1, true, errors = picture_scores(table, confusion)
    shown = np.flatnonzero(true + errors)
    order = shown[np.lexsort((-true[shown], -errors[shown], f1[shown]))]
    worst = [i for i in order.tolist() if f1[i] < 1][:_WORST]
    order = shown[np.lexsort((-true[shown], -f1[shown]))]
    best = [i for i in order.tolist() if f1[i] > 0 and i not in worst][:_BEST]
    return {
        "worst": PictureList("the worst pictures (lowest F1)", worst, len(worst)),
        "best": PictureList("the best pictures (highest F1)", best, len(best)),
    }


def mistake_keys(table: MatchTable, mistakes: Mapping[str, List[Dict[str, Any]]]) -> Dict[Any, str]:
    """{image id: "{kind}-mistake-{position}"} of the first entries of the lists of suspected mistakes."""
    positions = {image_id: position for position, image_id in enumerate(table.image_ids)}
    keys = {}
    for name in ("without_object", "never_found", "other_class"):
        for entry in mistakes[name][:_OF_MISTAKES]:
            keys[entry["image_id"]] = f"{table.kind}-mistake-{positions[entry['image_id']]}"
    return keys


def mistake_lists(keys: Mapping[Any, str], names: Mapping[Any, str]) -> Dict[str, PictureList]:
    """{key: its picture} of `mistake_keys`; names: {image id: name of the picture}."""
    return {
        key: PictureList(f"{names[image_id]}, for a suspected label mistake", [int(key.rsplit("-", 1)[1])], 1)
        for image_id, key in keys.items()
    }


def embedded_images(lists: Mapping[str, PictureList], most: int) -> List[int]:
    """The pictures that a page shows, in the order of their weight: the lists of whole pages (worst, best; of
    a comparison those that differ), suspected mistakes, then the first ones of every list in turns.

    Args:
        lists: by key.
        most: how many pictures.
    """
    chosen: Dict[int, None] = {}
    for key in _WHOLE_LISTS:
        if key in lists:
            chosen.update(dict.fromkeys(lists[key].images))
    for key, entry in lists.items():
        if "-mistake-" in key:
            chosen.update(dict.fromkeys(entry.images))
    rest = [entry for key, entry in lists.items() if key not in _WHOLE_LISTS and "-mistake-" not in key]
    rest.sort(key=lambda entry: -entry.total)
    for place in range(_OF_A_CELL):
        for entry in rest:
            if len(chosen) >= most:
                return list(chosen)[:most]
            if place < len(entry.images):
                chosen[entry.images[place]] = None
    return list(chosen)[:most]
