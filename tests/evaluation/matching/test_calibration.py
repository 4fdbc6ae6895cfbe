"""Calibration of scores against hotcoco and arithmetic."""

from __future__ import annotations

import pytest

from src.evaluation.coco_settings import CocoSettings
from src.evaluation.inputs import read_inputs
from src.evaluation.matching.calibration import calibration
from src.evaluation.matching.table import make_match_table
from tests.evaluation.coco_examples import annotation, row
from tests.evaluation.random_problems import random_problem

COCO = CocoSettings()


def hand_made(scores):
    """Five detections of a class, of which the first three find an object."""
    truth = {
        "images": [{"id": 1, "width": 400, "height": 400}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [annotation(i, 1, 1, (50 * i, 0, 40, 40)) for i in range(1, 4)],
    }
    corners = [(50, 0), (100, 0), (150, 0), (50, 200), (100, 200)]
    rows = [row(1, 1, (*corner, 40, 40), score) for corner, score in zip(corners, scores)]
    return make_match_table(read_inputs(truth, rows, "bbox"), COCO)


def test_errors_by_hand():
    figures = calibration(hand_made([1.0, 0.9, 0.25, 0.95, 0.2]), 0)
    last = figures["bins"][9]
    assert (last["detections"], last["precision"]) == (3, pytest.approx(2 / 3))
    assert last["mean_score"] == pytest.approx(0.95)
    third = figures["bins"][2]
    assert (third["low"], third["detections"], third["precision"]) == (0.2, 2, 0.5)
    assert figures["bins"][0] == {
        "low": 0.0,
        "high": 0.1,
        "detections": 0,
        "mean_score": None,
        "precision": None,
    }
    gaps = (0.95 - 2 / 3, 0.5 - 0.225)
    assert figures["ece"] == pytest.approx((3 * gaps[0] + 2 * gaps[1]) / 5)
    assert figures["mce"] == pytest.approx(gaps[0])
    assert figures["classes"] == {"a": pytest.approx(figures["ece"])}


def test_scores_that_are_no_probabilities_have_no_calibration():
    assert calibration(hand_made([5.0, 0.9, 0.25, 0.95, 0.2]), 0) is None
    assert calibration(hand_made([-0.5, 0.9, 0.25, 0.95, 0.2]), 0) is None
    assert calibration(hand_made([]), 0) is None


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_equal_to_hotcoco(kind):
    hotcoco = pytest.importorskip("hotcoco")
    used = 0
    for seed in range(40):
        inputs = random_problem(seed, kind, ties=seed % 2 == 0)
        common = {
            "images": [{"id": number, "height": 48, "width": 64} for number in inputs.image_ids],
            "categories": [{"id": number, "name": str(number)} for number in inputs.category_ids],
        }
        evaluator = hotcoco.COCOeval(
            hotcoco.COCO({**common, "annotations": inputs.truth.annotations}),
            hotcoco.COCO({**common, "annotations": inputs.detections}),
            kind,
        )
        evaluator.evaluate()
        expected = evaluator.calibration(n_bins=10, iou_threshold=0.5)
        figures = calibration(make_match_table(inputs, COCO), 0)
        if figures is None:
            assert expected["num_detections"] == 0
            continue
        used += 1
        assert figures["detections"] == expected["num_detections"]
        assert figures["ece"] == pytest.approx(expected["ece"], abs=1e-12)
        assert figures["mce"] == pytest.approx(expected["mce"], abs=1e-12)
        by_class = {f"class {number}": value for number, value in expected["per_category"].items()}
        assert figures["classes"] == pytest.approx(
            {name: by_class[name] for name in figures["classes"]}, abs=1e-12
        )
    assert used > 30
