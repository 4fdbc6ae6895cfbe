"""The learning rate."""

from __future__ import annotations

from .key import Key

KEYS = (
    Key("base_lr", 0.02, "learning rate after the warm-up", low=0, in_graph=False),
    Key(
        "base_step",
        None,
        "steps an epoch on one device for the schedule; not set: the data set's",
        kind=int,
        low=1,
        in_graph=False,
    ),
    Key("total_epoch", 13, "epochs the cosine takes to reach zero", low=1, in_graph=False),
    Key(
        "lr_schedule",
        "cosine",
        "'cosine' (the original's), 'multi_step', or detectron2's '1x', '2x', '3x', which also set how "
        "long a run is",
        choices=("cosine", "multi_step", "1x", "2x", "3x"),
        in_graph=False,
    ),
    Key(
        "lr_milestones",
        (2 / 3, 8 / 9),
        "lr_schedule=multi_step: where the rate falls: fractions of the run (up to 1), or updates",
        above=0,
        in_graph=False,
    ),
    Key("lr_gamma", 0.1, "what the rate is multiplied by at a milestone", above=0, in_graph=False),
    Key(
        "base_batch",
        None,
        "linear rule: base_lr is for so many pictures an update and is scaled to this run's; not set: "
        "as written",
        kind=int,
        low=1,
        in_graph=False,
    ),
    Key("warmup_step", 500, "steps of linear warm-up", low=0, in_graph=False),
    Key("warmup_ratio", 1 / 3, "learning rate at step 0 over base_lr", low=0, high=1, in_graph=False),
    Key(
        "sgd_momentum",
        0.9,
        "another name of momentum; as in the original, 0.91 is what acts when neither is written",
        alias="momentum",
    ),
)
