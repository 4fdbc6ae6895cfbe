"""What stands in the way of a good result, in lines for users."""

from __future__ import annotations

import math
from typing import List, Optional

from ...errors import one_line
from .anchor_rules import AnchorFit
from .canvas_rules import Canvas, smallest_wanted_side
from .facts import DataFacts, TrainingTarget
from .object_rules import left_out_objects
from .suggestion import counted

FEWEST_OBJECTS = 10
_FEW_OBJECTS_OF_A_CLASS = 20
_FEW_PICTURES = 20
_IMBALANCE = 20
_LEARNABLE_SIDE = 8  # two cells of the finest level
_MANY_SMALL = 0.1
_LONG_MINUTES = 60
_SHOWN_CLASSES = 5


def cautions(
    facts: DataFacts, target: TrainingTarget, canvas: Canvas, fit: AnchorFit, slots: int, minutes: float
) -> List[str]:
    """One line for each thing that a user should know before training.

    Args:
        facts, target: as elsewhere.
        canvas, fit, slots: the suggested canvas, anchors and max_instance_count.
        minutes: what the run takes on a CPU.
    """
    lines = [
        _few_pictures(facts),
        _few_objects(facts),
        _imbalance(facts),
        _small_objects(facts, canvas, target),
        _unreached(fit),
        _left_out(facts, slots),
        _no_masks(facts),
        _empty_pictures(facts),
        _no_validation(facts, target),
        _no_weights(facts, target),
        _long_run(target, minutes),
    ]
    return [one_line(line) for line in lines if line]


def _few_pictures(facts: DataFacts) -> Optional[str]:
    if facts.pictures >= _FEW_PICTURES:
        return None
    return (
        f"only {counted(facts.pictures, 'picture')}: what is learnt is these by heart; how well the network "
        "does has to be seen on others"
    )


def _few_objects(facts: DataFacts) -> Optional[str]:
    few = {name: count for name, count in facts.class_objects.items() if count < _FEW_OBJECTS_OF_A_CLASS}
    if not few:
        return None
    names = sorted(few, key=few.get, reverse=True)
    shown = ", ".join(f"{name} ({few[name]})" for name in names[:_SHOWN_CLASSES])
    more = f" and {len(few) - _SHOWN_CLASSES} more" if len(few) > _SHOWN_CLASSES else ""
    return f"classes with fewer than {_FEW_OBJECTS_OF_A_CLASS} objects will hardly be found: {shown}{more}"


def _imbalance(facts: DataFacts) -> Optional[str]:
    counts = {name: n for name, n in facts.class_objects.items() if n >= _FEW_OBJECTS_OF_A_CLASS}
    if len(counts) < 2:
        return None
    most = max(counts, key=counts.get)
    least = min(counts, key=counts.get)
    if counts[most] < _IMBALANCE * counts[least]:
        return None
    return (
        f"imbalance: {counts[most]} objects of '{most}', {counts[least]} of '{least}'; "
        "repeat_factor_threshold=0.01 shows pictures of rare classes more often (not measured here)"
    )


def _small_objects(facts: DataFacts, canvas: Canvas, target: TrainingTarget) -> Optional[str]:
    small = float((facts.canvas_sides(canvas.width, canvas.height) < _LEARNABLE_SIDE).mean())
    if small < _MANY_SMALL:
        return None
    text = f"{small:.0%} of the objects are under {_LEARNABLE_SIDE} pixels on the canvas and hardly learnt; "
    if not canvas.is_bounded:
        return text + "pictures of a higher resolution would help"
    side = math.sqrt(canvas.width * canvas.height) / canvas.scale
    side *= canvas.small_side / smallest_wanted_side(target)
    return text + f"cut the pictures into parts of about {side:.0f} pixels a side, and predict with --tiles"


def _unreached(fit: AnchorFit) -> Optional[str]:
    if fit.reached >= 0.95:
        return None
    return f"{1 - fit.reached:.0%} of the objects have no anchor of IoU .3 and are hardly learnt"


def _left_out(facts: DataFacts, slots: int) -> Optional[str]:
    number = left_out_objects(facts, slots)
    if not number:
        return None
    return (
        f"{number} of {facts.objects} objects are over max_instance_count={slots} in their picture and are "
        "taken for background: cut such pictures into parts"
    )


def _no_masks(facts: DataFacts) -> Optional[str]:
    if facts.has_masks:
        return None
    return "the objects have boxes alone: boxes are learnt, and the masks that come out mean nothing"


def _empty_pictures(facts: DataFacts) -> Optional[str]:
    if not facts.empty_pictures:
        return None
    return (
        f"left out as they have no object: {counted(facts.empty_pictures, 'picture')}; if they show none, "
        "keep_empty=True learns that; if they are not labelled yet, leave it so"
    )


def _no_validation(facts: DataFacts, target: TrainingTarget) -> Optional[str]:
    if target.validation is not None:
        return None
    if facts.pictures < 5:
        return "no evaluation split, so no AP: label further pictures for one"
    return (
        "no evaluation split, so no AP: convert_data.py SOURCE OUT --to coco --split .8/.2 makes one, of "
        f"about {counted(facts.pictures // 5, 'picture')} of {facts.pictures}"
    )


def _no_weights(facts: DataFacts, target: TrainingTarget) -> Optional[str]:
    if target.weights or facts.is_like_measured:
        return None
    return (
        "training from scratch was measured with up to 1,710 pictures and 4 classes, here are "
        f"{facts.pictures} and {facts.classes}; pre_trained=FILE suggests for weights trained on COCO"
    )


def _long_run(target: TrainingTarget, minutes: float) -> Optional[str]:
    if target.device != "CPU" or minutes < _LONG_MINUTES:
        return None
    time = f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours"
    return (
        f"about {time} on 2 CPU cores; max_steps=N ends it earlier, and "
        "device_target=Ascend suggests for a card"
    )
