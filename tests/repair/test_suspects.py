"""The suspects of drawn squares, whose mistakes are known; certainties from their formulas."""

from __future__ import annotations

import numpy as np
import pytest

from src.evaluation.ground_truth import read_annotations_alone
from src.evaluation.inputs import read_inputs
from src.evaluation.matching.table import make_match_table
from src.repair.certainty import of_missing, of_unsupported
from src.repair.session import object_ids
from src.repair.suspects import find_suspects, suspect_id
from tests.repair.labels import FIGURES, annotation, content, row, usual_labels


def suspects_of(annotations, rows):
    """{id: suspect}, in their order."""
    source = read_annotations_alone(content(annotations))
    inputs = read_inputs(source, rows, "segm")
    table = make_match_table(inputs, FIGURES)
    ids = object_ids(source, inputs, table)
    found = find_suspects(table, inputs)
    return {suspect_id(suspect, ids, table.detections.row): suspect for suspect in found}


def test_each_kind_is_found_and_nothing_else():
    found = suspects_of(*usual_labels())
    assert set(found) == {"missing-r1", "spurious-a22", "class-a31-r3", "poor-a32-r4", "twice-a42-a41"}


def test_they_are_ordered_by_certainty():
    values = [suspect.certainty for suspect in suspects_of(*usual_labels()).values()]
    assert values == sorted(values, reverse=True) and all(0 < value <= 1 for value in values)


def test_a_higher_score_is_a_more_certain_missing_object():
    rows = [row(1, 10, 10, score=0.6), row(1, 60, 60, score=0.9)]
    found = suspects_of([annotation(1, 2, 10, 10)], [*rows, row(2, 10, 10)])
    assert list(found) == ["missing-r1", "missing-r0"]
    # 0.1 p / (0.1 p + 1 - p), all of it uncovered
    assert found["missing-r1"].certainty == pytest.approx(0.09 / 0.19)
    assert found["missing-r0"].certainty == pytest.approx(0.06 / 0.46)


def test_what_an_object_covers_is_less_missing():
    """Half of the detection (20 x 10 of 20 x 20 pixels) lies in a larger object."""
    truth = [annotation(1, 1, 10, 10, side=40)]
    found = suspects_of(truth, [row(1, 10, 10, side=40, score=0.99), row(1, 10, 40, score=0.9)])
    half = 0.5 * 0.9
    assert found["missing-r1"].certainty == pytest.approx(0.1 * half / (0.1 * half + 1 - half))


def test_nothing_is_missing_in_a_crowd():
    crowd = annotation(1, 1, 0, 0, side=90, iscrowd=1)
    crowd["segmentation"] = {"size": [100, 100], "counts": [0, 9000, 1000]}
    assert suspects_of([crowd, annotation(2, 2, 10, 10)], [row(1, 30, 30, score=0.99), row(2, 10, 10)]) == {}


def test_one_missing_object_is_proposed_once():
    """Two classes in one place: the better one is proposed."""
    rows = [row(1, 60, 60, score=0.8), row(1, 61, 60, category=7, score=0.9), row(2, 10, 10)]
    assert list(suspects_of([annotation(1, 2, 10, 10)], rows)) == ["missing-r1"]


def test_an_object_that_is_found_under_both_classes_keeps_its_own_if_that_scores_higher():
    rows = [row(1, 10, 10, score=0.9), row(1, 10, 10, category=7, score=0.8)]
    assert "class-a1-r1" not in suspects_of([annotation(1, 1, 10, 10)], rows)
    rows = [row(1, 10, 10, score=0.3), row(1, 10, 10, category=7, score=0.8)]
    assert "class-a1-r1" in suspects_of([annotation(1, 1, 10, 10)], rows)


def test_no_annotation_and_no_detection_is_in_two_suspects():
    rng = np.random.default_rng(4)
    places = rng.integers(0, 79, (120, 2)).tolist()
    annotations = [
        annotation(i, 1 + i % 4, x, y, category=(3, 7)[i % 2]) for i, (x, y) in enumerate(places[:60], 1)
    ]
    rows = [
        row(1 + i % 4, x, y, category=(3, 7)[i % 3 == 0], score=round(0.1 + 0.014 * i, 3))
        for i, (x, y) in enumerate(places[60:])
    ]
    found = suspects_of(annotations, rows).values()
    objects = [suspect.object for suspect in found if suspect.object is not None]
    objects += [suspect.other for suspect in found if suspect.other is not None]
    detections = [suspect.detection for suspect in found if suspect.detection is not None]
    assert len({suspect.kind for suspect in found}) >= 3
    assert len(set(objects)) == len(objects) and len(set(detections)) == len(detections)


def test_a_rarely_unsupported_size_is_more_suspicious():
    """400 objects: 200 small ones, of which 100 are not found, and 200 large ones, of which 2 are not."""
    area = np.repeat([10.0, 1000.0], 200)
    support = np.concatenate([np.zeros(100), np.full(100, 0.9), np.zeros(2), np.full(198, 0.9)])
    certainty = of_unsupported(support, area)
    assert certainty[0] == pytest.approx(0.03 / 0.5, rel=0.01)
    assert certainty[201] == 1  # 0.03 of 2 in 200, at most 1
    assert certainty[150] == pytest.approx(0.03)


def test_certainty_of_missing_at_its_ends():
    assert of_missing(np.array([0.0, 1.0]), np.ones(2)).tolist() == pytest.approx([0, 0.0999 / 0.1009])
    assert len(of_unsupported(np.zeros(0), np.zeros(0))) == 0
