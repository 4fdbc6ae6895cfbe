"""The suggested anchors: of objects whose best anchor is known."""

from __future__ import annotations

import pytest

from src.data.suggest.anchor_rules import anchor_suggestion, choose_anchors, fit_of_anchors
from src.data.suggest.canvas_rules import Canvas
from src.data.suggest.facts import TrainingTarget
from tests.data.suggest.drawn_facts import facts

CANVAS = Canvas(512, 512, 1.0, 8.0, 40.0, False)


@pytest.mark.parametrize("scale", [4, 5, 6, 7])
def test_squares_of_an_anchors_sides_give_its_scale(scale):
    """Squares of 4, 8, 16 times the scale in the middle of a picture, where every level has a centre."""
    data = facts((512, 512), [4 * scale, 8 * scale, 16 * scale], [3] * 10, aligned=True)
    fit = choose_anchors(data, CANVAS, TrainingTarget())
    assert (fit.scales, fit.ratios) == ((scale,), (0.5, 1.0, 2.0))
    assert fit.reached == fit.good == 1
    assert fit.mean_iou == pytest.approx(1)


def test_the_shares_are_those_of_plain_overlaps():
    """Aligned squares of 8 and 32 pixels in anchors of 32: IoU (8/32)^2 = .0625 and 1."""
    data = facts((512, 512), [8, 32], [2] * 10, aligned=True)
    fit = fit_of_anchors(data, CANVAS, (8,), (1.0,))
    assert (fit.reached, fit.good) == (0.5, 0.5)
    assert fit.mean_iou == pytest.approx((0.0625 + 1) / 2)


def test_objects_are_measured_on_the_canvas():
    """Pictures of 1024x1024 are halved, so that squares of 64 pixels fit anchors of 32."""
    data = facts((1024, 1024), [64], [2] * 10, aligned=True)
    assert fit_of_anchors(data, CANVAS, (8,), (1.0,)).mean_iou == pytest.approx(1)


@pytest.mark.parametrize(("ratio", "expected"), [(6, (1.0, 2.0, 4.0)), (1 / 6, (0.25, 0.5, 1.0))])
def test_long_objects_get_long_anchors(ratio, expected):
    """Height over width 6: of equal area, an anchor of ratio 2 has 3**.5 of its width.

    They overlap by 3**-.5 = .58 of their areas, which is an IoU of .58 / (2 - .58) = .41 at most. One of
    ratio 4 overlaps by 1.5**-.5 = .82: an IoU of up to .69.
    """
    data = facts((512, 512), [34, 40, 45], [3] * 10, ratio=ratio)
    fit = choose_anchors(data, CANVAS, TrainingTarget())
    assert fit.ratios == expected


def test_weights_keep_their_anchors():
    data = facts((512, 512), [16], [3] * 10, aligned=True)
    target = TrainingTarget(weights="coco.ckpt", anchor_scales=(8.0,), anchor_ratios=(1.0,))
    fit = choose_anchors(data, CANVAS, target)
    assert fit.scales == (8.0,)
    assert fit.mean_iou == pytest.approx(0.25)  # 16x16 in 32x32
    suggestion = anchor_suggestion(fit, target)
    assert suggestion.settings == {}
    assert "0.0% of the objects" in suggestion.reason
