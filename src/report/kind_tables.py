"""Tables of one kind whose cells lead to pictures: confusion, missed and false objects, label mistakes."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Sequence

import numpy as np

from ..evaluation.matching.confusion import ConfusionMatrix
from .markup import Column, Markup, captioned, details, element, join, note, number, table
from .picture_lists import SizeCounts

MOST_CLASSES = 80  # in a confusion matrix
_MOST_MISTAKES = 30

_MISTAKES = {
    "without_object": (
        "Detections that overlap nothing that is annotated",
        "a missing annotation?",
        ("class", "score"),
    ),
    "never_found": (
        "Objects that no detection reaches, of any class and score",
        "a wrong annotation?",
        ("class", "area", "best_iou"),
    ),
    "other_class": (
        "Objects with a detection of another class in their place",
        "a wrong class?",
        ("class", "predicted", "score"),
    ),
}
_MISTAKE_COLUMNS = {
    "picture": Column("picture", False),
    "class": Column("class", False),
    "predicted": Column("found as", False),
    "score": Column("score"),
    "area": Column("area", digits=0),
    "best_iou": Column("best IoU"),
    "box": Column("box: x, y, w, h", False),
}


def list_button(key: str, content: Any, label: str, style: Optional[str] = None) -> Markup:
    """A button that shows the pictures of a list."""
    return element(
        "button", content, type="button", class_="to-pictures", data_list=key, aria_label=label, style=style
    )


def confusion_table(names: Sequence[str], kind: str, confusion: ConfusionMatrix) -> Markup:
    """The confusion matrix; each number is a button for its pictures.

    Args:
        names: of the classes, the background last.
        kind: "bbox" or "segm".
        confusion: the matrix.
    """
    matrix = confusion.matrix
    shown = shown_classes(matrix)
    largest = np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    heads = [element("th", "object ＼ found", scope="col", class_="corner")]
    heads += [element("th", element("span", names[i]), scope="col") for i in shown]
    rows = []
    for row in shown:
        cells = [element("th", names[row], scope="row")]
        for column in shown:
            count = int(matrix[row, column])
            cells.append(_confusion_cell(kind, names, row, column, count, count / largest[row, 0]))
        rows.append(element("tr", *cells))
    caption = (
        f"Confusion matrix with the detections of at least {confusion.score:.3f}. Row: the object's class, "
        "column: that of the detection. A click on a number shows its pictures."
    )
    head = element("thead", element("tr", *heads))
    content = element(
        "table", head, element("tbody", *rows), class_="confusion", aria_label="Confusion matrix"
    )
    remark = ""
    if len(shown) < len(matrix):
        remark = note(
            f"The matrix has {len(matrix) - 1} classes. These {MOST_CLASSES} have the most errors. "
            "eval_details.json (eval_details=True) has all of them."
        )
    return join([captioned(content, caption), remark])


def _confusion_cell(kind, names, row, column, count, share) -> Markup:
    if not count:
        return element("td", "·", class_="empty")
    label = f"{count}: object {names[row]}, found {names[column]}"
    style = f"--share:{share:.2f}"
    button = list_button(f"{kind}-cell-{row}-{column}", count, label, style)
    return element("td", button, class_="right" if row == column else "wrong")


def shown_classes(matrix: np.ndarray) -> List[int]:
    """The classes whose rows and columns of a confusion matrix are shown, by position, the background last.

    They are all of them, or the MOST_CLASSES with the most errors.
    """
    classes = len(matrix) - 1
    if classes <= MOST_CLASSES:
        return list(range(classes + 1))
    errors = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * matrix.diagonal()
    chosen = np.sort(np.argsort(-errors[:-1], kind="stable")[:MOST_CLASSES])
    return [*chosen.tolist(), classes]


def size_table(names: Sequence[str], kind: str, counts: SizeCounts) -> Markup:
    """Missed objects and false detections by class and size; each number is a button for its pictures."""
    columns = [Column("class", False)]
    for size in counts.sizes:
        columns += [Column(f"{size}: objects"), Column("missed"), Column("false")]
    rows = []
    for category in range(len(counts.missed)):
        if not (counts.objects[category].any() or counts.false[category].any()):
            continue
        row: List[Any] = [names[category]]
        for size, size_name in enumerate(counts.sizes):
            row.append(int(counts.objects[category, size]))
            for what, values in (("missed", counts.missed), ("false", counts.false)):
                count = int(values[category, size])
                label = f"{count} {what}: {names[category]}, {size_name}"
                row.append(list_button(f"{kind}-{what}-{category}-{size}", count, label) if count else 0)
        rows.append(row)
    caption = "Missed and false objects by class and size. A click on a number shows its pictures."
    return table(columns, rows, caption)


def mistake_tables(figures: Mapping[str, Any], keys: Mapping[Any, str], names: Mapping[Any, str]) -> Markup:
    """Suspected label mistakes, the most suspicious first.

    Args:
        figures: the kind's `detailed_figures`.
        keys: {image id: key of its list}, of the pictures that a button leads to.
        names: {image id: name of the picture}.
    """
    mistakes = figures["label_mistakes"]
    parts = []
    for key, (title, question, fields) in _MISTAKES.items():
        entries = mistakes[key][:_MOST_MISTAKES]
        if not entries:
            continue
        columns = [_MISTAKE_COLUMNS[field] for field in ("picture", *fields, "box")]
        rows = [_mistake_row(entry, fields, keys, names) for entry in entries]
        caption = f"{title}: {question}"
        parts.append(
            details(f"{caption} ({len(mistakes[key])})", table(columns, rows, caption), opened=not parts)
        )
    swapped = mistakes["swapped_classes"][:_MOST_MISTAKES]
    if swapped:
        columns = [Column("class", False), Column("other class", False), Column("first as second")]
        rows = [(*entry["classes"], entry["first_as_second"], entry["second_as_first"]) for entry in swapped]
        caption = "Pairs of classes of which one is taken for the other"
        parts.append(details(caption, table([*columns, Column("second as first")], rows, caption)))
    return join(parts) if parts else note("None is suspected.")


def _mistake_row(entry, fields, keys, names) -> List[Any]:
    image_id = entry["image_id"]
    name = names[image_id]
    picture = name
    if image_id in keys:
        picture = list_button(keys[image_id], name, f"show picture {name}")
    box = element("span", ", ".join(number(float(value), 0) for value in entry["bbox"]), class_="whole")
    return [picture, *(entry[field] for field in fields), box]
