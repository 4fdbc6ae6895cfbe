"""Numbers that follow from how many objects a picture has; those of the two recipes are found again."""

from __future__ import annotations

import pytest

from src.config import load_config
from src.data.suggest.canvas_rules import choose_canvas
from src.data.suggest.facts import TrainingTarget
from src.data.suggest.object_rules import (
    detections_suggestion,
    left_out_objects,
    mask_size,
    proposal_suggestions,
    roi_level_suggestion,
    slots_suggestion,
)
from tests.conftest import ROOT
from tests.data.suggest.drawn_facts import demo_like, facts, nuclei_like

# What the two recipes were tuned to by hand, and the rules give too.
SAME = (
    "rpn_proposal_nms_pre",
    "rpn_proposal_nms_post",
    "rpn_proposal_max_num",
    "rpn_nms_pre",
    "rpn_nms_post",
    "test_nms_pre",
    "num_expected_pos_stage2",
    "num_expected_neg_stage2",
    "num_expected_total_stage2",
    "num_mask_rois",
    "num_expected_neg",
    "num_expected_pos",
)


@pytest.mark.parametrize(("data", "recipe"), [(nuclei_like(), "nuclei"), (demo_like(), "demo")])
def test_the_recipes_are_found_again(data, recipe):
    config = load_config([], ROOT / "configs" / f"{recipe}.yaml")
    settings = {key: value for item in proposal_suggestions(data) for key, value in item.settings.items()}
    same = {key: settings[key] for key in SAME}
    if recipe == "nuclei":
        same["num_expected_neg_stage2"] = 192  # of 256 in all; with 64 positive ones both are the same
    assert same == {key: config[key] for key in SAME}


@pytest.mark.parametrize(
    ("counts", "slots", "left_out"),
    [
        ([43, 3], 48, 0),
        ([7, 5], 8, 0),
        ([1], 8, 0),
        ([128, 20], 128, 0),
        # 1 of 200 pictures has 300 objects, all others 40: 99% of them fit 40 slots.
        ([300] + [40] * 199, 40, 260),
        ([5000] * 3, 512, 3 * (5000 - 512)),
    ],
)
def test_slots_and_what_they_cost(counts, slots, left_out):
    data = facts((400, 400), [20], counts)
    suggestion = slots_suggestion(data, 2, 56)
    assert suggestion.settings == {"max_instance_count": slots}
    assert left_out_objects(data, slots) == left_out
    assert ("are left out" in suggestion.reason) == (left_out > 0)
    # Two pictures' masks of 56x56 bytes.
    assert f"{2 * slots * 56 * 56 / 1e6:.1f} MB" in suggestion.reason


def test_masks_are_larger_where_objects_are():
    """Two pixels a cell: 56 cells are enough for 112 pixels."""
    canvas = choose_canvas(facts((300, 300), [50], [3] * 9), TrainingTarget())
    assert mask_size(canvas, 112) == 56
    assert mask_size(canvas, 113) == 112


@pytest.mark.parametrize(
    ("most", "fewest", "expected"), [(7, 40, 40), (43, 40, 90), (30, 100, 100), (600, 40, 1000)]
)
def test_detections(most, fewest, expected):
    suggestion = detections_suggestion(facts((400, 400), [20], [most, 1]), fewest)
    assert suggestion.settings == {"test_max_per_img": expected}
    assert suggestion.basis == "from the data"


def test_more_objects_than_detections_is_said():
    suggestion = detections_suggestion(facts((400, 400), [20], [5000]), 40)
    assert suggestion.settings == {"test_max_per_img": 1000}
    assert "no picture may have more than 1000 detections; the fullest has 5000" in suggestion.reason


@pytest.mark.parametrize(("size", "expected"), [((192, 192), 28), ((360, 360), 56), ((256, 640), 28)])
def test_roi_levels_of_the_two_recipes(size, expected):
    """configs/demo.yaml has 28 on 192x192, configs/nuclei.yaml 56 on 384x384."""
    canvas = choose_canvas(facts(size, [50], [3] * 9), TrainingTarget())
    assert roi_level_suggestion(canvas).settings == {"roi_align_finest_scale": expected}
