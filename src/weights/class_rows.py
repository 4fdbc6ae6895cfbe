"""The rows of the class layers: which classes they are for, and in which order."""

from __future__ import annotations

from typing import Dict, Mapping, Optional, Sequence, Tuple

import numpy as np

from ..config import COCO_CLASSES
from ..errors import CheckpointError
from .naming import NamingScheme
from .torchvision import COCO_IDS, COCO_ROWS

# Layers that have a row for each class (of box deltas: four rows).
CLASS_LAYERS = (
    "box_head.cls.weight",
    "box_head.cls.bias",
    "box_head.reg.weight",
    "box_head.reg.bias",
    "mask_head.logits_weight",
    "mask_head.logits_bias",
)


def move_background_first(arrays: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """Class rows of a project whose background is the last class, as rows with the background first.

    Args:
        arrays: {this project's name: array}. box_head.cls [K + 1, ...] has the background last;
            box_head.reg [4K, ...] and mask_head.logits [K, ...] have no rows for it.

    Returns:
        The same with the background first. Its boxes and masks get rows of zeros, which nothing reads.
    """
    result = dict(arrays)
    for leaf in ("weight", "bias"):
        scores = f"box_head.cls.{leaf}"
        if scores in arrays:
            result[scores] = np.roll(arrays[scores], 1, axis=0)
        for name, rows_per_class in ((f"box_head.reg.{leaf}", 4), (f"mask_head.logits_{leaf}", 1)):
            if name in arrays:
                array = arrays[name]
                zeros = np.zeros((rows_per_class, *array.shape[1:]), array.dtype)
                result[name] = np.concatenate([zeros, array])
    return result


def pick_classes(
    entries: Mapping[str, np.ndarray],
    scheme: NamingScheme,
    asked_names: Optional[Sequence[str]],
    names_in_file: Optional[Sequence[str]],
    path: str,
) -> Tuple[Dict[str, np.ndarray], Tuple[str, ...]]:
    """Decide the class names: those that the user wrote, else those of the file, else COCO's.

    Of torchvision's 91 rows, one for each of COCO's category ids, the 81 that are used are kept.

    Args:
        entries: {this project's name: array}.
        scheme: Whose weights they are.
        asked_names: `coco_classes`, if the user wrote names.
        names_in_file: The names that the file holds, if it does.
        path: The file, for messages.

    Returns:
        (entries with one row for each class, class names with "background" first).

    Raises:
        CheckpointError: if the number of names is not the number of rows.
    """
    if "box_head.cls.weight" not in entries:
        raise CheckpointError(f"{path}: has no class scores (box_head.cls.weight)")
    row_count = len(entries["box_head.cls.weight"])
    if asked_names is not None:
        names = asked_names
        whose = "coco_classes has"
    elif names_in_file is not None:
        names = names_in_file
        whose = "the names in the file are"
    else:
        names = COCO_CLASSES
        whose = "COCO has"
    if row_count == COCO_ROWS and scheme.name == "torchvision" and tuple(names) == COCO_CLASSES:
        return keep_class_rows(entries, COCO_IDS), COCO_CLASSES
    if len(names) != row_count:
        raise CheckpointError(
            f"{path}: {row_count} classes with the background, but {whose} {len(names)}; "
            'write coco_classes="[background, ...]" with the names of all after the file names'
        )
    return entries, tuple(names)


def keep_class_rows(entries: Mapping[str, np.ndarray], rows: Sequence[int]) -> Dict[str, np.ndarray]:
    """`entries` with only these rows of the class layers, in this order (box deltas: four for a class)."""
    rows = np.asarray(rows)
    row_count = len(entries["box_head.cls.weight"])
    result = dict(entries)
    for name in CLASS_LAYERS:
        rows_per_class = 4 if ".reg." in name else 1
        # an array of another length is left as it is: loading it reports the wrong shape
        if name in entries and len(entries[name]) == rows_per_class * row_count:
            index = rows[:, None] * rows_per_class + np.arange(rows_per_class)
            result[name] = entries[name][index.reshape(-1)]
    return result
