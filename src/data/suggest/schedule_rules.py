"""Batch, length of the run, optimiser and learning rate."""

from __future__ import annotations

import math
from typing import List, NamedTuple

from .canvas_rules import Canvas
from .facts import DataFacts, TrainingTarget
from .network_rules import NetworkChoice
from .suggestion import DATA, DEFAULT, MEASURED, PUBLISHED, SCALED, Suggestion, counted

# From scratch. configs/nuclei.yaml shows 13,200 objects of one class in 280 updates, configs/demo.yaml 16,000
# of four classes in 1,710.
_OBJECTS_SHOWN = 14_000
_OBJECTS_SHOWN_OF_A_CLASS = 3_500
_FEWEST_UPDATES = 250
_MOST_UPDATES = 2_000  # for up to four classes, in proportion for more
# docs/results.md, "Overfitting eight pictures": after 72 to 88 views of each.
_MOST_EPOCHS = 100
_EPOCHS_RESNET50_GN = 37  # detectron2's 3x
# With weights: detectron2's tutorial takes 300 updates for 61 pictures and says that more are needed in
# practice; its 1x schedule is 12 epochs of COCO.
_FEWEST_FINE_TUNING_UPDATES = 1_000
_FINE_TUNING_EPOCHS = 12
_ENOUGH_UPDATES = 10_000  # more pictures an update would leave enough of them
_START_SECONDS = 30  # start, conversion of some thousand pictures, compilation of the graph


class RunLength(NamedTuple):
    """How long a run is.

    Attributes:
        epochs: of all pictures.
        steps: training steps of an epoch, each one update of the weights.
    """

    epochs: int
    steps: int

    @property
    def updates(self) -> int:
        return self.epochs * self.steps


def batch_size(facts: DataFacts) -> int:
    """Two pictures a step, as in every recipe: with larger batches a short run has too few updates."""
    return min(2, facts.pictures)


