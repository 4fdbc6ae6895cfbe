"""The names of what is written: each picture and each video has its own."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Dict, Sequence, Union

from .inputs import is_video

_MOST_BYTES = 200  # of a name; file systems take 255


def drawing_paths(paths: Sequence[Union[str, Path]], out: Union[str, Path]) -> Dict[Path, Path]:
    """{picture: drawing} with a drawing of its own for each picture.

    A drawing is OUT/NAME.png, that of a video OUT/NAME.mp4. Where that is another picture's drawing already,
    or one of the pictures themselves, it is NAME_2.png, NAME_3.png ... A picture that is given twice is there
    once. Of a very long NAME the end is left out.
    """
    pictures = {}
    for path in paths:
        pictures.setdefault(os.path.abspath(path), Path(path))
    taken = {_comparable(os.path.realpath(path)) for path in pictures}
    numbers: Dict[str, int] = {}
    drawings = {}
    for path in pictures.values():
        suffix = ".mp4" if is_video(path) else ".png"
        stem = _short_enough(path.stem)
        drawing = Path(out) / f"{stem}{suffix}"
        first = _comparable(str(drawing))
        number = numbers.get(first, 1)  # the names before are taken: 10,000 of one name are no trouble
        if number > 1:
            drawing = drawing.with_name(f"{stem}_{number}{suffix}")
        while _comparable(os.path.realpath(drawing)) in taken:
            number += 1
            drawing = drawing.with_name(f"{stem}_{number}{suffix}")
        numbers[first] = number
        taken.add(_comparable(os.path.realpath(drawing)))
        drawings[path] = drawing
    return drawings


def _short_enough(stem: str) -> str:
    """The begin of a name, so that those that are made of it (NAME_frames.json ...) can be written."""
    while len(os.fsencode(stem)) > _MOST_BYTES:
        stem = stem[:-1]
    return stem


def _comparable(path: str) -> str:
    """Equal for names that a file system may take for one: in other case, or composed otherwise."""
    return unicodedata.normalize("NFC", path).casefold()
