"""The anchors, by how many objects they reach."""

from __future__ import annotations

from typing import NamedTuple, Sequence, Tuple

from ..check.anchor_overlap import AnchorSettings, best_anchor_iou
from .canvas_rules import Canvas
from .facts import DataFacts, TrainingTarget, evenly_chosen, fitting_scale
from .suggestion import DATA, Suggestion

_STRIDES = (4, 8, 16, 32, 64)
_REACHED = 0.3  # min_pos_iou: an object without an anchor of this IoU is never learnt by the RPN
_GOOD = 0.5
# Levels double, so scales over one octave are all there are; 4 makes the smallest anchor 16 pixels.
_SCALES = (4, 5, 6, 7, 8)
_DEFAULT_RATIOS = (0.5, 1.0, 2.0)
_OTHER_RATIOS = ((0.25, 0.5, 1.0), (1.0, 2.0, 4.0), (0.25, 0.5, 1.0, 2.0, 4.0))
_WORTH_OTHER_RATIOS = (
    0.1  # share of the objects; COCO would gain .05 by five ratios, and is trained with three
)


class AnchorFit(NamedTuple):
    """Anchors and how well they fit.

    Attributes:
        scales, ratios: as the keys anchor_scales and anchor_ratios.
        reached: share of the objects with an anchor of at least IoU .3.
        good: the same for IoU .5.
        mean_iou: mean over the objects of the largest IoU of any anchor.
    """

    scales: Tuple[float, ...]
    ratios: Tuple[float, ...]
    reached: float
    good: float
    mean_iou: float


def fit_of_anchors(
    facts: DataFacts, canvas: Canvas, scales: Sequence[float], ratios: Sequence[float]
) -> AnchorFit:
    """How well anchors fit the objects on a canvas; of many objects a part is measured."""
    sizes = facts.picture_sizes[evenly_chosen(facts.picture_index)]
    factor = fitting_scale(sizes, canvas.width, canvas.height)
    anchors = AnchorSettings(
        canvas_size=(canvas.height, canvas.width),
        feature_shapes=tuple((-(-canvas.height // s), -(-canvas.width // s)) for s in _STRIDES),
        strides=_STRIDES,
        scales=tuple(scales),
        ratios=tuple(ratios),
        rounded=False,
    )
    ious = best_anchor_iou(anchors, evenly_chosen(facts.boxes) * factor[:, None])
    return AnchorFit(
        anchors.scales,
        anchors.ratios,
        reached=float((ious >= _REACHED).mean()),
        good=float((ious >= _GOOD).mean()),
        mean_iou=float(ious.mean()),
    )


def choose_anchors(facts: DataFacts, canvas: Canvas, target: TrainingTarget) -> AnchorFit:
    """The anchors of the weights, or those that fit best.

    One scale a level, as in the FPN paper (Lin et al. 2017): the one with the largest sum of the share of
    objects that are reached (IoU .3) and the mean of the best IoUs. Two scales brought the nuclei nothing
    (docs/results.md), although a mean of .68 instead of .63. Ratios other than the default's are taken
    where they bring an anchor of IoU .5 to a tenth more of the objects.
    """
    if target.weights:
        return fit_of_anchors(facts, canvas, target.anchor_scales, target.anchor_ratios)
    fits = [fit_of_anchors(facts, canvas, (scale,), _DEFAULT_RATIOS) for scale in _SCALES]
    best = max(fits, key=lambda fit: fit.reached + fit.mean_iou)
    others = [fit_of_anchors(facts, canvas, best.scales, ratios) for ratios in _OTHER_RATIOS]
    other = max(others, key=lambda fit: fit.good)
    return other if other.good >= best.good + _WORTH_OTHER_RATIOS else best


def anchor_suggestion(fit: AnchorFit, target: TrainingTarget) -> Suggestion:
    """The anchors with their reason; none are set where the weights fix them."""
    reached = (
        f"{fit.reached:.1%} of the objects have an anchor of IoU .3 (the least that is learnt from), "
        f"{fit.good:.1%} one of IoU .5; mean of the best {fit.mean_iou:.2f}"
    )
    if target.weights:
        return Suggestion({}, f"the anchors are those of the weights: {reached}", DATA)
    smallest = min(fit.scales) * _STRIDES[0]
    settings = {"anchor_scales": list(fit.scales), "anchor_ratios": list(fit.ratios)}
    return Suggestion(settings, f"sides from {smallest:g} pixels, doubling: {reached}", DATA)
