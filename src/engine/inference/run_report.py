"""report.html: what a run has left in its files, and what an evaluation finds."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

from ...data.annotations.mending.picture_names import leads_out
from ...data.annotations.records import DataSource
from ...errors import DataError
from ...evaluation.coco_settings import CocoSettings
from ...evaluation.inputs import read_inputs
from ...evaluation.matching.details import evaluate_in_depth
from ...evaluation.matching.table import make_match_table
from ...log import logger
from ...report.report import Report, ReportSettings
from ..display.loss_lines import global_steps, read_loss_log
from ..display.metrics_file import read_metrics

_KINDS = ("bbox", "segm")


def start_report(
    settings: ReportSettings, source: Optional[DataSource], work_dir: Union[str, Path]
) -> Report:
    """A report that takes the kinds of an evaluation.

    The curves of the training come from the work folder, or from the folder of what is evaluated, or from the
    one above it, which is that of a checkpoint's run.

    Args:
        settings: of the report.
        source: the evaluated data; None where nothing is evaluated.
        work_dir: the folder for the report.
    """
    folders = [Path(work_dir)]
    if settings.evaluated:
        folders += list(Path(settings.evaluated).absolute().parents)[:2]
    if source is not None:
        source = with_paths(source, settings.picture_folder)
    try:
        rows, file = training_rows(folders)
    except DataError as error:  # the figures of the evaluation do not depend on it
        logger.warning("the report has no curves of the training: %s", error)
        rows, file = [], ""
    return Report(settings, source, rows, file)


def training_rows(folders: Iterable[Path]) -> Tuple[List[Dict[str, Any]], str]:
    """The lines of the first metrics.jsonl or loss_0.log of some folders, and its path; ([], "") without one.

    Those of loss_0.log have a "step" and losses, no rates and no evaluations.

    Raises:
        DataError: the file cannot be read.
    """
    for folder in folders:
        path = folder / "metrics.jsonl"
        if path.exists():
            return read_metrics(path), str(path)
        path = folder / "loss_0.log"
        if path.exists():
            rows = read_loss_log(path)
            return [{**row, "step": step} for row, step in zip(rows, global_steps(rows))], str(path)
    return [], ""


def report_of_files(
    settings: ReportSettings,
    figures: CocoSettings,
    source: Optional[DataSource],
    evaluated: Path,
    work_dir: Path,
) -> Path:
    """Write the report of a run from its files; returns its path.

    Args:
        settings: of the report.
        figures: how COCO's figures are computed.
        source: the evaluated data; None where nothing was evaluated.
        evaluated: the folder of metrics.json and the results files.
        work_dir: the folder of the run.

    Raises:
        DataError: a file cannot be read or written.
    """
    report = start_report(settings, source, work_dir)
    metrics = {}
    path = evaluated / "metrics.json"
    if source is not None and path.exists():
        try:
            metrics = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: {error}") from None
        metrics = {kind: metrics[kind] for kind in _KINDS if kind in metrics}
    for kind in metrics:
        inputs = read_inputs(source, str(evaluated / f"results_{kind}.json"), kind)
        table = make_match_table(inputs, figures)
        report.add_kind(inputs, table, evaluate_in_depth(table))
    return report.write(work_dir, metrics)


def with_paths(source: DataSource, folder: str) -> DataSource:
    """Data that was read without its pictures has names alone: with their paths, where they may be."""
    if source.folder:
        return source
    records = [
        dataclasses.replace(record, path="" if leads_out(record.path) else os.path.join(folder, record.path))
        for record in source.records
    ]
    return dataclasses.replace(source, folder=folder, records=records)
