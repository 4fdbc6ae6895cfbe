"""The reader of the txt format (dataset=other). The format of a row is described in `txt_rows.py`."""

from __future__ import annotations

import hashlib
from typing import Optional

import numpy as np

from ...config import Config
from ...errors import ConfigError
from ..findings import Findings
from .mending.encodings import decode_text
from .object_checks import checked_records
from .records import DataSource
from .source_paths import read_annotation_file, txt_annotation_path
from .txt_rows import BLANK, RowCollector


def read_txt(
    config: Config, split: str = "train", anno_path: Optional[str] = None, findings: Optional[Findings] = None
) -> DataSource:
    """Read a txt file: boxes, and masks if every box has polygons.

    A picture's image id is its line number, from 1. Its size is read from the picture. Labels are the file's
    classes. Their names are those of `coco_classes`; with coco_classes=auto they are class_1, class_2, ...

    Args:
        config: the configuration.
        split: "train" or "val": which file of the configuration.
        anno_path: read this file instead.
        findings: Findings to fill; nothing is logged then. If it collects, reading goes on after a fatal one.

    Raises:
        DataError: a row cannot be read (the message has the file and the line).
        ConfigError: ANNO_PATH or IMAGE_DIR is not set.
    """
    path = str(anno_path or txt_annotation_path(config, split))
    if not config.IMAGE_DIR:
        raise ConfigError("dataset=other needs IMAGE_DIR: write IMAGE_DIR=PATH")
    should_log = findings is None
    if findings is None:
        findings = Findings(path, skip_pictures=config.bad_pictures == "skip")
    data = read_annotation_file(path)
    lines = _numbered_lines(data, findings)
    is_auto = config.coco_classes == "auto"
    max_label = None if is_auto and "num_classes" not in config.written else config.num_classes - 1
    rows = RowCollector(config.IMAGE_DIR, max_label, findings)
    for number, line in lines:
        rows.add(number, line)
    if not rows.pictures:
        findings.fail("file_form", "", "no rows (path x1,y1,x2,y2,class ... expected)")
    records, has_masks = checked_records(rows.objects(), rows.pictures, findings)
    if is_auto:
        count = max_label or max(rows.labels, default=1)
        names = ("background", *(f"class_{label}" for label in range(1, count + 1)))
    else:
        names = tuple(config.coco_classes)
    source = DataSource(
        annotation_file=path,
        folder=str(config.IMAGE_DIR),
        records=records,
        class_names=names,
        category_ids=tuple(range(len(names))),
        has_masks=has_masks,
        has_annotations=True,
        digest=hashlib.sha256(data).hexdigest(),
        left_out=[picture.image_id for picture in rows.pictures if not picture.width],
    )
    if should_log:
        source.notes = findings.log_summary()
    return source


def _numbered_lines(data, findings):
    """[(line number, text)] of the lines that are not blank."""
    text = decode_text(data, findings)
    # not splitlines(), which counts lines differently from editors
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip(BLANK)]
    windows_lines = np.array([number for number, line in lines if line.endswith("\r")], np.int64)
    findings.add_rows("windows_line_ends", windows_lines, lambda number: (f"line {number}", None, None, ""))
    return lines
