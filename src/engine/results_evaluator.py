"""Evaluation of a results file that was made elsewhere, without a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Union

from ..data.annotations.records import DataSource
from ..errors import DataError
from ..evaluation.coco_settings import CocoSettings
from ..evaluation.ground_truth import plain_id, read_annotations_alone
from ..evaluation.inputs import EvaluationInputs, read_inputs
from ..evaluation.result_files import write_evaluated_data, write_metrics
from ..evaluation.result_rows import VALUE_KEYS, load_results
from ..log import logger
from ..report.report import ReportSettings
from .inference.figures import evaluate_kinds
from .inference.run_report import start_report
from .output_folder import prepare_output_folder


def evaluate_results(
    results: Union[str, Path],
    annotations: Union[str, DataSource],
    work_dir: Union[str, Path],
    settings: CocoSettings,
    with_details: bool = False,
    report_settings: Optional[ReportSettings] = None,
    only_common: bool = False,
    picture_folder: str = "",
) -> Dict[str, Any]:
    """Evaluate the boxes and masks of a results file in COCO's format; writes metrics.json.

    Args:
        results: the file: a list of rows with image_id, category_id, score, and bbox or segmentation or both.
        annotations: the ground truth: a COCO file, whose pictures are not needed, or a DataSource.
        work_dir: the folder for what is written.
        settings: IoU thresholds, numbers of detections, sizes of objects.
        with_details: as of `evaluate_kinds`.
        report_settings: of report.html; None: it is not written.
        only_common: whether rows of classes that the annotations do not have are left out; else they are an
            error.
        picture_folder: where the pictures are, for who looks at them later; "" where that is not known.

    Returns:
        {"bbox": {...}, "segm": {...}}, the kinds that the file has.

    Raises:
        DataError: the file cannot be read; a row is malformed, or of a picture, size or class that the
            annotations do not have; or there is nothing to evaluate with.
    """
    results = str(results)
    prepare_output_folder(work_dir, "--work-dir")
    rows = load_results(results)
    kinds = _kinds(results, rows)
    source = annotations
    if not isinstance(annotations, DataSource):
        source = read_annotations_alone(annotations)
    inputs: List[EvaluationInputs] = []
    for kind in reversed(kinds):  # masks first: they tell which pictures are turned
        of_kind, source = checked_inputs(annotations, source, rows, kind, results, only_common)
        inputs.insert(0, of_kind)
    results_of_kinds = {kind: os.path.abspath(results) for kind in kinds}
    write_evaluated_data(work_dir, source, picture_folder or source.folder, results_of_kinds)
    report = None if report_settings is None else start_report(report_settings, source, work_dir)
    metrics = evaluate_kinds(inputs, settings, work_dir, with_details, report)
    if metrics:
        counts = {"pictures": len(source.records), "pictures_left_out": len(source.left_out)}
        print(f"wrote {write_metrics(work_dir, {**metrics, **counts})}", flush=True)
    if report is not None:
        print(f"wrote {report.write(work_dir, metrics)}", flush=True)
    return metrics


def _kinds(name: str, rows: Any) -> List[str]:
    """The kinds that rows hold. Where it is none, "bbox": reading the rows says what is missing."""
    if not isinstance(rows, list):
        raise DataError(f"{name}: a list of COCO result rows expected")
    if not rows:
        raise DataError(f"{name}: an empty list; there is no detection to evaluate")
    kinds = [
        kind for kind, key in VALUE_KEYS.items() if any(isinstance(row, dict) and key in row for row in rows)
    ]
    return kinds or ["bbox"]


def checked_inputs(
    annotations: Union[str, DataSource],
    source: DataSource,
    rows: List[dict],
    kind: str,
    name: str,
    only_common: bool = False,
) -> Tuple[EvaluationInputs, DataSource]:
    """The inputs of one kind from the rows of a results file, checked as `evaluate_results` says.

    Args:
        annotations: the ground truth as `evaluate_results` takes it.
        source: the same, read.
        rows: the content of the file.
        kind: "bbox" or "segm".
        name: of the file, for messages.
        only_common: as of `evaluate_results`.

    Returns:
        (the inputs, their ground truth: `source`, or where masks show that pictures are turned, the same
        with the sizes of these pictures as they are displayed)
    """
    inputs = read_inputs(source, rows, kind, file=name)
    _check_classes(inputs, name, only_common)
    # Data whose pictures were read have the sizes as they are displayed.
    may_be_turned = not isinstance(annotations, DataSource)
    if kind == "segm" and _has_turned_masks(inputs, name, may_be_turned):
        # a picture that EXIF turns: its masks are as it is displayed, its entry as it is stored
        sizes = {record.image_id: (record.height, record.width) for record in source.records}
        sizes.update({plain_id(row["image_id"]): tuple(row["segmentation"]["size"]) for row in rows})
        source = read_annotations_alone(annotations, sizes)
        inputs = read_inputs(source, rows, kind, file=name)
    return inputs, source


def _check_classes(inputs: EvaluationInputs, name: str, only_common: bool) -> None:
    """Rows of classes that the annotations do not have are an error; with `only_common` they are counted."""
    left_out = len(inputs.rows) - len(inputs.detections)
    if left_out == 0:
        return
    classes = inputs.truth.classes
    number, row = next(
        (number, row) for number, row in enumerate(inputs.rows) if plain_id(row["category_id"]) not in classes
    )
    which = (
        f"category_id {row['category_id']} is not in {inputs.truth.name}, "
        f"whose {len(classes)} classes have the ids {min(classes)} to {max(classes)}"
    )
    if not only_common:
        raise DataError(
            f"{name}, row {number}: {which}; evaluate the classes of both with eval_classes=common"
        )
    if not inputs.detections:
        raise DataError(f"{name}: no row is of a class of {inputs.truth.name}; row {number}: {which}")
    logger.warning(
        "%s: %d of %d rows are of classes that %s does not have, and are left out (row %d: category_id %s)",
        name,
        left_out,
        len(inputs.rows),
        inputs.truth.name,
        number,
        row["category_id"],
    )


def _has_turned_masks(inputs: EvaluationInputs, name: str, may_be_turned: bool) -> bool:
    """Whether masks have the sides of their picture in the other order. Another size is an error."""
    is_turned = False
    for number, row in enumerate(inputs.rows):
        size = tuple(row["segmentation"]["size"])
        expected = inputs.truth.sizes[plain_id(row["image_id"])]
        if size == expected:
            continue
        if size != expected[::-1] or not may_be_turned:
            raise DataError(
                f"{name}, row {number}: a mask of {size[0]}x{size[1]} pixels (height x width), but image "
                f"{row['image_id']} of {inputs.truth.name} has {expected[0]}x{expected[1]}"
            )
        is_turned = True
    return is_turned
