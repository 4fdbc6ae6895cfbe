"""hotcoco against pycocotools, to the last bit."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from src.evaluation import coco_engine
from src.evaluation.coco_engine import HOTCOCO, PYCOCOTOOLS, coco_arrays
from src.evaluation.coco_metrics import COCO, evaluate_coco
from src.evaluation.coco_settings import CocoSettings
from src.evaluation.inputs import read_inputs
from tests.evaluation.coco_examples import perfect_rows, row, small_truth
from tests.evaluation.random_problems import SETTINGS, random_problem


def assert_equal_arrays(inputs, settings):
    pytest.importorskip("hotcoco")
    fast = coco_arrays(inputs, settings, HOTCOCO)
    reference = coco_arrays(inputs, settings, PYCOCOTOOLS)
    for name in reference._fields:
        np.testing.assert_array_equal(getattr(fast, name), getattr(reference, name), err_msg=name)
    return reference


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_equal_on_the_published_examples(shared, kind):
    folder = shared / "data" / "coco_eval"
    results = folder / f"instances_val2014_fake{kind}100_results.json"
    inputs = read_inputs(folder / "instances_val2014_100.json", results, kind)
    assert_equal_arrays(inputs, COCO)
    some = read_inputs(
        folder / "instances_val2014_100.json", results, kind, inputs.image_ids[::3], inputs.category_ids[::2]
    )
    assert_equal_arrays(some, COCO)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_equal_on_random_problems(kind):
    found = 0
    for seed in range(100):
        arrays = assert_equal_arrays(random_problem(seed, kind, ties=seed % 2 == 0), SETTINGS)
        found += (arrays.precision > 0).any()
    assert found > 80  # the problems are not empty


@pytest.mark.parametrize("thresholds", [(0.0,), (0.3, 0.5), (0.5, 1.0)])
def test_equal_with_other_thresholds(thresholds):
    settings = CocoSettings(iou_thresholds=thresholds, max_dets=(1, 2, 4), area_limits=(50.0, 400.0))
    for seed in range(20):
        assert_equal_arrays(random_problem(seed, "bbox"), settings)


def test_equal_on_odd_boxes_ids_and_emptiness():
    truth = small_truth()
    odd = [(10, 10, 0, 40), (10, 10, -5, 40), (-20, -20, 500, 500), (10.5, 10.25, 39.125, 40.0625)]
    rows = [row(1, 3, box, 0.5) for box in odd]
    assert_equal_arrays(read_inputs(truth, rows, "bbox"), COCO)
    assert_equal_arrays(read_inputs(truth, [], "bbox"), COCO)
    for image in truth["images"]:
        image["id"] -= 2
    for annotation in truth["annotations"]:
        annotation["image_id"] -= 2
    rows = [row(-1, 3, (10, 10, 40, 40), 0.5), row(0, 7, (30, 20, 50, 60), 0.25)]
    arrays = assert_equal_arrays(read_inputs(truth, rows, "bbox"), COCO)
    assert arrays.recall[0, :, 0, -1].tolist() == [0.5, 0.5]


def test_pycocotools_computes_where_hotcoco_is_missing(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "hotcoco", None)  # as where it is not installed
    coco_engine._tell_that_hotcoco_is_missing.cache_clear()
    with caplog.at_level("INFO", logger="maskrcnn"):
        for _ in range(2):
            assert coco_engine.installed_engine() == PYCOCOTOOLS
    assert caplog.text.count("pycocotools computes the figures") == 1 and "hotcoco" in caplog.text
    # and the figures are computed: one class of two is found
    assert evaluate_coco(small_truth(), perfect_rows(small_truth())[::2], "bbox")["AP50"] == 0.5
