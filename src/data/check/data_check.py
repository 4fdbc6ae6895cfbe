"""The check of a whole data set: annotations, pictures, and what training would leave out. `check_data.py` and every conversion run it."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional

import numpy as np

from ...errors import ConfigError, DataError
from ..annotations.records import DataSource
from ..annotations.sources import read_source, resolve_classes, source_file, source_folder
from ..findings import ACTIONS, FATAL, KINDS, SKIPPED, Findings, one_line
from ..images.picture_checks import check_pictures
from ..images.placement import resized_size

logger = logging.getLogger("maskrcnn.data")


@dataclass
class DataCheck:
    """What a check found; source: the data without the pictures that cannot be used, None where the annotation file could not be read."""

    config: Any
    findings: Findings
    source: Optional[DataSource]
    mode: str
    statistics: Optional[Dict[str, Any]] = None

    @property
    def exit_code(self):
        return self.findings.exit_code

    def as_json(self):
        """The content of data_report.json."""
        source = self.source
        counts = (
            None
            if source is None
            else {
                "pictures": len(source.records),
                "objects": int(sum((~record.crowd).sum() for record in source.records)),
                "crowds": int(sum(record.crowd.sum() for record in source.records)),
                "classes": len(source.class_names) - 1,
                "masks": source.has_masks,
            }
        )
        return {
            "annotation_file": self.findings.name,
            "check_data": self.mode,
            "exit_code": self.exit_code,
            "counts": {action: self.findings.count(action) for action in ACTIONS},
            "usable": counts,
            **self.findings.as_json(),
            "statistics": self.statistics,
        }

    def save(self, path):
        """Write data_report.json; a DataError says why that is not possible."""
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(path.name + ".new").write_text(
                json.dumps(self.as_json(), indent=1), encoding="utf-8"
            )
            os.replace(path.with_name(path.name + ".new"), path)
        except OSError as error:
            raise DataError(
                f"{path}: {error.strerror or error}; choose a folder that can be written"
            ) from None

    def first_fatal(self):
        """The sentence of the first fatal finding, with how many more there are; None without one."""
        kind = next((kind for kind in self.findings.counts if self.findings.action(kind) == FATAL), None)
        if kind is None:
            return None
        more = self.findings.count(FATAL) - 1
        return self.findings.sentence(self.findings.found[kind][0]) + (
            f" (and {more} more like it or as bad)" if more else ""
        )


def check_data(config, split="train", mode=None, limit=10_000, quiet=False):
    """The DataCheck of a split ("train" or "val"); nothing is changed and nothing is logged.

    mode: check_data's value by default; limit: findings of a kind that are listed (all are counted). Raises ConfigError for settings that
    contradict the data.
    """
    mode = mode or config.check_data
    findings = Findings(
        str(source_file(config, split)),
        collect=True,
        limit=limit,
        skip_pictures=config.bad_pictures == "skip",
    )
    try:
        source = read_source(config, split, findings)
    except DataError as error:
        if not findings.count(FATAL):
            findings.add("file_unreadable", "", detail=str(error).split(f"{findings.name}: ", 1)[-1])
        return DataCheck(config, findings, None, mode)
    resolve_classes(config, source)
    if mode != "off":
        unusable = check_pictures(
            source.records,
            findings,
            source_folder(config, split),
            decode=mode == "full",
            threads=config.num_parallel_workers,
            quiet=quiet,
        )
        source.records = [record for record in source.records if record.image_id not in unusable]
    if split == "train":
        _check_training(config, source, findings)
    return DataCheck(config, findings, source, mode)


def _check_training(config, source, findings):
    """What training leaves out, and what it cannot do without."""
    count = 0
    for record in source.records:
        objects, crowds = int((~record.crowd).sum()), int(record.crowd.sum())
        count += objects > 0 or config.keep_empty
        if objects == 0 and not config.keep_empty:
            findings.add("crowd_only" if crowds else "empty_picture", record.place, record.image_id)
        elif objects > config.max_instance_count:
            findings.add("too_many", record.place, record.image_id, detail=f"{objects} objects")
    if not source.has_annotations:
        findings.add("nothing", "", detail="no 'annotations'; training needs them")
    elif not count and not findings.count(FATAL):
        findings.add("nothing", "", detail="no picture with an object to learn from")
    sizes = np.unique(
        np.array([(record.height, record.width) for record in source.records], np.int64).reshape(-1, 2),
        axis=0,
    )
    for height, width in sizes.tolist():
        try:
            resized_size(height, width, config)
        except ConfigError as error:
            findings.add("canvas", "", detail=str(error))


def checked_source(config, report, quiet=False):
    """The DataSource that a conversion takes, checked as `check_data` says; a line a kind of finding is logged.

    report: the path of data_report.json, which is written where there is anything to report. Raises DataError with the first fatal finding.
    """
    check = check_data(config, quiet=quiet)
    if not check.findings.counts:
        return check.source
    check.save(report)
    fatal = check.first_fatal()
    kinds = [kind for kind in check.findings.counts if check.findings.action(kind) == FATAL]
    if not quiet:
        # where one line says all there is, it is the error's
        for line in check.findings.lines(None if len(check.findings.counts) > 1 or not fatal else ()):
            logger.warning(line)
    if fatal:
        raise DataError(
            f"{fatal}; the whole report: {report}"
            if sum(check.findings.counts[kind] for kind in kinds) > 1
            else fatal
        )
    return check.source


def report_text(check, examples=3):
    """The report as lines for a person: a paragraph a kind, the worst first, with the first few places."""
    findings, lines = check.findings, []
    for action in ACTIONS:
        for kind in (kind for kind in findings.counts if findings.action(kind) == action):
            lines.append(f"{action:8s}{findings.counts[kind]:>8d} x {KINDS[kind][1]}")
            for one in findings.found[kind][:examples]:
                ids = (("image", one.image_id), ("annotation", one.annotation_id))
                named = "".join(f", {name} {value}" for name, value in ids if value is not None)
                lines.append(
                    one_line(
                        f"{'':19s}{one.place or 'the file'}{named}{': ' + one.detail if one.detail else ''}"
                    )
                )
            if findings.counts[kind] > examples:
                lines.append(f"{'':19s}... and {findings.counts[kind] - examples} more")
    skipped, fatal = (
        f"{count} finding{'s' * (count != 1)}" for count in (findings.count(SKIPPED), findings.count(FATAL))
    )
    verdict = {
        0: "nothing stands in the way of training",
        1: f"something is left out ({skipped}); training would go on",
        2: f"something is fatal ({fatal}); training would not start",
    }[check.exit_code]
    return [*(lines or ["no findings"]), verdict]
