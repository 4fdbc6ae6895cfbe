"""The figures of an evaluation's kinds: printed, and with eval_details written."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterable, Optional, Union

from ...evaluation.coco_metrics import evaluate_inputs
from ...evaluation.coco_settings import CocoSettings
from ...evaluation.inputs import EvaluationInputs
from ...evaluation.matching.detail_files import write_details, write_match_table
from ...evaluation.matching.detail_lines import detail_lines
from ...evaluation.matching.details import evaluate_in_depth
from ...evaluation.matching.table import make_match_table
from ...report.report import Report


def evaluate_kinds(
    inputs: Iterable[EvaluationInputs],
    settings: CocoSettings,
    work_dir: Union[str, Path],
    with_details: bool = False,
    report: Optional[Report] = None,
) -> Dict[str, Any]:
    """Compute and print the figures of each kind.

    Args:
        inputs: of "bbox" and "segm", or of one of them.
        settings: IoU thresholds, numbers of detections, sizes of objects.
        work_dir: the folder for eval_details.json, detections_{kind}.csv and objects_{kind}.csv.
        with_details: whether to write these.
        report: each kind is added to it.

    Returns:
        {kind: figures of `evaluate_coco`}, without kinds that have no object.
    """
    metrics = {}
    details = {}
    written = []
    for of_kind in inputs:
        kind = of_kind.truth.kind
        figures = evaluate_inputs(of_kind, settings)
        if not figures:
            continue
        metrics[kind] = figures
        if not (with_details or report):
            continue
        table = make_match_table(of_kind, settings)
        in_depth = evaluate_in_depth(table)
        if with_details:
            details[kind] = in_depth.figures
            print("\n".join(detail_lines(kind, in_depth.figures)), flush=True)
            written += write_match_table(work_dir, table, in_depth.errors)
        if report:
            report.add_kind(of_kind, table, in_depth)
    if details:
        written.append(write_details(work_dir, details))
        print(f"wrote {', '.join(map(str, written))}", flush=True)
    return metrics
