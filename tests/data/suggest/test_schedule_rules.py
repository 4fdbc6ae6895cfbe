"""How long a run is, in epochs and minutes, and its rate."""

from __future__ import annotations

import pytest

from src.config import load_config
from src.data.suggest.canvas_rules import Canvas
from src.data.suggest.facts import TrainingTarget
from src.data.suggest.network_rules import NARROW, RESNET50, RESNET50_GN, WIDER, choose_network
from src.data.suggest.schedule_rules import (
    RunLength,
    batch_size,
    rate_suggestions,
    run_length,
    run_minutes,
    small_network_length,
)
from tests.conftest import ROOT
from tests.data.suggest.drawn_facts import coco_like, demo_like, facts, nuclei_like

CPU = TrainingTarget()
WEIGHTS = TrainingTarget("CPU", weights="coco.ckpt")
SMALL_CANVAS = Canvas(192, 192, 1.0, 19.0, 47.0, False)


@pytest.mark.parametrize(
    ("data", "recipe", "steps"), [(nuclei_like(), "nuclei", 35), (demo_like(), "demo", 855)]
)
def test_the_small_recipes_epochs(data, recipe, steps):
    config = load_config([], ROOT / "configs" / f"{recipe}.yaml")
    found = small_network_length(data, config.batch_size)
    assert found.steps == steps
    assert config.epoch_size <= found.epochs <= config.epoch_size + 1


@pytest.mark.parametrize(
    ("counts", "classes", "expected"),
    [
        # One picture is shown until there are 250 updates.
        ([20], 1, RunLength(250, 1)),
        # 10 pictures of 3 objects: a hundred times at most.
        ([3] * 10, 1, RunLength(100, 5)),
        # 3000 pictures of one object: 2000 updates at most are one epoch of 1500 steps.
        ([1] * 3000, 1, RunLength(1, 1500)),
        # Eight classes may have twice as many: two epochs of 2000 steps.
        ([1] * 4000, 8, RunLength(2, 2000)),
        # All pictures are shown once, whatever it takes.
        ([2] * 50_000, 1, RunLength(1, 25_000)),
    ],
)
def test_length_of_a_small_networks_run(counts, classes, expected):
    data = facts((200, 200), [40], counts, classes=classes)
    assert small_network_length(data, batch_size(data)) == expected


@pytest.mark.parametrize(
    ("pictures", "epochs"),
    [
        (1, 250),  # a picture a step, 250 updates
        (10, 100),  # 5 steps; 1000 updates would be 200 epochs
        (70, 29),  # 35 steps, 29 * 35 = 1015
        (2000, 12),
        (118_000, 12),
    ],
)
def test_length_of_fine_tuning(pictures, epochs):
    data = facts((480, 640), [60], [2] * pictures)
    assert run_length(data, WEIGHTS, RESNET50, batch_size(data)).epochs == epochs


def test_minutes_are_those_of_steps_and_the_start():
    """The demo: 1710 steps of 0.155 s for two pictures of 192x192, and half a minute before."""
    minutes = run_minutes(NARROW, RunLength(2, 855), 2, SMALL_CANVAS)
    assert minutes == pytest.approx((30 + 1710 * 0.155) / 60, rel=0.05)


def test_the_network_follows_from_weights_pictures_and_work():
    nuclei = Canvas(384, 384, 1.07, 8.0, 51.0, False)
    assert choose_network(nuclei_like(), CPU, nuclei, 2, 280) is WIDER
    assert choose_network(demo_like(), CPU, SMALL_CANVAS, 2, 1710) is NARROW
    assert choose_network(nuclei_like(), WEIGHTS, nuclei, 2, 280) is RESNET50
    card = TrainingTarget("Ascend")
    assert (
        choose_network(coco_like(), card, Canvas(704, 576, 1.0, 8.0, 48.0, False), 2, 20_000) is RESNET50_GN
    )
    assert choose_network(nuclei_like(), card, nuclei, 2, 280).is_small


@pytest.mark.parametrize(("updates", "warmup"), [(280, 40), (1710, 50), (250, 35)])
def test_warm_up_of_a_small_network(updates, warmup):
    settings = {}
    for item in rate_suggestions(demo_like(), NARROW, RunLength(1, updates)):
        settings.update(item.settings)
    assert settings["warmup_step"] == warmup
    assert (settings["optimizer"], settings["base_lr"]) == ("adamw", 0.001)


@pytest.mark.parametrize(("updates", "warmup"), [(1000, 100), (90_000, 1000)])
def test_warm_up_of_fine_tuning(updates, warmup):
    settings = {}
    for item in rate_suggestions(coco_like(), RESNET50, RunLength(1, updates)):
        settings.update(item.settings)
    assert (settings["warmup_step"], settings["base_lr"], settings["base_batch"]) == (warmup, 0.02, 16)
