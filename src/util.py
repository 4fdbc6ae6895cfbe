"""The evaluation path: detections -> COCO result rows -> tables as the COCO API prints them, result files and metrics.json.

    rows = [detections_to_results(found, image_id, height, width, category_ids) for ...]
    write_results(folder, bbox_rows, segm_rows)
    write_metrics(folder, {kind: evaluate_coco("instances_val2017.json", rows, kind) for kind, rows in (("bbox", bbox_rows), ...)})

Rows and ground truth meet by image id and category id alone, so pictures may come in any order, number and batch.
pycocotools computes the figures (Lin et al., "Microsoft COCO", 2014; https://cocodataset.org/#detection-eval).
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
from collections import Counter
from pathlib import Path

import numpy as np
from pycocotools import mask as mask_api
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from .data.images.masks import mask_to_rle, paste_mask, rle_counts
from .errors import DataError
from .evaluation.ground_truth import plain_id, read_ground_truth

METRIC_NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


def detections_to_results(
    detections, image_id, height, width, category_ids, mask_threshold=0.5, has_masks=True
):
    """One picture's detections as rows in COCO's result format.

    detections: a mapping of `boxes` float [n, 4] (x1, y1, x2, y2 in the picture's pixels), `scores` float [n], `labels` int [n] from
    1, and `masks` float [n, 28, 28] (probabilities in the boxes' frames; not read if has_masks is False);
    image_id: the annotation file's id; height, width: the picture's, in pixels;
    category_ids: category_ids[label] is the annotation file's category id (a mapping, or a sequence whose entry 0 is background's); a
    class whose id is None is one that the file does not have: its detections are left out;
    mask_threshold: probability from which a pasted mask's pixel is set.
    Returns (bbox rows, segm rows): lists of dicts with image_id, category_id, score, and bbox [x, y, w, h] in pixels (three
    decimals) or segmentation (compressed RLE, its counts as text); no segm rows without masks.
    """
    boxes = np.asarray(detections["boxes"], np.float64).reshape(-1, 4)
    scores = np.asarray(detections["scores"], np.float64).reshape(-1)
    labels = np.asarray(detections["labels"]).reshape(-1)
    image_id = plain_id(image_id)
    bbox_rows, segm_rows = [], []
    for i, label in enumerate(labels.tolist()):
        if category_ids[label] is None:
            continue
        head = {"image_id": image_id, "category_id": category_ids[label], "score": round(float(scores[i]), 7)}
        x1, y1, x2, y2 = boxes[i].tolist()
        bbox_rows.append({**head, "bbox": [round(value, 3) for value in (x1, y1, x2 - x1, y2 - y1)]})
        if has_masks:
            mask = paste_mask(detections["masks"][i], boxes[i], int(height), int(width), mask_threshold)
            segm_rows.append({**head, "segmentation": mask_to_rle(mask)})
    return bbox_rows, segm_rows


def evaluate_coco(ground_truth, results, kind, image_ids=None, category_ids=None):
    """COCO's twelve figures, printed as the COCO API prints them, with a table of AP by class.

    ground_truth: a path to COCO JSON, or such content as a dict (`records_to_coco` makes one); results: rows as
    `detections_to_results` gives them, or a path to a JSON list of them; kind: "bbox" or "segm"; image_ids, category_ids: evaluate
    over these of the file's only (default: all of them). Rows of other pictures and categories do not count.
    Returns {"AP": ..., "AP50": ..., ... (METRIC_NAMES, 0 to 1, or -1 where there is no such ground truth), "per_class": {name: AP}};
    {} if there is nothing to compare with (a test set's file has no annotations), after one line that says so.
    Raises DataError for files that cannot be used, and for results of pictures the ground truth does not know.
    """
    rows = _read_rows(results, kind)
    sizes = (
        {plain_id(row["image_id"]): tuple(row["segmentation"]["size"]) for row in rows}
        if kind == "segm"
        else None
    )
    truth = read_ground_truth(ground_truth, kind, sizes)
    images = _chosen(truth, truth.images, image_ids, "image")
    categories = _chosen(truth, truth.categories, category_ids, "category")
    if not truth.annotations:
        why = (
            f"all of its annotations are {', '.join(truth.left_out)}"
            if truth.left_out
            else "it has no annotations (a test set?)"
        )
        print(f"{kind}: no figures for {truth.name}: {why}", flush=True)
        return {}
    for problem, count in truth.left_out.items():
        print(f"{kind}: {count} annotations {problem} are left out of {truth.name}", flush=True)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator = COCOeval(
            _coco(truth, truth.annotations), _coco(truth, _numbered_rows(truth, rows, kind)), kind
        )
        evaluator.params.imgIds = sorted(images.values())
        evaluator.params.catIds = sorted(categories.values())
        evaluator.evaluate()
        evaluator.accumulate()
    print(f"{kind}, {len(images)} pictures:")
    evaluator.summarize()
    per_class = _class_figures(truth, evaluator)
    _print_class_table(kind, per_class)
    return {
        **{name: float(figure) for name, figure in zip(METRIC_NAMES, evaluator.stats)},
        "per_class": per_class,
    }


def _read_rows(results, kind):
    name, foreign = "the results", isinstance(results, (str, os.PathLike))
    if foreign:
        name = str(results)
        try:
            results = json.loads(Path(results).read_text(encoding="utf-8"))
        except OSError as error:
            raise DataError(f"results {name}: {error.strerror or error}") from None
        except ValueError as error:
            raise DataError(f"results {name}: not JSON ({error})") from None
    part = {"bbox": "bbox", "segm": "segmentation"}[kind]
    if not isinstance(results, (list, tuple)):
        raise DataError(f"{name}: a list of COCO result rows expected")
    for number, row in enumerate(results):
        if not isinstance(row, dict) or any(
            key not in row for key in ("image_id", "category_id", "score", part)
        ):
            raise DataError(f"{name}, row {number}: image_id, category_id, score and {part} expected")
        if not _is_number(row["score"]) or (
            kind == "bbox" and not (len(row[part]) == 4 and all(map(_is_number, row[part])))
        ):
            raise DataError(
                f"{name}, row {number}: finite numbers expected, a score{' and four for bbox' if kind == 'bbox' else ''}"
            )
        if kind == "segm" and foreign:  # pycocotools does not check a stranger's run lengths
            try:
                rle_counts(row[part])
            except DataError as error:
                raise DataError(f"{name}, row {number}: {error}") from None
    return results


def _is_number(value):
    return isinstance(value, (int, float)) and math.isfinite(value)


def _chosen(truth, known, ids, what):
    """{original id: new id} of the wanted images or categories."""
    if ids is None:
        return {key: entry["id"] for key, entry in known.items()}
    wanted = {plain_id(value) for value in ids}
    missing = wanted - set(known)
    if missing:
        raise _unknown(truth, f"{what} id {sorted(map(str, missing))[0]}")
    return {key: known[key]["id"] for key in wanted}


def _unknown(truth, what):
    return DataError(
        f"{truth.name}: {what} is not in it; evaluate with the annotations that the pictures belong to"
    )


def _numbered_rows(truth, rows, kind):
    numbered = []
    for row in rows:
        image, category = (
            truth.images.get(plain_id(row["image_id"])),
            truth.categories.get(plain_id(row["category_id"])),
        )
        if image is None:
            raise _unknown(truth, f"image id {row['image_id']} of the results")
        if category is None:
            continue
        clean = {
            "id": len(numbered) + 1,
            "image_id": image["id"],
            "category_id": category["id"],
            "score": float(row["score"]),
        }
        if kind == "bbox":
            clean.update(bbox=row["bbox"], area=row["bbox"][2] * row["bbox"][3])
        else:
            clean.update(segmentation=row["segmentation"], area=float(mask_api.area(row["segmentation"])))
        numbered.append(clean)
    return numbered


def _coco(truth, annotations):
    coco = COCO()
    coco.dataset = {
        "images": list(truth.images.values()),
        "categories": list(truth.categories.values()),
        "annotations": annotations,
    }
    coco.createIndex()
    return coco


def _class_figures(truth, evaluator):
    """{class name: AP}, in the order of the category ids: the mean of precision over IoU and recall, all sizes, 100 detections."""
    names = {entry["id"]: str(entry.get("name", key)) for key, entry in truth.categories.items()}
    original = {entry["id"]: key for key, entry in truth.categories.items()}
    doubled = {name for name, count in Counter(names.values()).items() if count > 1}
    figures = {}
    for position, number in enumerate(evaluator.params.catIds):
        precision = evaluator.eval["precision"][:, :, position, 0, -1]
        name = f"{names[number]} ({original[number]})" if names[number] in doubled else names[number]
        figures[name] = float(precision[precision > -1].mean()) if (precision > -1).any() else -1.0
    return figures


def _print_class_table(kind, figures, columns=4):
    cells = [
        f"{name[:20]:<20} {'-' if figure < 0 else f'{figure:.3f}':>6}" for name, figure in figures.items()
    ]
    rows = -(-len(cells) // columns)
    print(f"{kind} AP by class ('-': no such object in the ground truth):")
    for row in range(rows):
        print(" " + "   ".join(cells[row::rows]), flush=True)


def records_to_coco(source):
    """A COCO-format dict of a `src.data.annotations.records.DataSource` with its category ids, so that txt data is evaluated as COCO data is."""
    images, annotations = [], []
    for record in source.records:
        images.append(
            {"id": plain_id(record.image_id), "width": int(record.width), "height": int(record.height)}
        )
        segmentations = (
            record.segmentations if record.segmentations is not None else [None] * len(record.boxes)
        )
        for box, label, crowd, segmentation in zip(record.boxes, record.labels, record.crowd, segmentations):
            x1, y1, x2, y2 = (float(value) for value in box)
            if isinstance(segmentation, list):
                segmentation = [np.asarray(polygon, np.float64).tolist() for polygon in segmentation]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": images[-1]["id"],
                    "category_id": source.category_ids[int(label)],
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "iscrowd": int(crowd),
                    "segmentation": segmentation,
                }
            )
    classes = list(zip(source.category_ids, source.class_names))[1:]
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in classes if number is not None],
    }


def write_results(folder, bbox_rows, segm_rows):
    """Write results_bbox.json and results_segm.json (COCO result format) into `folder`; returns their Paths."""
    return [
        _write_json(Path(folder) / f"results_{kind}.json", rows)
        for kind, rows in (("bbox", bbox_rows), ("segm", segm_rows))
    ]


def write_metrics(folder, metrics):
    """Write metrics.json, {"bbox": {"AP": ..., ...}, "segm": {...}} as `evaluate_coco` gives them, into `folder`; returns its Path."""
    return _write_json(Path(folder) / "metrics.json", metrics, indent=2)


def _write_json(path, content, indent=None):
    """Written beside and renamed, so that a reader never sees half a file."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(content, indent=indent) + "\n", encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        raise DataError(
            f"{path}: {error.strerror or error}; choose a work folder that can be written"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
    return path
