"""COCO's figures, with the reasons for those that say nothing.

The figures are defined by Lin et al., "Microsoft COCO", 2014, and https://cocodataset.org/#detection-eval.
Result rows and ground truth are matched by image id and category id only: pictures may come in any order.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterable, Optional, Sequence, Union

import numpy as np

from ..data.annotations.records import DataSource
from .coco_engine import CocoArrays, coco_arrays, installed_engine
from .coco_settings import CocoSettings
from .coco_table import class_table_lines, figure_lines, figure_notes
from .ground_truth import GroundTruth
from .inputs import EvaluationInputs, read_inputs

COCO = CocoSettings()
METRIC_NAMES = COCO.names


def evaluate_coco(
    ground_truth: Union[str, Path, dict, DataSource],
    results: Union[str, Path, Sequence[dict]],
    kind: str,
    image_ids: Optional[Iterable[Any]] = None,
    category_ids: Optional[Iterable[Any]] = None,
    settings: CocoSettings = COCO,
) -> Dict[str, Any]:
    """Compute COCO's figures and print them as the COCO API does, with a table of AP by class.

    Args:
        ground_truth: a DataSource; or the path of a COCO JSON file, or its content as a dict, which are read
            as training reads them (without their pictures).
        results: result rows (see `detections_to_results`), or the path of a JSON file with a list of them.
        kind: "bbox" or "segm".
        image_ids: evaluate on these pictures of the file only. Rows of its other pictures do not count.
        category_ids: evaluate on these categories only. Rows of other categories do not count.
        settings: IoU thresholds, numbers of detections, sizes of objects.

    Returns:
        {"AP": ..., "AP50": ..., ... (`settings.names`), "per_class": {class name: AP}}. Figures are from 0 to
        1, or -1 where the ground truth has no such object; then a line says why. {} if the ground truth has
        no object, as the file of a test set; then one line says so.

    Raises:
        DataError: for files that cannot be used, and for results of pictures that the file does not have.
    """
    return evaluate_inputs(read_inputs(ground_truth, results, kind, image_ids, category_ids), settings)


def evaluate_inputs(inputs: EvaluationInputs, settings: CocoSettings = COCO) -> Dict[str, Any]:
    """`evaluate_coco` of inputs that have been read."""
    truth = inputs.truth
    if not truth.annotations:
        print(f"{truth.kind}: no figures for {truth.name}: {_why_nothing(truth)}", flush=True)
        return {}
    arrays = coco_arrays(inputs, settings, installed_engine())
    figures = figures_of(arrays, settings)
    per_class = dict(zip(class_labels(truth, inputs.category_ids), _class_figures(arrays)))
    print(f"{truth.kind}, {len(inputs.image_ids)} pictures:")
    lines = figure_lines(figures, settings)
    lines += figure_notes(truth, inputs.rows, inputs.image_ids, inputs.category_ids, figures, settings)
    lines += class_table_lines(truth.kind, per_class)
    print("\n".join(lines), flush=True)
    return {**figures, "per_class": per_class}


def _why_nothing(truth: GroundTruth) -> str:
    if truth.without_mask:
        return f"none of its {truth.without_mask} objects has a mask"
    if truth.has_annotations:
        return "it has no usable object"
    return "it has no annotations (a test set?)"


def figures_of(arrays: CocoArrays, settings: CocoSettings) -> Dict[str, float]:
    """{name: figure}, for `settings.names`; pycocotools' own `summarize` knows COCO's settings only."""
    precision = arrays.precision
    recall = arrays.recall
    figures = {"AP": _mean(precision[:, :, :, 0, -1])}
    for threshold in (0.5, 0.75):
        if settings.has_threshold(threshold):
            position = int(np.isclose(settings.iou_thresholds, threshold).argmax())
            figures[f"AP{round(100 * threshold)}"] = _mean(precision[position, :, :, 0, -1])
    for area, letter in enumerate("sml", 1):
        figures[f"AP{letter}"] = _mean(precision[:, :, :, area, -1])
    for position, number in enumerate(settings.max_dets):
        figures[f"AR{number}"] = _mean(recall[:, :, 0, position])
    for area, letter in enumerate("sml", 1):
        figures[f"AR{letter}"] = _mean(recall[:, :, area, -1])
    return figures


def _mean(values: np.ndarray) -> float:
    """The mean of the values that are not -1; -1 without any."""
    values = values[values > -1]
    return float(values.mean()) if values.size else -1.0


def _class_figures(arrays: CocoArrays) -> Sequence[float]:
    """AP by category."""
    return [_mean(arrays.precision[:, :, position, 0, -1]) for position in range(arrays.precision.shape[2])]


def class_labels(truth: GroundTruth, category_ids: Sequence[Any]) -> Sequence[str]:
    """The names of categories. Of a repeated name the ids are added to it."""
    repeated = {name for name, count in Counter(truth.classes.values()).items() if count > 1}
    labels = []
    for category_id in category_ids:
        name = truth.classes[category_id]
        labels.append(f"{name} ({category_id})" if name in repeated else name)
    return labels
