"""Which pictures stand behind a number: counted again with plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from src.evaluation.matching.confusion import confusion_matrix
from src.evaluation.matching.details import detailed_figures
from src.evaluation.matching.table import make_match_table
from src.report.picture_lists import (
    PictureList,
    best_and_worst,
    confusion_lists,
    embedded_images,
    errors_by_size,
)
from tests.evaluation.random_problems import SETTINGS, random_problem

SCORE = 0.4


def problem(seed, kind="bbox"):
    table = make_match_table(random_problem(seed, kind, images=8), SETTINGS)
    return table, confusion_matrix(table, table.reference, SCORE)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
@pytest.mark.parametrize("seed", range(8))
def test_a_cell_has_the_pictures_of_the_matrix(seed, kind):
    table, confusion = problem(seed, kind)
    lists = confusion_lists(table, confusion, range(len(confusion.matrix)))
    cells = 0
    for row in range(len(confusion.matrix)):
        for column in range(len(confusion.matrix)):
            key = f"{kind}-cell-{row}-{column}"
            assert (key in lists) == (confusion.matrix[row, column] > 0)
            if key in lists:
                cells += 1
                ids = [table.image_ids[image] for image in lists[key].images]
                assert sorted(ids) == confusion.pictures(table, row, column)
                assert lists[key].total == len(ids)
    assert cells == len(lists) > 0


@pytest.mark.parametrize("seed", range(8))
def test_errors_by_size_are_those_of_precision_and_recall(seed):
    """Summed over the sizes: objects, misses and false detections of each class in `at_score`."""
    table, _ = problem(seed)
    figures = detailed_figures(table, samples=2)
    confusion = confusion_matrix(table, table.reference, figures["score"])
    counts = errors_by_size(table, confusion)
    for category, row in enumerate(figures["classes"]):
        assert counts.objects[category].sum() == row["objects"]
        assert counts.missed[category].sum() == row["at_score"]["missed"]
        assert counts.false[category].sum() == row["at_score"]["false"]
    for key, entry in counts.lists.items():
        _, what, category, size = key.split("-")
        assert getattr(counts, what)[int(category), int(size)] >= entry.total > 0


@pytest.mark.parametrize("seed", range(8))
def test_the_worst_picture_has_the_lowest_f1(seed):
    table, confusion = problem(seed)
    f1 = {}
    for image in range(len(table.image_ids)):
        true = false = missed = 0
        for entry in range(len(confusion.detection)):
            detection, target = confusion.detection[entry], confusion.object[entry]
            own = table.detections.image[detection] if detection >= 0 else table.objects.image[target]
            if own != image:
                continue
            is_true = confusion.true_class[entry] == confusion.predicted_class[entry]
            true += is_true
            false += detection >= 0 and not is_true
            missed += target >= 0 and not is_true
        if true + false + missed:
            f1[image] = 2 * true / (2 * true + false + missed)
    ranking = best_and_worst(table, confusion)
    worst, best = ranking["worst"].images, ranking["best"].images
    assert [f1[image] for image in worst] == pytest.approx(sorted(v for v in f1.values() if v < 1)[:12])
    assert not set(worst) & set(best)
    assert all(f1[image] == 1 for image in best) or len(worst) == 12


def test_each_list_gets_a_picture_before_one_gets_two():
    lists = {
        "worst": PictureList("", [9], 1),
        "best": PictureList("", [8], 1),
        "bbox-cell-0-0": PictureList("", [1, 2, 3], 3),
        "bbox-cell-0-1": PictureList("", [4, 1], 2),
        "bbox-mistake-7": PictureList("", [7], 1),
    }
    assert embedded_images(lists, 100) == [9, 8, 7, 1, 4, 2, 3]
    assert embedded_images(lists, 5) == [9, 8, 7, 1, 4]
    assert np.unique(embedded_images(lists, 3)).size == 3
