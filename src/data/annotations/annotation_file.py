"""A split's annotation file: where it is, how it is read, and its bytes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Tuple, Union

from ...errors import ConfigError, DataError
from ..option_names import KEYS, OptionNames

AUTO = "auto"  # the class names are the file's own


@dataclass(frozen=True)
class AnnotationSettings:
    """What a reader takes of the settings.

    Attributes:
        format: "coco" (COCO JSON), "other" (txt) or another form's name, as the key `dataset` has it.
        path: of the annotation file, or of the folder of label files.
        folder: that the picture names in the file start from.
        class_names: names by label, from "background" on; or AUTO.
        num_classes: how many there are, with the background; None: as many as the file has.
        skip_pictures: whether pictures that cannot be used are left out. Without, they are fatal.
        class_use: what the classes are for, as in `match_class_names`.
        split: the split's name as the form's own files have it; None: all of `path`.
        embedded: folder into which pictures within label files are written.
        options: what messages tell the user to write.
    """

    format: str
    path: str
    folder: str
    class_names: Union[str, Tuple[str, ...]]
    num_classes: Optional[int]
    skip_pictures: bool
    class_use: str
    split: Optional[str] = None
    embedded: str = os.path.join("mindrecord", "embedded_pictures")
    options: OptionNames = KEYS


def check_number_of_classes(num_classes: Optional[int], found: int) -> None:
    """Raise ConfigError where the data's own class names, with AUTO, are not as many as were asked for.

    Args:
        num_classes: as of `AnnotationSettings`.
        found: how many names the data has, with the background.
    """
    if num_classes not in (None, found):
        raise ConfigError(
            f"num_classes={num_classes} contradicts coco_classes=auto, "
            f"which finds {found} names with the background: leave it out or change the other"
        )


def read_annotation_file(path: str | Path) -> bytes:
    """The bytes of an annotation file. Raises DataError with the path if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise DataError(f"annotation file {path}: {getattr(error, 'strerror', None) or error}") from None
