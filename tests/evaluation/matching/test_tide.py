"""TIDE's kinds of errors against tidecv (boxes), hotcoco (masks too) and arithmetic."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from src.evaluation.coco_settings import CocoSettings
from src.evaluation.inputs import read_inputs
from src.evaluation.matching.table import make_match_table
from src.evaluation.matching.tide import KINDS, classify_errors, tide
from tests.evaluation.coco_examples import annotation, row
from tests.evaluation.random_problems import random_problem

COCO = CocoSettings()


def problem_without_crowds(seed, kind, images):
    """A problem in which each class has an object that is found; None where the seed gives none."""
    inputs = random_problem(seed, kind, images, ties=False, crowds=False)
    with_objects = {item["category_id"] for item in inputs.truth.annotations}
    inputs = dataclasses.replace(
        inputs,
        category_ids=sorted(with_objects),
        detections=[item for item in inputs.detections if item["category_id"] in with_objects],
    )
    table = make_match_table(inputs, COCO)
    found = np.unique(table.detections.category[table.is_true(0)])
    return (inputs, table) if len(found) == len(with_objects) else None


def tidecv_errors(inputs):
    """({kind: count}, {kind: gain of AP}, AP) by tidecv; its light edition takes boxes by their corners."""
    tidecv = pytest.importorskip("tidecv")

    def corners(item):
        x, y, w, h = item["bbox"]
        return [x, y, x + w, y + h]

    truth = tidecv.Data("truth")
    found = tidecv.Data("found")
    for item in inputs.truth.annotations:
        truth.add_class(item["category_id"], str(item["category_id"]))
        truth.add_ground_truth(item["image_id"], item["category_id"], box=corners(item))
    for item in inputs.detections:
        found.add_detection(item["image_id"], item["category_id"], item["score"], box=corners(item))
    run = tidecv.TIDE(pos_threshold=0.5, background_threshold=0.1).evaluate(truth, found, mode="bbox")
    counts = {error.short_name: len(run.error_dict[error]) for error in run.error_dict}
    gains = {error.short_name: gain / 100 for error, gain in run.fix_main_errors().items()}
    return counts, gains, run.ap / 100


def test_equal_to_tidecv():
    used = 0
    seen = dict.fromkeys(KINDS, 0)
    for seed in range(150):
        problem = problem_without_crowds(seed, "bbox", images=2)
        if problem is None:
            continue
        used += 1
        counts, gains, ap = tidecv_errors(problem[0])
        figures = tide(problem[1], 0, classify_errors(problem[1], 0))
        assert figures["ap"] == pytest.approx(ap, abs=1e-9)
        assert {kind: figures["kinds"][kind]["count"] for kind in KINDS} == counts
        assert {kind: figures["kinds"][kind]["ap_gain"] for kind in KINDS} == pytest.approx(gains, abs=1e-9)
        for kind in KINDS:
            seen[kind] += counts[kind]
    assert used > 50 and min(seen.values()) > 10, (used, seen)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_counts_equal_to_hotcoco(kind):
    hotcoco = pytest.importorskip("hotcoco")
    used = 0
    for seed in range(60):
        problem = problem_without_crowds(seed, kind, images=6)
        if problem is None:
            continue
        used += 1
        inputs, table = problem
        common = {
            "images": [{"id": number, "height": 48, "width": 64} for number in inputs.image_ids],
            "categories": [{"id": number, "name": str(number)} for number in inputs.category_ids],
        }
        truth = hotcoco.COCO({**common, "annotations": inputs.truth.annotations})
        found = hotcoco.COCO({**common, "annotations": inputs.detections})
        evaluator = hotcoco.COCOeval(truth, found, kind)
        evaluator.evaluate()
        expected = evaluator.tide_errors(pos_thr=0.5, bg_thr=0.1)
        figures = tide(table, 0, classify_errors(table, 0))
        assert figures["ap"] == pytest.approx(expected["ap_base"], abs=1e-9)
        counts = {name: entry["count"] for name, entry in figures["kinds"].items()}
        assert counts == {name: expected["counts"][name] for name in KINDS}
        for name in ("Both", "Dupe", "Bkg"):  # its other gains follow another definition than tidecv's
            gain = figures["kinds"][name]["ap_gain"]
            assert gain == pytest.approx(expected["delta_ap"][name], abs=1e-9)
    assert used > 30


def test_each_kind_by_hand():
    """Class a has objects A1 and A2, class b has B1; a detection of each kind."""
    truth = {
        "images": [{"id": 1, "width": 400, "height": 400}],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "annotations": [
            annotation(1, 1, 1, (0, 0, 40, 40)),
            annotation(2, 1, 1, (100, 0, 40, 40)),
            annotation(3, 1, 2, (200, 0, 40, 40)),
            annotation(4, 1, 2, (300, 0, 40, 40)),
        ],
    }
    rows = [
        row(1, 1, (0, 0, 40, 40), 0.9),  # finds A1
        row(1, 1, (0, 0, 40, 39), 0.8),  # Dupe of it
        row(1, 1, (120, 0, 40, 40), 0.7),  # Loc: IoU 1/3 with A2
        row(1, 1, (200, 0, 40, 40), 0.6),  # Cls: on B1
        row(1, 1, (220, 0, 40, 40), 0.5),  # Both: IoU 1/3 with B1
        row(1, 1, (200, 200, 40, 40), 0.4),  # Bkg
    ]
    table = make_match_table(read_inputs(truth, rows, "bbox"), COCO)
    figures = tide(table, 0, classify_errors(table, 0))
    counts = {name: entry["count"] for name, entry in figures["kinds"].items()}
    assert counts == {"Cls": 1, "Loc": 1, "Both": 1, "Dupe": 1, "Bkg": 1, "Miss": 1}
    # class a: recall 1/2 with precision 1: 51 of 101 recalls; class b: nothing
    assert figures["ap"] == pytest.approx(51 / 101 / 2)
    gains = {name: entry["ap_gain"] for name, entry in figures["kinds"].items()}
    # Loc mended: A2 is found third, at precision 2/3, for the other 50 recalls
    assert gains["Loc"] == pytest.approx(50 / 101 * 2 / 3 / 2)
    # Cls mended: one of two objects of class b at precision 1
    assert gains["Cls"] == pytest.approx(51 / 101 / 2)
    # Miss mended: class b has one object less to find, and still finds none
    assert gains["Miss"] == gains["Dupe"] == gains["Bkg"] == gains["Both"] == 0
