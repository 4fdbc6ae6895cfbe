"""The facts of measured objects."""

from __future__ import annotations

import numpy as np

from src.data.check.statistics import ObjectMeasurements
from src.data.suggest.facts import data_facts, evenly_chosen

# Three pictures, of which the second has no object; the class "bird" has none.
MEASURED = ObjectMeasurements(
    picture_index=np.array([0, 2, 2]),
    labels=np.array([1, 1, 3]),
    boxes=np.array([[0, 0, 10, 40], [5, 5, 9, 9], [0, 0, 20, 20]], np.float64),
    canvas_sides=np.zeros(3),
    best_ious=np.zeros(3),
    objects_per_picture=np.array([1, 0, 2]),
    picture_sizes=np.array([[100, 200], [50, 50], [400, 100]]),
)
NAMES = ("background", "cat", "bird", "dog")


def test_pictures_without_objects_are_left_out():
    facts = data_facts(MEASURED, NAMES, True)
    assert (facts.pictures, facts.objects, facts.classes, facts.empty_pictures) == (2, 3, 2, 1)
    assert facts.class_objects == {"cat": 2, "bird": 0, "dog": 1}
    assert facts.objects_per_picture.tolist() == [1, 2]
    assert facts.picture_index.tolist() == [0, 1, 1]
    # On 100x100: the first picture is halved, the last is a quarter; sides 20, 4 and 20.
    assert facts.canvas_sides(100, 100).tolist() == [10, 1, 5]


def test_or_kept():
    facts = data_facts(MEASURED, NAMES, True, keep_empty=True)
    assert (facts.pictures, facts.empty_pictures) == (3, 0)
    assert facts.objects_per_picture.tolist() == [1, 0, 2]
    assert facts.picture_index.tolist() == [0, 2, 2]


def test_many_values_are_chosen_from_evenly():
    assert evenly_chosen(np.arange(101), 5).tolist() == [0, 25, 50, 75, 100]
    assert evenly_chosen(np.arange(3), 5).tolist() == [0, 1, 2]
