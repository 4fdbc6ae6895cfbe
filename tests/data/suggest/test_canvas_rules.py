"""The suggested canvas: smallest multiples of 64 that do, by arithmetic, and the recipes' own."""

from __future__ import annotations

import pytest

from src.config import load_config
from src.data.suggest.canvas_rules import canvas_suggestion, choose_canvas
from src.data.suggest.facts import TrainingTarget
from tests.conftest import ROOT
from tests.data.suggest.drawn_facts import coco_like, demo_like, facts, nuclei_like

CPU = TrainingTarget()


@pytest.mark.parametrize(("data", "recipe"), [(nuclei_like(), "nuclei"), (demo_like(), "demo")])
def test_the_small_recipes_have_the_canvas_that_is_suggested_for_their_data(data, recipe):
    config = load_config([], ROOT / "configs" / f"{recipe}.yaml")
    canvas = choose_canvas(data, CPU)
    assert (canvas.width, canvas.height, canvas.is_bounded) == (config.img_width, config.img_height, False)


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        # Objects of 4 pixels have to be twice as large: 400 pixels, of which the next multiple of 64 is 448.
        ((200, 200), 4, (448, 448)),
        # No further than twice, however small they are.
        ((128, 128), 2, (256, 256)),
        # Objects of 1000 pixels are still 64 pixels large at .064: 256x192.
        ((3000, 4000), 1000, (256, 192)),
        # Those of 400 have 64 pixels at .16: 640x480, of which multiples of 64 are 640x512.
        ((3000, 4000), 400, (576, 448)),
        # As large as they are: 300x400 fits 320x448.
        ((300, 400), 40, (448, 320)),
        ((400, 300), 40, (320, 448)),
    ],
)
def test_the_smallest_canvas_that_does(size, side, expected):
    canvas = choose_canvas(facts(size, [side], [3] * 20), CPU)
    assert (canvas.width, canvas.height) == expected


def test_a_panorama_fills_a_cpus_canvas():
    """8000x1000 at most at 512*512 pixels: 1344x192 = 258,048 has the scale .168; 1408x192 would be over.

    Objects of 40 pixels are 6.7 there, which is under the two cells of the finest level.
    """
    canvas = choose_canvas(facts((1000, 8000), [40], [30] * 20), CPU)
    assert (canvas.width, canvas.height) == (1344, 192)
    assert canvas.scale == pytest.approx(0.168)
    assert canvas.small_side == pytest.approx(40 * 0.168)
    assert canvas.is_bounded
    assert "limit is the area of 512x512" in canvas_suggestion(canvas, facts((9, 9), [3], [1]), CPU).reason


def test_coco_on_a_card_is_near_the_originals_canvas():
    """The default of 1280x768 has a geometric mean scale of 1.6 over two landscapes and 1.2 over a portrait.

    (1.6^2 * 1.2)^(1/3) = 1.454, of 983,040 pixels.
    """
    target = TrainingTarget("Ascend", weights="resnet50.ckpt")
    canvas = choose_canvas(coco_like(), target)
    assert 0.95 * 983_040 <= canvas.width * canvas.height <= 983_040
    assert 1.454 <= canvas.scale < 1.65
    assert canvas.width > canvas.height


def test_anchors_of_weights_want_objects_twice_as_large():
    """Objects of 10 pixels: 8 are enough with anchors of one's own, for those of weights 16 are wanted."""
    data = facts((256, 256), [10], [5] * 20)
    own = choose_canvas(data, CPU)
    given = choose_canvas(data, TrainingTarget("CPU", weights="coco.ckpt"))
    assert (own.width, own.height) == (256, 256)
    assert (given.width, given.height) == (448, 448)  # 256 * 1.6 = 409.6
