"""COCO's twelve figures, computed by pycocotools, and a table of AP by class.

The figures are defined by Lin et al., "Microsoft COCO", 2014, and https://cocodataset.org/#detection-eval.
Result rows and ground truth are matched by image id and category id only: pictures may come in any order.
"""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from pathlib import Path
from typing import Any, Iterable, Optional, Sequence, Union

from pycocotools import mask as mask_api
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ..errors import DataError
from .ground_truth import plain_id, read_ground_truth
from .result_rows import read_result_rows

METRIC_NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


def evaluate_coco(
    ground_truth: Union[str, Path, dict],
    results: Union[str, Path, Sequence[dict]],
    kind: str,
    image_ids: Optional[Iterable[Any]] = None,
    category_ids: Optional[Iterable[Any]] = None,
) -> dict:
    """Compute COCO's twelve figures and print them as the COCO API does, with a table of AP by class.

    Args:
        ground_truth: path of a COCO JSON file, or its content as a dict (`records_to_coco` makes one).
        results: result rows (see `detections_to_results`), or the path of a JSON file with a list of them.
        kind: "bbox" or "segm".
        image_ids: evaluate on these pictures of the file only. Rows of its other pictures do not count.
        category_ids: evaluate on these categories only. Rows of other categories do not count.

    Returns:
        {"AP": ..., "AP50": ..., ... (METRIC_NAMES), "per_class": {class name: AP}}. Figures are from 0 to 1,
        or -1 where the ground truth has no such object. {} if the ground truth has no annotations,
        as the file of a test set; then one line says so.

    Raises:
        DataError: for files that cannot be used, and for results of pictures that the file does not have.
    """
    rows = read_result_rows(results, kind)
    mask_sizes = None
    if kind == "segm":
        mask_sizes = {plain_id(row["image_id"]): tuple(row["segmentation"]["size"]) for row in rows}
    truth = read_ground_truth(ground_truth, kind, mask_sizes)
    images = _new_ids(truth, truth.images, image_ids, "image")
    categories = _new_ids(truth, truth.categories, category_ids, "category")
    if not truth.annotations:
        if truth.left_out:
            why = f"all of its annotations are {', '.join(truth.left_out)}"
        else:
            why = "it has no annotations (a test set?)"
        print(f"{kind}: no figures for {truth.name}: {why}", flush=True)
        return {}
    for problem, count in truth.left_out.items():
        print(f"{kind}: {count} annotations {problem} are left out of {truth.name}", flush=True)
    evaluator = _run_coco_eval(truth, rows, kind, sorted(images.values()), sorted(categories.values()))
    print(f"{kind}, {len(images)} pictures:")
    evaluator.summarize()
    per_class = _class_figures(truth, evaluator)
    _print_class_table(kind, per_class)
    figures = {name: float(figure) for name, figure in zip(METRIC_NAMES, evaluator.stats)}
    return {**figures, "per_class": per_class}


def _run_coco_eval(truth, rows, kind, image_ids, category_ids):
    """pycocotools' COCOeval after its computation; the ids are the ground truth's new ones."""
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports its progress
        coco_truth = _coco(truth, truth.annotations)
        coco_results = _coco(truth, _rows_with_new_ids(truth, rows, kind))
        evaluator = COCOeval(coco_truth, coco_results, kind)
        evaluator.params.imgIds = image_ids
        evaluator.params.catIds = category_ids
        evaluator.evaluate()
        evaluator.accumulate()
    return evaluator


def _new_ids(truth, entries, ids, what):
    """{original id: new id} of the wanted images or categories; all of them if `ids` is None."""
    if ids is None:
        return {key: entry["id"] for key, entry in entries.items()}
    wanted = {plain_id(value) for value in ids}
    missing = wanted - set(entries)
    if missing:
        raise _not_in_ground_truth(truth, f"{what} id {sorted(map(str, missing))[0]}")
    return {key: entries[key]["id"] for key in wanted}


def _not_in_ground_truth(truth, what):
    return DataError(
        f"{truth.name}: {what} is not in it; evaluate with the annotations that the pictures belong to"
    )


def _rows_with_new_ids(truth, rows, kind):
    """Result rows as annotations for pycocotools: with the ground truth's new ids, and an area in pixels."""
    new_rows = []
    for row in rows:
        image = truth.images.get(plain_id(row["image_id"]))
        category = truth.categories.get(plain_id(row["category_id"]))
        if image is None:
            raise _not_in_ground_truth(truth, f"image id {row['image_id']} of the results")
        if category is None:  # the network may know more classes than the file
            continue
        new_row = {
            "id": len(new_rows) + 1,
            "image_id": image["id"],
            "category_id": category["id"],
            "score": float(row["score"]),
        }
        if kind == "bbox":
            new_row["bbox"] = row["bbox"]
            new_row["area"] = row["bbox"][2] * row["bbox"][3]
        else:
            new_row["segmentation"] = row["segmentation"]
            new_row["area"] = float(mask_api.area(row["segmentation"]))
        new_rows.append(new_row)
    return new_rows


def _coco(truth, annotations):
    """pycocotools' index of these annotations."""
    coco = COCO()
    coco.dataset = {
        "images": list(truth.images.values()),
        "categories": list(truth.categories.values()),
        "annotations": annotations,
    }
    coco.createIndex()
    return coco


def _class_figures(truth, evaluator):
    """{class name: AP}, in the order of the category ids.

    AP is the mean precision over IoU thresholds and recalls, for objects of all sizes and 100 detections.
    If two categories have one name, their ids are added to it.
    """
    names = {entry["id"]: str(entry.get("name", key)) for key, entry in truth.categories.items()}
    original_ids = {entry["id"]: key for key, entry in truth.categories.items()}
    repeated = {name for name, count in Counter(names.values()).items() if count > 1}
    figures = {}
    for position, new_id in enumerate(evaluator.params.catIds):
        # precision is [IoU threshold, recall, category, area range, max detections]; -1: no object
        precision = evaluator.eval["precision"][:, :, position, 0, -1]
        name = names[new_id]
        if name in repeated:
            name = f"{name} ({original_ids[new_id]})"
        figures[name] = float(precision[precision > -1].mean()) if (precision > -1).any() else -1.0
    return figures


def _print_class_table(kind, figures, columns=4):
    cells = [
        f"{name[:20]:<20} {'-' if figure < 0 else f'{figure:.3f}':>6}" for name, figure in figures.items()
    ]
    row_count = -(-len(cells) // columns)
    print(f"{kind} AP by class ('-': no such object in the ground truth):")
    for row in range(row_count):
        print(" " + "   ".join(cells[row::row_count]), flush=True)
