"""The schedules against literal tables and the formulas written out by hand."""

from __future__ import annotations

import math

import pytest

from src.config import load_config
from src.errors import ConfigError
from src.lr_schedule import cosine_rate, multi_step_rate, schedule


def test_warm_up_table():
    """detectron2's published warm-up table: base 5, factor .001, 5 steps; both schedules share it."""
    table = [0.005, 1.004, 2.003, 3.002, 4.001, 5.0]
    assert [cosine_rate(step, 5.0, 5, 0.001, 1000) for step in range(6)] == pytest.approx(table)
    assert [multi_step_rate(step, 5.0, 5, 0.001, (10, 15, 20)) for step in range(6)] == pytest.approx(table)


def test_multi_step_after_the_warm_up():
    """detectron2's test of the same schedule: milestones 10, 15 and 20 of 30.

    They are counted from the start of the warm-up.
    """
    rates = [multi_step_rate(step, 5.0, 5, 0.001, (10, 15, 20)) for step in range(30)]
    assert rates[5:] == pytest.approx([5.0] * 5 + [0.5] * 5 + [0.05] * 5 + [0.005] * 10)


def test_steps_down_every_three():
    """detectron2's test of resuming: rate .1, times .1 every 3 steps; the twelfth step on has 1e-5."""
    rates = [multi_step_rate(step, 0.1, 0, 1.0, (3, 6, 9, 12)) for step in range(13)]
    assert rates == pytest.approx([0.1] * 3 + [0.01] * 3 + [0.001] * 3 + [1e-4] * 3 + [1e-5])


def test_cosine_quarters():
    """cos(0), cos(pi/4), cos(pi/2), cos(3pi/4), cos(pi) of a cosine of 8 steps after 2 of warm-up."""
    rates = [cosine_rate(step, 1.0, 2, 0.5, 8) for step in (2, 4, 6, 8, 10, 1000)]
    half = math.sqrt(0.5)
    assert rates == pytest.approx([1.0, (1 + half) / 2, 0.5, (1 - half) / 2, 0.0, 0.0])


def test_no_warm_up():
    assert cosine_rate(0, 0.02, 0, 0.5, 10) == 0.02


def test_the_originals_eight_cards():
    """8 cards, COCO's 58,633 steps: T = (58633 // 8 + 8) * 13 = 95,381 (7,329 + 8 = 7,337 an epoch)."""
    config = load_config(["base_step=58633"])
    rate = schedule(config, steps_per_epoch=7329, device_num=8)
    assert rate(0) == pytest.approx(0.02 / 3)
    assert rate(500) == pytest.approx(0.02)
    assert rate(500 + 95381) == pytest.approx(0.0, abs=1e-12)
    assert rate(500 + 95381 // 2) == pytest.approx(0.01, rel=1e-4)
    assert rate.steps == 7329 * 12
    assert (
        rate.description
        == "learning rate: 0.02, warm-up of 500 updates from 0.006667, then a cosine of 95381 updates"
    )


def test_base_step_follows_the_data_and_a_later_start_the_epoch():
    fresh = schedule(load_config(["warmup_step=2", "total_epoch=3"]), steps_per_epoch=10)
    later = schedule(
        load_config(["warmup_step=2", "total_epoch=3", "pretrain_epoch_size=1"]), steps_per_epoch=10
    )
    assert [later(step) for step in range(5)] == [fresh(10 + step) for step in range(5)]
    assert later.steps == fresh.steps - 10
    # T = (10 // 1 + 1) * 3
    assert fresh(2 + 33) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "devices", "steps", "falls"),
    [
        # 16 pictures a step
        ("1x", 8, 90000, (60000, 80000)),
        ("2x", 8, 180000, (120000, 160000)),
        ("3x", 8, 270000, (210000, 250000)),
        # 2 pictures a step
        ("1x", 1, 720000, (480000, 640000)),
        # 64 pictures a step
        ("3x", 32, 67500, (52500, 62500)),
    ],
)
def test_detectron2s_schedules_have_as_many_pictures_whatever_the_batch_is(name, devices, steps, falls):
    rate = schedule(
        load_config([f"lr_schedule={name}", "base_batch=16", "warmup_step=1000", "warmup_ratio=0.001"]),
        7329,
        devices,
    )
    peak = 0.02 * devices / 8
    assert rate.steps == steps
    for fall, before, after in zip(falls, (peak, peak / 10), (peak / 10, peak / 100)):
        assert rate(fall - 1) == pytest.approx(before) and rate(fall) == pytest.approx(after)
    assert rate(0) == pytest.approx(peak / 1000) and rate(500) == pytest.approx(peak * 0.5005)


