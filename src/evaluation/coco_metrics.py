"""COCO's figures, computed by pycocotools, with the reasons for those that say nothing.

The figures are defined by Lin et al., "Microsoft COCO", 2014, and https://cocodataset.org/#detection-eval.
Result rows and ground truth are matched by image id and category id only: pictures may come in any order.
"""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence, Union

import numpy as np
from pycocotools import coco
from pycocotools import mask as mask_api
from pycocotools.cocoeval import COCOeval

from ..data.annotations.records import DataSource
from ..errors import DataError
from .coco_settings import CocoSettings
from .coco_table import class_table_lines, figure_lines, figure_notes
from .ground_truth import GroundTruth, make_ground_truth, plain_id, read_annotations_alone
from .result_rows import read_result_rows

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
    rows = read_result_rows(results, kind)
    if not isinstance(ground_truth, DataSource):
        sizes = None
        if kind == "segm":
            sizes = {plain_id(row["image_id"]): tuple(row["segmentation"]["size"]) for row in rows}
        ground_truth = read_annotations_alone(ground_truth, sizes)
    truth = make_ground_truth(ground_truth, kind)
    images = _selected_ids(truth, truth.sizes, image_ids, "image")
    categories = _selected_ids(truth, truth.classes, category_ids, "category")
    if not truth.annotations:
        print(f"{kind}: no figures for {truth.name}: {_why_nothing(truth)}", flush=True)
        return {}
    evaluator = _run_coco_eval(truth, rows, images, categories, settings)
    figures = _figures(evaluator, settings)
    per_class = _class_figures(truth, evaluator)
    print(f"{kind}, {len(images)} pictures:")
    lines = figure_lines(figures, settings)
    lines += figure_notes(truth, rows, images, categories, figures, settings)
    lines += class_table_lines(kind, per_class)
    print("\n".join(lines), flush=True)
    return {**figures, "per_class": per_class}


def _why_nothing(truth: GroundTruth) -> str:
    if truth.without_mask:
        return f"none of its {truth.without_mask} objects has a mask"
    if truth.has_annotations:
        return "it has no usable object"
    return "it has no annotations (a test set?)"


def _selected_ids(truth, known, ids, what) -> List[int]:
    """The wanted ids of `known`, by rising number; all of them if `ids` is None."""
    if ids is None:
        return sorted(known)
    wanted = {plain_id(value) for value in ids}
    missing = wanted - set(known)
    if missing:
        raise _not_in_ground_truth(truth, f"{what} id {sorted(map(str, missing))[0]}")
    return sorted(wanted)


def _not_in_ground_truth(truth, what):
    return DataError(
        f"{truth.name}: {what} is not in it; evaluate with the annotations that the pictures belong to"
    )


def _run_coco_eval(truth, rows, image_ids, category_ids, settings: CocoSettings) -> COCOeval:
    """pycocotools' COCOeval after its computation."""
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports its progress
        coco_truth = _coco(truth, truth.annotations)
        coco_results = _coco(truth, _rows_as_annotations(truth, rows))
        evaluator = COCOeval(coco_truth, coco_results, truth.kind)
        evaluator.params.imgIds = image_ids
        evaluator.params.catIds = category_ids
        evaluator.params.iouThrs = np.array(settings.iou_thresholds)
        evaluator.params.maxDets = list(settings.max_dets)
        evaluator.params.areaRng = [list(limits) for limits in settings.area_ranges.values()]
        evaluator.params.areaRngLbl = list(settings.area_ranges)
        evaluator.evaluate()
        evaluator.accumulate()
    return evaluator


def _rows_as_annotations(truth, rows) -> List[dict]:
    """Result rows as annotations for pycocotools: with ids, and an area in pixels."""
    annotations = []
    for row in rows:
        image_id = plain_id(row["image_id"])
        category_id = plain_id(row["category_id"])
        if image_id not in truth.sizes:
            raise _not_in_ground_truth(truth, f"image id {row['image_id']} of the results")
        if category_id not in truth.classes:  # the network may know more classes than the file
            continue
        annotation = {
            "id": len(annotations) + 1,
            "image_id": image_id,
            "category_id": category_id,
            "score": float(row["score"]),
        }
        if truth.kind == "bbox":
            annotation["bbox"] = row["bbox"]
            annotation["area"] = row["bbox"][2] * row["bbox"][3]
        else:
            annotation["segmentation"] = row["segmentation"]
            annotation["area"] = float(mask_api.area(row["segmentation"]))
        annotations.append(annotation)
    return annotations


def _coco(truth: GroundTruth, annotations: List[dict]) -> coco.COCO:
    """pycocotools' index of these annotations."""
    index = coco.COCO()
    index.dataset = {
        "images": [
            {"id": image_id, "height": height, "width": width}
            for image_id, (height, width) in truth.sizes.items()
        ],
        "categories": [{"id": number, "name": name} for number, name in truth.classes.items()],
        "annotations": annotations,
    }
    index.createIndex()
    return index


def _figures(evaluator: COCOeval, settings: CocoSettings) -> Dict[str, float]:
    """{name: figure}, for `settings.names`; pycocotools' own `summarize` knows COCO's settings only."""
    # precision [IoU threshold, recall, category, area range, max_dets], recall without its second axis;
    # -1 where there is no object
    precision = evaluator.eval["precision"]
    recall = evaluator.eval["recall"]
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


def _class_figures(truth: GroundTruth, evaluator: COCOeval) -> Dict[str, float]:
    """{class name: AP}, in the order of the category ids. Of a repeated name the ids are added to it."""
    repeated = {name for name, count in Counter(truth.classes.values()).items() if count > 1}
    figures = {}
    for position, category_id in enumerate(evaluator.params.catIds):
        name = truth.classes[category_id]
        if name in repeated:
            name = f"{name} ({category_id})"
        figures[name] = _mean(evaluator.eval["precision"][:, :, position, 0, -1])
    return figures
