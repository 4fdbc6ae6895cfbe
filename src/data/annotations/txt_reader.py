"""The reader of the txt format (dataset=other). The format of a row is described in `txt_rows.py`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import List, Optional

import numpy as np

from ...errors import DataError
from ..findings import Findings
from .annotation_file import AUTO, AnnotationSettings, read_annotation_file
from .mending.encodings import decode_text
from .object_checks import checked_records
from .records import DataSource
from .txt_rows import BLANK, RowCollector


def read_txt(settings: AnnotationSettings, findings: Optional[Findings] = None) -> DataSource:
    """Read a txt file: boxes, and masks if every box has polygons.

    A picture's image id is its line number, from 1. Its size is read from the picture. Labels are the file's
    classes. Their names are the settings'; with AUTO those of classes.txt beside the file, a name a line, or
    without such a file class_1, class_2, ...

    Args:
        settings: the file, the pictures' folder, and the classes.
        findings: Findings to fill; nothing is logged then. If it collects, reading goes on after a fatal one.

    Raises:
        DataError: a row cannot be read (the message has the file and the line).
    """
    path = str(settings.path)
    should_log = findings is None
    if findings is None:
        findings = Findings(path, skip_pictures=settings.skip_pictures, options=settings.options)
    data = read_annotation_file(path)
    lines = _numbered_lines(data, findings)
    listed = _listed_names(path) if settings.class_names == AUTO else None
    max_label = None if settings.num_classes is None else settings.num_classes - 1
    if listed and max_label is None:
        max_label = len(listed)
    rows = RowCollector(settings.folder, max_label, findings)
    for number, line in lines:
        rows.add(number, line)
    if not rows.pictures:
        findings.fail("file_form", "", "no rows (path x1,y1,x2,y2,class ... expected)")
    records, has_masks = checked_records(rows.objects(), rows.pictures, findings)
    if listed:
        names = ("background", *listed)
    elif settings.class_names == AUTO:
        count = max_label or max(rows.labels, default=1)
        names = ("background", *(f"class_{label}" for label in range(1, count + 1)))
    else:
        names = tuple(settings.class_names)
    source = DataSource(
        annotation_file=path,
        folder=str(settings.folder),
        records=records,
        class_names=names,
        category_ids=tuple(range(len(names))),
        has_masks=has_masks,
        has_annotations=True,
        digest=hashlib.sha256(data).hexdigest(),
        annotation_bytes=len(data),
        left_out=[picture.image_id for picture in rows.pictures if not picture.width],
    )
    if should_log:
        source.notes = findings.log_summary()
    return source


def _listed_names(path: str) -> Optional[List[str]]:
    """The names in classes.txt beside an annotation file; None where there is none.

    Raises:
        DataError: it cannot be read, or has a name twice.
    """
    file = Path(path).with_name("classes.txt")
    if not file.is_file():
        return None
    text = decode_text(read_annotation_file(file), Findings(str(file)))
    names = [line.strip() for line in text.split("\n") if line.strip()]
    if len(set(names)) != len(names) or "background" in names:
        raise DataError(f"{file}: a name is there twice, or is background; one line for each class expected")
    return names


def _numbered_lines(data, findings):
    """[(line number, text)] of the lines that are not blank."""
    text = decode_text(data, findings)
    # not splitlines(), which counts lines differently from editors
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip(BLANK)]
    windows_lines = np.array([number for number, line in lines if line.endswith("\r")], np.int64)
    findings.add_rows("windows_line_ends", windows_lines, lambda number: (f"line {number}", None, None, ""))
    return lines
