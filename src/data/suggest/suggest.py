"""All suggestions for a data set, in the order in which they are shown and written."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple

import numpy as np

from .anchor_rules import anchor_suggestion, choose_anchors
from .canvas_rules import canvas_suggestion, choose_canvas
from .cautions import FEWEST_OBJECTS, cautions
from .facts import DataFacts, TrainingTarget
from .network_rules import WIDER, choose_network, network_suggestions
from .object_rules import (
    detections_suggestion,
    mask_size,
    mask_size_suggestion,
    proposal_suggestions,
    roi_level_suggestion,
    slots_suggestion,
)
from .schedule_rules import (
    augmentation_suggestions,
    batch_size,
    batch_suggestion,
    checkpoint_suggestion,
    length_suggestion,
    rate_suggestions,
    run_length,
    run_minutes,
    small_network_length,
)
from .suggestion import DATA, DEFAULT, Suggestion


class Suggestions(NamedTuple):
    """What is suggested for a data set.

    Attributes:
        items: the suggestions; empty if the data are too few.
        cautions: lines about the data.
        minutes: of the run on two cores of a CPU, about.
    """

    items: List[Suggestion]
    cautions: List[str]
    minutes: float

    @property
    def settings(self) -> Dict[str, Any]:
        """All suggested settings."""
        return {key: value for item in self.items for key, value in item.settings.items()}


def suggest(facts: DataFacts, target: TrainingTarget) -> Suggestions:
    """Suggest settings for a data set by the rules of this folder.

    Of fewer than 10 objects nothing follows: there are no suggestions then, and one line that says so.
    """
    if facts.objects < FEWEST_OBJECTS:
        line = (
            f"{facts.objects} objects to learn from: nothing can be suggested from fewer than "
            f"{FEWEST_OBJECTS}; label more pictures"
        )
        return Suggestions([], [line], 0.0)
    canvas = choose_canvas(facts, target)
    fit = choose_anchors(facts, canvas, target)
    batch = batch_size(facts)
    small_length = small_network_length(facts, batch)
    network = choose_network(facts, target, canvas, batch, small_length.updates)
    length = run_length(facts, target, network, batch)
    wider_seconds = small_length.updates * WIDER.seconds_of_step(batch, canvas)
    largest = float(np.quantile(facts.canvas_sides(canvas.width, canvas.height), 0.95))
    size = mask_size(canvas, largest)
    slots = slots_suggestion(facts, batch, size)
    minutes = run_minutes(network, length, batch, canvas)
    items = [
        _device_suggestion(target, minutes),
        canvas_suggestion(canvas, facts, target),
        anchor_suggestion(fit, target),
        slots,
        mask_size_suggestion(size, largest),
        *network_suggestions(network, facts, target, wider_seconds),
        *([*proposal_suggestions(facts), roi_level_suggestion(canvas)] if network.is_small else []),
        detections_suggestion(facts, 40 if network.is_small else 100),
        batch_suggestion(length, batch),
        length_suggestion(facts, target, network, length),
        *rate_suggestions(facts, network, length),
        *augmentation_suggestions(network, canvas),
        checkpoint_suggestion(target, length, network),
    ]
    lines = cautions(facts, target, canvas, fit, slots.settings["max_instance_count"], minutes)
    return Suggestions(items, lines, minutes)


def _device_suggestion(target: TrainingTarget, minutes: float) -> Suggestion:
    if target.device == "CPU":
        reason = f"sizes for a CPU: about {minutes:.0f} minutes on 2 cores with AVX-512"
        return Suggestion({"device_target": "CPU"}, reason, DATA)
    return Suggestion({"device_target": "Ascend"}, "for a card; nothing of this was measured on one", DEFAULT)
