"""The check of a whole data set: annotations, pictures, and what training would leave out.

`check_data.py` and every conversion run it.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional

import numpy as np

from ...errors import ConfigError, DataError, one_line
from ...log import logger
from ..annotations.annotation_file import AUTO, AnnotationSettings, check_number_of_classes
from ..annotations.records import DataSource, TrainingSelection
from ..finding_kinds import ACTIONS, CAUSES_OF_MISSING_OBJECTS, FATAL, KINDS, SKIPPED
from ..findings import Findings
from ..images.canvas import CanvasSettings, resized_size
from ..sources.read import read_annotations
from .picture_files import check_pictures

_MANY_CROWDS = 20  # fewer may be meant, whatever their share
_CROWD_SHARE = 0.25


@dataclass(frozen=True)
class CheckSettings:
    """What a check takes of the settings.

    Attributes:
        annotations: the annotation file.
        split: "train" or "val". Only of "train" the needs of training are checked.
        mode: "full", "quick" or "off", as the key `check_data` has it: what is checked of the pictures.
        threads: that check pictures.
        selection: what training takes of the data.
        canvas: that pictures have to fit.
    """

    annotations: AnnotationSettings
    split: str
    mode: str
    threads: int
    selection: TrainingSelection
    canvas: CanvasSettings


@dataclass
class DataCheck:
    """What a check found.

    Attributes:
        settings: of the check.
        findings: everything that was found.
        source: the data without pictures that cannot be used. None if the annotation file could not be read.
        mode: what was checked of the pictures, as of `CheckSettings`.
        statistics: see `data_statistics`; None until the caller sets them.
    """

    settings: CheckSettings
    findings: Findings
    source: Optional[DataSource]
    mode: str
    statistics: Optional[Dict[str, Any]] = None

    @property
    def exit_code(self) -> int:
        """2 with anything fatal, 1 where something is left out, else 0."""
        return self.findings.exit_code

    def as_json(self) -> Dict[str, Any]:
        """The content of data_report.json."""
        return {
            "annotation_file": self.findings.annotation_file,
            "check_data": self.mode,
            "exit_code": self.exit_code,
            "counts": {action: self.findings.count(action) for action in ACTIONS},
            "usable": None if self.source is None else _usable_counts(self.source),
            **self.findings.as_json(),
            "statistics": self.statistics,
        }

    def save(self, path: str | Path) -> None:
        """Write data_report.json. Raises DataError if it cannot be written."""
        path = Path(path)
        partial = path.with_name(path.name + ".new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(self.as_json(), indent=1), encoding="utf-8")
            os.replace(partial, path)
        except OSError as error:
            reason = error.strerror or error
            raise DataError(f"{path}: {reason}; choose a folder that can be written") from None

    def first_fatal(self) -> Optional[str]:
        """The message of the first fatal finding, with how many more there are; None without one."""
        findings = self.findings
        kind = next((kind for kind in findings.counts if findings.action(kind) == FATAL), None)
        if kind is None:
            return None
        message = findings.message(findings.listed[kind][0])
        others = findings.count(FATAL) - 1
        return message + (f" (and {others} more fatal)" if others else "")


def _usable_counts(source):
    return {
        "pictures": len(source.records),
        "objects": int(sum((~record.crowd).sum() for record in source.records)),
        "crowds": int(sum(record.crowd.sum() for record in source.records)),
        "classes": len(source.class_names) - 1,
        "masks": source.has_masks,
    }


def check_data(
    settings: CheckSettings, mode: Optional[str] = None, limit: int = 10_000, quiet: bool = False
) -> DataCheck:
    """Check a split; nothing is changed and nothing is logged.

    Args:
        settings: what is checked.
        mode: "full", "quick" or "off", instead of the settings' mode.
        limit: how many findings of a kind are listed; all are counted.
        quiet: show no progress bar.

    Raises:
        ConfigError: settings contradict the data.
    """
    mode = mode or settings.mode
    annotations = settings.annotations
    findings = Findings(
        str(annotations.path), collect=True, limit=limit, skip_pictures=annotations.skip_pictures
    )
    try:
        source = read_annotations(annotations, findings)
    except DataError as error:
        if not findings.count(FATAL):
            reason = str(error).split(f"{findings.annotation_file}: ", 1)[-1]
            findings.add("file_unreadable", "", detail=reason)
        return DataCheck(settings, findings, None, mode)
    if annotations.class_names == AUTO:
        check_number_of_classes(annotations.num_classes, len(source.class_names))
    if mode != "off":
        unusable = check_pictures(
            source.records,
            findings,
            annotations.folder,
            decode=mode == "full",
            threads=settings.threads,
            quiet=quiet,
        )
        source.leave_out(unusable)
    if settings.split == "train":
        _check_for_training(settings.selection, source, findings)
    _check_canvas(settings.canvas, source, findings)
    return DataCheck(settings, findings, source, mode)


def _check_for_training(selection, source, findings):
    """Find what training leaves out, and what makes it impossible."""
    usable = 0
    objects_missing = any(kind in findings.counts for kind in CAUSES_OF_MISSING_OBJECTS)
    for record in source.records:
        num_crowds = int(record.crowd.sum())
        num_objects = len(record.crowd) - num_crowds
        usable += num_objects > 0 or selection.keep_empty
        if objects_missing:
            continue
        if num_objects == 0 and not selection.keep_empty:
            kind = "crowd_only" if num_crowds else "empty_picture"
            findings.add(kind, record.location, record.image_id)
        elif num_objects > selection.max_instance_count:
            findings.add("too_many", record.location, record.image_id, detail=f"{num_objects} objects")
    crowds = sum(int(record.crowd.sum()) for record in source.records)
    objects = sum(len(record.crowd) for record in source.records)
    if crowds >= _MANY_CROWDS and crowds >= _CROWD_SHARE * objects:
        findings.add("many_crowds", "", detail=f"{crowds} of {objects}")
    if not source.has_annotations:
        findings.add("nothing", "", detail="no 'annotations'; training needs them")
    elif not usable and not findings.count(FATAL):
        findings.add("nothing", "", detail="no picture with an object to learn from")


def _check_canvas(canvas, source, findings):
    """Find sizes of pictures that cannot be placed on the canvas."""
    sizes = [(record.height, record.width) for record in source.records]
    for height, width in np.unique(np.array(sizes, np.int64).reshape(-1, 2), axis=0).tolist():
        try:
            resized_size(height, width, canvas)
        except ConfigError as error:
            findings.add("canvas", "", detail=str(error))


def checked_source(
    settings: CheckSettings, report: str | Path | None = None, quiet: bool = False
) -> DataSource:
    """A split's data, checked as the settings say. Each kind of finding is logged.

    Args:
        settings: what is checked.
        report: path of data_report.json, which is written if anything was found; None: it is not written.
        quiet: log nothing and show no progress bar.

    Raises:
        DataError: something is fatal; the message is the first such finding's.
    """
    check = check_data(settings, quiet=quiet)
    findings = check.findings
    if not findings.counts:
        return check.source
    if report is not None:
        check.save(report)
    fatal = check.first_fatal()
    # a single fatal finding is the error's message, and need not be logged too
    if not quiet and not (fatal and len(findings.counts) == 1):
        for line in findings.summary():
            logger.warning(line)
    if not fatal:
        return check.source
    if findings.count(FATAL) > 1:
        fatal += (
            f"; the whole report: {report}"
            if report
            else f"; check_data.py --split {settings.split} lists all"
        )
    raise DataError(fatal)


def report_text(check: DataCheck, examples: int = 3) -> List[str]:
    """The report in lines for users: a paragraph with examples for each kind, the most serious first."""
    findings = check.findings
    lines = []
    for action in ACTIONS:
        for kind, count in findings.counts.items():
            if findings.action(kind) != action:
                continue
            lines.append(f"{action:8s}{count:>8d} x {KINDS[kind].text}")
            lines += [_example_line(finding) for finding in findings.listed[kind][:examples]]
            if count > examples:
                lines.append(f"{'':19s}... and {count - examples} more")
    if not lines:
        lines.append("no findings")
    return [*lines, _verdict(findings)]


def _example_line(finding):
    line = f"{'':19s}{finding.location or 'the file'}"
    if finding.image_id is not None:
        line += f", image {finding.image_id}"
    if finding.annotation_id is not None:
        line += f", annotation {finding.annotation_id}"
    if finding.detail:
        line += f": {finding.detail}"
    return one_line(line)


def _verdict(findings):
    """The last line of the report: whether training would start."""
    if findings.exit_code == 2:
        return f"something is fatal ({_counted(findings.count(FATAL))}); training would not start"
    if findings.exit_code == 1:
        return f"something is left out ({_counted(findings.count(SKIPPED))}); training would go on"
    return "nothing stands in the way of training"


def _counted(count):
    return f"{count} finding{'s' * (count != 1)}"
