"""Detailed figures and their files where there is little to count, and curves whose means are AP."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from src.evaluation.coco_engine import PYCOCOTOOLS, coco_arrays
from src.evaluation.coco_settings import CocoSettings
from src.evaluation.inputs import read_inputs
from src.evaluation.matching.detail_files import write_details, write_match_table
from src.evaluation.matching.detail_lines import detail_lines
from src.evaluation.matching.details import evaluate_in_depth
from src.evaluation.matching.table import make_match_table
from tests.evaluation.coco_examples import perfect_rows, row, small_truth
from tests.evaluation.random_problems import SETTINGS, random_problem


def figures_and_files(inputs, folder, settings=SETTINGS):
    table = make_match_table(inputs, settings)
    in_depth = evaluate_in_depth(table, samples=20)
    figures = in_depth.figures
    path = write_details(folder, {table.kind: figures})
    text = path.read_text(encoding="utf-8")
    assert "NaN" not in text and "Infinity" not in text
    tables = []
    for path in write_match_table(folder, table, in_depth.errors):
        with open(path, encoding="utf-8", newline="") as file:
            tables.append(list(csv.DictReader(file)))
    assert len(detail_lines(table.kind, figures)) >= len(figures["classes"])
    return json.loads(text)[table.kind], *tables


def only_crowds(truth):
    for annotation in truth["annotations"]:
        annotation["iscrowd"] = 1


def test_no_detection(tmp_path):
    figures, detections, objects = figures_and_files(read_inputs(small_truth(), [], "bbox"), tmp_path)
    assert detections == [] and len(objects) == 4
    assert {item["outcome"] for item in objects} == {"Miss"}
    assert figures["headline"]["AP"]["value"] == 0 and figures["calibration"] is None
    assert figures["confusion"]["matrix"] == [[0, 0, 2], [0, 0, 2], [0, 0, 0]]
    # if no object were asked for, there would be no class left to be wrong about
    assert figures["tide"]["kinds"]["Miss"]["count"] == 4
    assert [entry["best_f1"] for entry in figures["classes"]] == [None, None]


@pytest.mark.parametrize("change", [only_crowds, lambda truth: truth["annotations"].clear()])
def test_no_object_that_counts(tmp_path, change):
    truth = small_truth()
    change(truth)
    inputs = read_inputs(truth, perfect_rows(small_truth()), "bbox")
    figures, detections, objects = figures_and_files(inputs, tmp_path)
    assert figures["headline"] == {} and len(detections) == 4 and len(objects) == len(truth["annotations"])
    assert all(entry["AP"] is None and entry["objects"] == 0 for entry in figures["classes"])
    expected = {"ignored"} if objects else {"Bkg"}
    assert {item["outcome"] for item in detections} == expected


def test_one_picture_and_class_of_several(tmp_path):
    truth = small_truth()
    inputs = read_inputs(truth, perfect_rows(truth), "bbox", image_ids=[2], category_ids=[7])
    figures, detections, objects = figures_and_files(inputs, tmp_path)
    assert figures["pictures"] == len(detections) == len(objects) == 1
    assert figures["confusion"] == {"classes": ["b", "background"], "matrix": [[1, 0], [0, 0]]}
    assert (detections[0]["row"], objects[0]["row_95"]) == ("3", "3")


def test_detections_beyond_max_dets_are_listed_and_do_not_count(tmp_path):
    settings = CocoSettings(max_dets=(1, 1, 1))
    rows = [row(1, 3, (10, 10, 40, 40), 0.5), row(1, 3, (60, 10, 20, 20), 0.9)]
    inputs = read_inputs(small_truth(), rows, "bbox")
    figures, detections, _ = figures_and_files(inputs, tmp_path, settings)
    assert [(item["row"], item["outcome"]) for item in detections] == [("1", "Bkg"), ("0", "beyond max_dets")]
    assert figures["classes"][0]["detections"] == 1 and figures["classes"][0]["AP"] == 0


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_means_of_curves_are_ap(tmp_path, kind):
    for seed in range(10):
        inputs = random_problem(seed, kind)
        figures, detections, objects = figures_and_files(inputs, tmp_path)
        precision = coco_arrays(inputs, SETTINGS, PYCOCOTOOLS).precision[:, :, :, 0, -1]
        for curve in figures["curves"]:
            position = inputs.category_ids.index(curve["category_id"])
            np.testing.assert_allclose(curve["precision50"], precision[0, :, position], atol=1e-12)
            np.testing.assert_allclose(curve["precision75"], precision[5, :, position], atol=1e-12)
            np.testing.assert_allclose(curve["precision"], precision[:, :, position].mean(0), atol=1e-12)
            reached = [score is not None for score in curve["score50"]]
            assert reached == (precision[0, :, position] > 0).tolist()
        assert len(detections) == len(inputs.detections)
        assert len(objects) == len(inputs.truth.annotations)
        found = {item["object"]: item for item in objects if item["outcome"] == "found"}
        true = [item for item in detections if item["outcome"] == "true"]
        assert {item["object_50"] for item in true} == set(found) and len(true) == len(found)
        for item in true:
            assert found[item["object_50"]]["row_50"] == item["row"]
            assert found[item["object_50"]]["iou"] == item["iou"] and float(item["iou"]) >= 0.5
