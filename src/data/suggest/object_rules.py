"""Numbers that follow from how many objects a picture has: slots, proposals, RoIs, detections."""

from __future__ import annotations

from typing import List

from .canvas_rules import Canvas
from .facts import DataFacts
from .suggestion import DATA, DEFAULT, MEASURED, SCALED, Suggestion, between, round_up

_MOST_SLOTS = 512
_MANY_OBJECTS = 128  # up to here a slot for the fullest picture costs little
_MOST_DETECTIONS = 1000
_MEASURED_OBJECTS = 43  # of the fullest picture of the nuclei
_SHORT_CANVAS = 256
_SMALL_MASK = 56  # the mask head predicts 28x28
_LARGE_MASK = 112


def slots_suggestion(facts: DataFacts, batch: int, mask_size: int) -> Suggestion:
    """max_instance_count: a slot for every object of the fullest picture, if these are 128 at most.

    Else for 99% of the pictures, 512 at most; of fuller pictures the largest objects are taken.
    """
    most = int(facts.objects_per_picture.max())
    wanted = most if most <= _MANY_OBJECTS else facts.objects_quantile(0.99)
    slots = between(8, round_up(wanted, 8), _MOST_SLOTS)
    megabytes = batch * slots * mask_size**2 / 1e6
    reason = f"the fullest picture has {most} objects, 99% have up to {facts.objects_quantile(0.99):.0f}"
    if slots < most:
        reason += f"; {left_out_objects(facts, slots)} objects of {facts.objects} are left out"
    reason += (
        f". A batch's masks take {megabytes:.1f} MB ({batch} x {slots} slots of {mask_size}x{mask_size})"
    )
    return Suggestion({"max_instance_count": slots}, reason, DATA)


def left_out_objects(facts: DataFacts, slots: int) -> int:
    """How many objects are over a number of slots a picture."""
    return int((facts.objects_per_picture - slots).clip(0).sum())


def mask_size(canvas: Canvas, largest_side: float) -> int:
    """gt_mask_size: two cells for one of the mask head's 28 as in both small recipes.

    112 where 5% of the objects have a side over 112 canvas pixels, of which a cell would be more than two.
    """
    return _LARGE_MASK if largest_side > _LARGE_MASK else _SMALL_MASK


def mask_size_suggestion(size: int, largest_side: float) -> Suggestion:
    reason = f"95% of the objects have a side up to {largest_side:.0f} pixels on the canvas, "
    if size == _SMALL_MASK:
        reason += f"so a cell of {size}x{size} is at most two pixels wide"
    else:
        reason += f"{size} is the default"
    return Suggestion({"gt_mask_size": size}, reason, DATA)


def proposal_suggestions(facts: DataFacts) -> List[Suggestion]:
    """Proposals, sampled RoIs and detections of a small network, in proportion to the objects of a picture.

    Source: configs/nuclei.yaml (43 objects at most, 23 in the median) and configs/demo.yaml (7 and 5).
    Training proposals are 23 and 29 times the most objects in them, those of inference 12 and 4 times,
    positive RoIs 3 times the median, and these a quarter (as in the paper) and a sixth of all RoIs. Five
    times as many proposals at inference as objects gave the nuclei a segm AP of .644, 12 times .658, 24 times
    .657 (docs/results.md); few of them gave the demo fewer wrong boxes.
    """
    busy = facts.objects_quantile(0.99)
    typical = facts.objects_quantile(0.5)
    training = between(200, round_up(25 * busy, 100), 2000)
    candidates = between(200, round_up(12 * busy, 100), 1000)
    inference = between(30, round_up(12 * busy, 10), 1000)
    positive = between(16, round_up(2.75 * typical, 8), 128)
    total = between(96, 4 * positive, 512)
    basis = MEASURED if busy <= _MEASURED_OBJECTS else SCALED
    return [
        Suggestion(
            {f"rpn_proposal_{name}": training for name in ("nms_pre", "nms_post", "max_num")},
            f"training: 25 times the {busy:.0f} objects of a full picture, 200 to 2000",
            basis,
        ),
        Suggestion(
            {
                "rpn_nms_pre": candidates,
                "rpn_nms_post": candidates,
                "rpn_max_num": inference,
                "test_nms_pre": candidates,
            },
            f"inference: 12 times the {busy:.0f} objects of a full picture, 30 to 1000 (the nuclei's segm "
            "AP: .644 with 5 times, .658 with 12, .657 with 24)",
            basis,
        ),
        Suggestion(
            {
                "num_expected_pos_stage2": positive,
                "num_expected_neg_stage2": total,
                "num_expected_total_stage2": total,
                "num_mask_rois": positive * 3 // 4,
            },
            f"about three RoIs for each of the {typical:.0f} objects of a usual picture, a quarter of all "
            "RoIs or less; masks are learnt from three quarters of them",
            basis,
        ),
        Suggestion(
            {
                "num_expected_neg": 128 if typical <= 8 else 256,
                "num_expected_pos": 64 if typical <= 8 else 128,
            },
            f"anchors sampled a picture, for {typical:.0f} objects in a usual one",
            basis,
        ),
    ]


def roi_level_suggestion(canvas: Canvas) -> Suggestion:
    """roi_align_finest_scale of a small network: 28 on a canvas with a short side up to 256, else 56.

    The demo's shapes on 192x192, seed 1: bbox AP .784 and segm AP .808 with 28 (configs/demo.yaml), .763 and
    .815 with 56 (docs/results.md). On 384x384 the nuclei's recipe has 56, and no other was tried.
    """
    short = min(canvas.width, canvas.height)
    if short <= _SHORT_CANVAS:
        reason = (
            f"a canvas of {short} pixels (the demo's bbox and segm AP on one of 192: .784, .808 with 28; "
            ".763, .815 with 56)"
        )
        return Suggestion({"roi_align_finest_scale": 28}, reason, MEASURED)
    return Suggestion(
        {"roi_align_finest_scale": 56}, f"a canvas of {short} pixels, as configs/nuclei.yaml", DEFAULT
    )


def detections_suggestion(facts: DataFacts, fewest: int) -> Suggestion:
    """test_max_per_img: twice the objects of the fullest picture, at least `fewest`."""
    most = int(facts.objects_per_picture.max())
    number = between(fewest, round_up(2 * most, 10), _MOST_DETECTIONS)
    if number < most:
        reason = f"no picture may have more than {number} detections; the fullest has {most} objects"
        return Suggestion({"test_max_per_img": number}, reason, DEFAULT)
    return Suggestion(
        {"test_max_per_img": number},
        f"twice the {most} objects of the fullest picture, at least {fewest}",
        DATA,
    )
