"""Bootstrap: a sample's figures are those of a data set that repeats its pictures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from src.evaluation.coco_engine import PYCOCOTOOLS, coco_arrays
from src.evaluation.coco_metrics import figures_of
from src.evaluation.coco_settings import CocoSettings
from src.evaluation.inputs import read_inputs
from src.evaluation.matching.bootstrap import draw_samples, intervals, paired_difference, sampled_figures
from src.evaluation.matching.table import make_match_table
from tests.evaluation.coco_examples import perfect_rows, small_truth
from tests.evaluation.random_problems import SETTINGS, random_problem

NAMES = ("AP", "AP50", "AP75")


def repeated(inputs, weights):
    """The same inputs with each picture as often as its weight says."""
    copies = {
        image_id: [1000 * place + copy for copy in range(weights[place])]
        for place, image_id in enumerate(inputs.image_ids)
    }

    def repeat(annotations):
        items = [{**item, "image_id": new} for item in annotations for new in copies[item["image_id"]]]
        return [{**item, "id": number} for number, item in enumerate(items, 1)]

    sizes = {new: inputs.truth.sizes[old] for old, ids in copies.items() for new in ids}
    return dataclasses.replace(
        inputs,
        truth=dataclasses.replace(inputs.truth, sizes=sizes, annotations=repeat(inputs.truth.annotations)),
        detections=repeat(inputs.detections),
        image_ids=sorted(sizes),
    )


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_a_sample_is_a_data_set_with_repeated_pictures(kind):
    for seed in range(12):
        inputs = random_problem(seed, kind, images=8, ties=False)
        weights = draw_samples(len(inputs.image_ids), samples=4, seed=seed)
        assert (weights.sum(axis=1) == len(inputs.image_ids)).all() and weights.max() > 1
        figures = sampled_figures(make_match_table(inputs, SETTINGS), weights)
        for sample, of_images in enumerate(weights.tolist()):
            arrays = coco_arrays(repeated(inputs, of_images), SETTINGS, PYCOCOTOOLS)
            expected = figures_of(arrays, SETTINGS)
            for name in NAMES:
                assert figures[name][sample] == pytest.approx(expected[name], abs=1e-9), (seed, name)


def test_intervals_hold_the_figures_and_repeat():
    inputs = random_problem(3, "bbox", images=40)
    table = make_match_table(inputs, SETTINGS)
    expected = figures_of(coco_arrays(inputs, SETTINGS, PYCOCOTOOLS), SETTINGS)
    first = intervals(table)
    assert list(first) == list(NAMES)
    for name, interval in first.items():
        assert interval.value == pytest.approx(expected[name], abs=1e-9)
        assert 0 <= interval.low <= interval.value <= interval.high <= 1
        # a normal distribution's 95% are 3.92 standard deviations wide
        assert interval.high - interval.low == pytest.approx(3.92 * interval.deviation, rel=0.2)
    assert intervals(table) == first
    assert intervals(table, seed=1) != first


def test_the_interval_shrinks_with_the_root_of_the_pictures():
    few = [intervals(make_match_table(random_problem(i, "bbox", 20), SETTINGS))["AP50"] for i in range(6)]
    many = [intervals(make_match_table(random_problem(i, "bbox", 180), SETTINGS))["AP50"] for i in range(6)]
    ratio = np.mean([each.deviation for each in few]) / np.mean([each.deviation for each in many])
    assert 2 < ratio < 4.5  # the root of 9 is 3


def test_the_interval_takes_off_what_samples_are_too_high_by():
    """The basic interval by its definition, from samples that are evaluated here."""
    inputs = random_problem(3, "bbox", images=40)
    table = make_match_table(inputs, SETTINGS)
    samples = sampled_figures(table, draw_samples(40, samples=100, seed=7))
    for name, interval in intervals(table, samples=100, seed=7).items():
        drawn = sorted(samples[name])
        assert 2 * interval.value - drawn[-2] <= interval.low <= 2 * interval.value - drawn[-5]
        assert interval.high == interval.value or (
            2 * interval.value - drawn[4] <= interval.high <= 2 * interval.value - drawn[1]
        )


def test_perfect_detections_have_no_interval():
    truth = small_truth()
    table = make_match_table(read_inputs(truth, perfect_rows(truth), "bbox"), CocoSettings())
    for interval in intervals(table).values():
        assert (interval.low, interval.high) == pytest.approx((1, 1))


def test_a_difference_of_equal_samples_is_zero():
    figures = sampled_figures(make_match_table(random_problem(3, "bbox"), SETTINGS), draw_samples(5, 50))
    zero = paired_difference(figures["AP"], figures["AP"], 0.0)
    assert zero == (0.0, 0.0, 0.0, 0.0)
    shifted = paired_difference(figures["AP"], figures["AP"] + 0.125, 0.125)
    assert (shifted.low, shifted.high, shifted.deviation) == pytest.approx((0.125, 0.125, 0.0), abs=1e-12)