def test_the_linear_rule_is_said():
    description = schedule(load_config(["base_batch=16", "lr_schedule=1x"]), 7329, 4).description
    assert description == (
        "learning rate: 0.01 = base_lr 0.02 x 8/16 (linear rule: 8 pictures an update), warm-up of "
        "500 updates from 0.003333, "
        "then times 0.1 at update 120000, 160000 of 180000"
    )


def test_milestones_as_fractions_and_as_updates():
    """detectron2's large-scale-jitter recipe: 163,889 and 177,546 of 184,375 updates are .8889 and .9630."""
    config = ["lr_schedule=multi_step", "warmup_step=0", "epoch_size=10", "lr_gamma=0.5"]
    rate = schedule(load_config([*config, "lr_milestones=[0.8889, 0.963]"]), 1000)
    assert rate.milestones == (8889, 9630) and rate.steps == 10000
    rate = schedule(load_config([*config, "lr_milestones=[30, 70]"]), 10)
    assert [rate(step) for step in (29, 30, 69, 70, 99)] == [0.02, 0.01, 0.01, 0.005, 0.005]


def test_accumulation_counts_updates():
    """4 batches an update: the rate changes every fourth step, and the cosine is a fourth as long.

    An update is of 8 pictures for the linear rule.
    """
    words = [
        "warmup_step=2",
        "warmup_ratio=0.5",
        "total_epoch=4",
        "epoch_size=4",
        "accumulate_steps=4",
        "base_batch=16",
    ]
    rate = schedule(load_config(words), 11)
    # (11 + 1) * 4 / 4
    assert rate.cosine_steps == 12
    assert [rate(step) / 0.01 for step in (0, 3, 4, 8, 8 + 24, 8 + 48)] == pytest.approx(
        [0.5, 0.5, 0.75, 1.0, 0.5, 0.0]
    )
    # 16 pictures an update, which takes 4 steps
    rate = schedule(load_config(["lr_schedule=1x", "accumulate_steps=4"]), 11, 2)
    assert rate.steps == 90000 * 4


@pytest.mark.parametrize(
    "word", ["lr_schedule=4x", "lr_gamma=0", "lr_milestones=[]", "base_batch=0", "accumulate_steps=0"]
)
def test_settings_that_make_no_schedule(word):
    with pytest.raises(ConfigError, match=word.partition("=")[0]):
        load_config([word])


def test_a_resumed_run_takes_its_rate_from_the_step_alone():
    """detectron2's tests/test_engine.py: rate .1, times .1 every 3 steps.

    After 12 steps it is 1e-5, whatever rate an optimiser held before.
    """
    words = [
        "base_lr=0.1",
        "lr_schedule=multi_step",
        "lr_milestones=[3, 6, 9, 12]",
        "warmup_step=0",
        "epoch_size=4",
    ]
    rate = schedule(load_config(words), 4)
    assert rate(11) == pytest.approx(1e-4) and rate(12) == pytest.approx(1e-5)
    resumed = schedule(load_config([*words, "pretrain_epoch_size=3"]), 4)
    assert resumed(0) == pytest.approx(1e-5)
