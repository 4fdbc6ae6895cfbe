"""All figures of the match table on 200 random problems: pycocotools for AP, plain loops for the rest."""

from __future__ import annotations

import numpy as np
import pytest

from src.evaluation.coco_engine import PYCOCOTOOLS, coco_arrays
from src.evaluation.coco_metrics import figures_of
from src.evaluation.coco_settings import CocoSettings
from src.evaluation.inputs import read_inputs
from src.evaluation.matching.confusion import confusion_matrix
from src.evaluation.matching.details import class_table
from src.evaluation.matching.operating_points import best_common_score
from src.evaluation.matching.precision_recall import coco_arrays_of, curves
from src.evaluation.matching.sizes import counts_by_size
from src.evaluation.matching.table import make_match_table
from tests.evaluation.matching.plain_loops import plain_confusion, plain_counts, plain_matches
from tests.evaluation.random_problems import SETTINGS, random_problem

SEEDS = range(100)  # of each kind


@pytest.fixture(scope="module", params=["bbox", "segm"])
def problems(request):
    inputs = [random_problem(seed, request.param, ties=seed % 3 > 0) for seed in SEEDS]
    return [(each, make_match_table(each, SETTINGS)) for each in inputs]


def test_ap_and_ar_are_those_of_pycocotools(problems):
    for inputs, table in problems:
        reference = coco_arrays(inputs, SETTINGS, PYCOCOTOOLS)
        own = coco_arrays_of(table)
        np.testing.assert_allclose(own.precision[..., -1], reference.precision[..., -1], rtol=0, atol=1e-12)
        np.testing.assert_allclose(own.recall, reference.recall, rtol=0, atol=1e-12)
        assert figures_of(own, SETTINGS) == pytest.approx(figures_of(reference, SETTINGS), abs=1e-9)
        by_class = [row["AP"] for row in class_table(table, 0, 0.5, curves(table))]
        expected = reference.precision[:, :, :, 0, -1].mean(axis=(0, 1))
        assert [-1 if figure is None else figure for figure in by_class] == pytest.approx(
            expected.tolist(), abs=1e-9
        )


@pytest.mark.parametrize("size", ["all", "small", "medium", "large"])
def test_partners_are_those_of_plain_loops(problems, size):
    area = list(SETTINGS.area_ranges).index(size)
    for inputs, table in problems[::4]:
        counted = table.counted
        for position in (0, 5, 9):
            expected = {
                match.detection["row"]: (-1 if match.partner is None else match.partner, match.ignored)
                for match in plain_matches(inputs, SETTINGS, SETTINGS.iou_thresholds[position], size)
            }
            partner = table.partner[area, position][counted]
            partner = np.where(partner < 0, -1, table.objects.annotation[partner])
            ignored = table.ignored[area, position][counted]
            rows = table.detections.row[counted]
            assert dict(zip(rows.tolist(), zip(partner.tolist(), ignored.tolist()))) == expected


def test_confusion_precision_and_recall_come_from_one_matching(problems):
    swaps = 0
    for inputs, table in problems:
        for score in (0.0, 0.5, best_common_score(table, 0)):
            confusion = confusion_matrix(table, 0, score)
            matches = plain_matches(inputs, SETTINGS, 0.5)
            assert confusion.matrix.tolist() == plain_confusion(inputs, matches, 0.5, score)
            for category, row in enumerate(class_table(table, 0, score, curves(table))):
                counts = plain_counts(inputs, matches, row["category_id"], score)
                at_score = row["at_score"]
                assert {name: at_score[name] for name in counts} == counts
                true = confusion.matrix[category, category]
                found = confusion.matrix[:, category].sum()
                objects = confusion.matrix[category].sum()
                assert row["objects"] == objects
                assert at_score["precision"] == (true / found if found else None)
                assert at_score["recall"] == (true / objects if objects else None)
            swaps += confusion.matrix[:-1, :-1].sum() - np.trace(confusion.matrix[:-1, :-1])
    assert swaps > 100  # the problems have classes that are taken for others


def test_the_best_f1_is_the_best_of_all_scores(problems):
    for inputs, table in problems:
        matches = plain_matches(inputs, SETTINGS, 0.5)
        scores = sorted({item["score"] for item in inputs.detections}, reverse=True)
        for row in class_table(table, 0, 0.5, curves(table)):
            best = None
            for score in scores:
                counts = plain_counts(inputs, matches, row["category_id"], score)
                total = 2 * counts["true"] + counts["false"] + counts["missed"]
                f1 = 2 * counts["true"] / total if total else 0
                if f1 > (0 if best is None else best[0]):
                    best = (f1, score, counts)
            if best is None:
                assert row["best_f1"] is None
                continue
            figures = row["best_f1"]
            assert figures["f1"] == pytest.approx(best[0], abs=1e-12)
            assert {name: figures[name] for name in best[2]} == best[2]
            own = [item["score"] for item in inputs.detections if item["category_id"] == row["category_id"]]
            assert figures["score"] == min(score for score in own if score >= best[1])


def test_counts_of_a_size_are_those_of_plain_loops(problems):
    for inputs, table in problems:
        for size, counts in counts_by_size(table, 0).items():
            low, high = SETTINGS.area_ranges[size]
            matches = plain_matches(inputs, SETTINGS, 0.5, size)
            counting = [match for match in matches if not match.ignored]
            true = [match for match in counting if match.partner is not None]
            objects = [
                item
                for item in inputs.truth.annotations
                if not item["iscrowd"] and low <= item["area"] <= high
            ]
            assert counts["objects"] == len(objects)
            assert counts["found"] == counts["true"] == len(true)
            assert counts["missed"] == len(objects) - len(true)
            assert counts["detections"] == len(counting) and counts["false"] == len(counting) - len(true)
            assert counts["ignored"] == len(matches) - len(counting)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_published_examples(shared, kind):
    folder = shared / "data" / "coco_eval"
    results = folder / f"instances_val2014_fake{kind}100_results.json"
    inputs = read_inputs(folder / "instances_val2014_100.json", results, kind)
    settings = CocoSettings()
    own = coco_arrays_of(make_match_table(inputs, settings))
    reference = coco_arrays(inputs, settings, PYCOCOTOOLS)
    np.testing.assert_allclose(own.precision[..., -1], reference.precision[..., -1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(own.recall, reference.recall, rtol=0, atol=1e-12)


@pytest.mark.parametrize("thresholds", [(0.0,), (0.05, 0.5), (0.5, 1.0), (0.75,)])
def test_other_thresholds(thresholds):
    settings = CocoSettings(iou_thresholds=thresholds, max_dets=(1, 2, 4), area_limits=(50.0, 400.0))
    for seed in range(20):
        inputs = random_problem(seed, "bbox")
        own = coco_arrays_of(make_match_table(inputs, settings))
        reference = coco_arrays(inputs, settings, PYCOCOTOOLS)
        np.testing.assert_allclose(own.precision[..., -1], reference.precision[..., -1], rtol=0, atol=1e-12)
        np.testing.assert_allclose(own.recall, reference.recall, rtol=0, atol=1e-12)