def small_network_length(facts: DataFacts, batch: int) -> RunLength:
    """The run of a small network from scratch.

    It shows 14,000 objects, about as the two small recipes, or 3,500 of each class where there are more than
    four. It has at least 250 updates, and at most 2,000 (the demo has 1,710) for four classes or fewer, in
    proportion for more. No picture is shown over 100 times unless 250 updates need it, and all are shown once
    at least.
    """
    steps = math.ceil(facts.pictures / batch)
    shown = max(_OBJECTS_SHOWN, _OBJECTS_SHOWN_OF_A_CLASS * facts.classes)
    epochs = min(math.ceil(shown / facts.objects), _MOST_EPOCHS)
    most_updates = _MOST_UPDATES * max(1, facts.classes / 4)
    epochs = min(epochs, int(most_updates // steps))
    return RunLength(max(1, epochs, math.ceil(_FEWEST_UPDATES / steps)), steps)


def run_length(facts: DataFacts, target: TrainingTarget, network: NetworkChoice, batch: int) -> RunLength:
    """The run of the chosen network."""
    if network.is_small:
        return small_network_length(facts, batch)
    steps = math.ceil(facts.pictures / batch)
    if not target.weights:
        return RunLength(_EPOCHS_RESNET50_GN, steps)
    epochs = max(_FINE_TUNING_EPOCHS, math.ceil(_FEWEST_FINE_TUNING_UPDATES / steps))
    return RunLength(min(epochs, max(_MOST_EPOCHS, math.ceil(_FEWEST_UPDATES / steps))), steps)


def run_minutes(network: NetworkChoice, length: RunLength, batch: int, canvas: Canvas) -> float:
    """About how many minutes a run takes on two cores of a CPU with AVX-512, without evaluations."""
    return (_START_SECONDS + length.updates * network.seconds_of_step(batch, canvas)) / 60


def batch_suggestion(length: RunLength, batch: int) -> Suggestion:
    """The batch with its reason."""
    reason = (
        f"{length.updates} updates in all; with 8 pictures a step it would be a quarter, and the number of "
        "updates is what limits a short run"
    )
    if batch == 1:
        reason = "there is one picture"
    elif length.updates > _ENOUGH_UPDATES:
        reason = "as in every recipe (two pictures of 1280x768 and ResNet-50 take 9.7 GB on a CPU)"
        return Suggestion({"batch_size": batch}, reason, DEFAULT)
    return Suggestion({"batch_size": batch}, reason, DATA)


def length_suggestion(
    facts: DataFacts, target: TrainingTarget, network: NetworkChoice, length: RunLength
) -> Suggestion:
    """The number of epochs with its reason."""
    settings = {"epoch_size": length.epochs}
    if network.is_small:
        settings["total_epoch"] = length.epochs
        shown = length.epochs * facts.objects
        reason = (
            f"{length.epochs} x {facts.pictures} pictures, {length.updates} updates: {shown} objects are "
            f"shown, classes: {facts.classes} (configs/nuclei.yaml has 13200 of one, configs/demo.yaml "
            "16000 of four)"
        )
        return Suggestion(settings, reason, MEASURED if facts.is_like_measured else SCALED)
    settings.update({"lr_schedule": "multi_step", "lr_milestones": [0.6667, 0.8889]})
    if not target.weights:
        reason = f"detectron2's 3x schedule for training from scratch: {_EPOCHS_RESNET50_GN} epochs"
    elif length.epochs == _FINE_TUNING_EPOCHS:
        reason = f"detectron2's 1x schedule is 12 epochs; {length.updates} updates here"
    else:
        reason = (
            f"{length.updates} updates of {facts.pictures} pictures, as at least "
            f"{_FEWEST_FINE_TUNING_UPDATES} are wanted (or {_MOST_EPOCHS} epochs); falls as in "
            "detectron2's 1x schedule"
        )
    return Suggestion(settings, reason, PUBLISHED)


def rate_suggestions(facts: DataFacts, network: NetworkChoice, length: RunLength) -> List[Suggestion]:
    """Optimiser, learning rate and warm-up."""
    if network.is_small:
        basis = MEASURED if facts.is_like_measured else SCALED
        warmup = min(50, length.updates // 7)
        return [
            Suggestion(
                {"optimizer": "adamw", "base_lr": 0.001, "weight_decay": 0.01, "clip_grad_norm": 5.0},
                "as in both small recipes; the demo's segm AP was .743 with this rate, .705 with twice it",
                basis,
            ),
            Suggestion(
                {"warmup_step": warmup, "warmup_ratio": 0.01},
                f"a seventh of {length.updates} updates, at most 50; then a cosine down to 0",
                basis,
            ),
        ]
    warmup = min(1000, length.updates // 10)
    return [
        Suggestion(
            {
                "base_lr": 0.02,
                "base_batch": 16,
                "momentum": 0.9,
                "weight_decay": 0.0001,
                "clip_grad_norm": 35.0,
            },
            "detectron2's rate, .02 for 16 pictures an update, in proportion for fewer",
            PUBLISHED,
        ),
        Suggestion(
            {"warmup_step": warmup, "warmup_ratio": 0.001},
            f"a tenth of {length.updates} updates, at most the 1000 of detectron2's schedules",
            PUBLISHED,
        ),
    ]


def augmentation_suggestions(network: NetworkChoice, canvas: Canvas) -> List[Suggestion]:
    """Mirrored pictures always; other sizes with ResNet-50, as in detectron2."""
    found = [
        Suggestion(
            {"expand_ratio": 0.0},
            "no recipe makes pictures smaller at random; mirroring stays on",
            MEASURED if network.is_small else PUBLISHED,
        )
    ]
    if not network.is_small:
        short = min(canvas.width, canvas.height)
        sides = sorted({int(short * part / 16) // 16 * 16 for part in (13, 14, 15, 16)})
        sides = [side for side in sides if side >= 32]
        reason = f"short sides of .8 to 1 of the canvas's {short}, as detectron2's 640 to 800"
        found.append(Suggestion({"multi_scale": sides}, reason, PUBLISHED))
    return found


def checkpoint_suggestion(target: TrainingTarget, length: RunLength, network: NetworkChoice) -> Suggestion:
    """When weights are kept and evaluated."""
    every = max(1, length.epochs // 4)
    settings = {"save_checkpoint_epochs": every, "keep_checkpoint_max": 2}
    reason = f"a checkpoint after every {counted(every, 'epoch')}, of which two are kept"
    if target.validation is None:
        reason += "; there is no split to evaluate"
    elif network.is_small:
        settings["eval_interval"] = length.epochs
        reason += "; COCO's figures of the evaluation split at the end"
    else:
        settings["eval_interval"] = max(1, length.epochs // 12)
        settings["early_stop"] = 4
        reason += "; evaluated twelve times, four times without a better AP end the run"
    return Suggestion(settings, reason, DEFAULT)
