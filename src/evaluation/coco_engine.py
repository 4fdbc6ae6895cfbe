"""COCO's arrays of precision and recall, by hotcoco or by pycocotools.

hotcoco computes what pycocotools computes, to the last bit, in a small part of the time
(`python -m benchmarks.evaluation`; tests/evaluation/test_coco_engine.py compares the two). Where it is not
installed pycocotools computes.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
from typing import List, NamedTuple, Sequence

import numpy as np
from pycocotools import coco
from pycocotools.cocoeval import COCOeval

from ..log import logger
from .coco_settings import CocoSettings
from .inputs import EvaluationInputs

HOTCOCO = "hotcoco"
PYCOCOTOOLS = "pycocotools"


class CocoArrays(NamedTuple):
    """What COCO's figures are means of; -1 where there is no object.

    Attributes:
        precision: float64 [IoU threshold, recall 0 to 1 in steps of 0.01, category, area range, max_dets].
        recall: float64 [IoU threshold, category, area range, max_dets].
    """

    precision: np.ndarray
    recall: np.ndarray


def installed_engine() -> str:
    """HOTCOCO where it can be loaded, else PYCOCOTOOLS, with a notice at a process's first evaluation."""
    try:
        importlib.import_module(HOTCOCO)
    except ImportError as error:
        _tell_that_hotcoco_is_missing(str(error))
        return PYCOCOTOOLS
    return HOTCOCO


@functools.lru_cache(maxsize=None)
def _tell_that_hotcoco_is_missing(reason: str) -> None:
    logger.info("pycocotools computes the figures, the same as hotcoco but more slowly (%s)", reason)


def coco_arrays(inputs: EvaluationInputs, settings: CocoSettings, engine: str) -> CocoArrays:
    """Match detections and objects by COCO's rule, and count.

    Args:
        inputs: objects and detections; what is evaluated.
        settings: IoU thresholds, numbers of detections, sizes of objects.
        engine: HOTCOCO or PYCOCOTOOLS.
    """
    evaluate = _run_hotcoco if engine == HOTCOCO else _run_pycocotools
    # Positions replace the ids, in the same order: hotcoco takes no id below 0.
    images = {image_id: position for position, image_id in enumerate(inputs.image_ids, 1)}
    categories = {category_id: position for position, category_id in enumerate(inputs.category_ids, 1)}

    def renumbered(annotations):
        return [
            {
                **annotation,
                "image_id": images[annotation["image_id"]],
                "category_id": categories[annotation["category_id"]],
            }
            for annotation in annotations
            if annotation["image_id"] in images and annotation["category_id"] in categories
        ]

    sizes = inputs.truth.sizes
    common = {
        "images": [
            {"id": number, "height": sizes[image_id][0], "width": sizes[image_id][1]}
            for image_id, number in images.items()
        ],
        "categories": [{"id": number, "name": str(number)} for number in categories.values()],
    }
    truth = {**common, "annotations": renumbered(inputs.truth.annotations)}
    found = {**common, "annotations": renumbered(inputs.detections)}
    return evaluate(truth, found, inputs.truth.kind, settings)


def _run_hotcoco(truth: dict, found: dict, kind: str, settings: CocoSettings) -> CocoArrays:
    import hotcoco  # not at the top: it may be missing

    evaluator = hotcoco.COCOeval(hotcoco.COCO(truth), hotcoco.COCO(found), kind)
    parameters = evaluator.params
    parameters.img_ids = _ids(truth["images"])
    parameters.cat_ids = _ids(truth["categories"])
    parameters.iou_thrs = list(settings.iou_thresholds)
    parameters.max_dets = list(settings.max_dets)
    parameters.area_rng = [list(limits) for limits in settings.area_ranges.values()]
    parameters.area_rng_lbl = list(settings.area_ranges)
    evaluator.evaluate()
    evaluator.accumulate()
    return CocoArrays(np.asarray(evaluator.eval["precision"]), np.asarray(evaluator.eval["recall"]))


def _run_pycocotools(truth: dict, found: dict, kind: str, settings: CocoSettings) -> CocoArrays:
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports its progress
        evaluator = COCOeval(_coco(truth), _coco(found), kind)
        evaluator.params.imgIds = _ids(truth["images"])
        evaluator.params.catIds = _ids(truth["categories"])
        evaluator.params.iouThrs = np.array(settings.iou_thresholds)
        evaluator.params.maxDets = list(settings.max_dets)
        evaluator.params.areaRng = [list(limits) for limits in settings.area_ranges.values()]
        evaluator.params.areaRngLbl = list(settings.area_ranges)
        evaluator.evaluate()
        evaluator.accumulate()
    return CocoArrays(evaluator.eval["precision"], evaluator.eval["recall"])


def _ids(entries: Sequence[dict]) -> List[int]:
    return [entry["id"] for entry in entries]


def _coco(dataset: dict) -> coco.COCO:
    """pycocotools' index of a data set."""
    index = coco.COCO()
    index.dataset = dataset
    index.createIndex()
    return index
