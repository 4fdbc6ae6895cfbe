"""The schedule against literal tables and the formula written out by hand."""
import math

import pytest

from src.config import load_config
from src.lr_schedule import learning_rate, schedule


def test_warm_up_table():
    """detectron2's published warm-up table: base 5, factor .001, 5 steps."""
    rates = [learning_rate(step, 5.0, 5, 0.001, 1000) for step in range(6)]
    assert rates == pytest.approx([0.005, 1.004, 2.003, 3.002, 4.001, 5.0])


def test_cosine_quarters():
    """cos(0), cos(pi/4), cos(pi/2), cos(3pi/4), cos(pi) of a cosine of 8 steps after 2 of warm-up."""
    rates = [learning_rate(step, 1.0, 2, 0.5, 8) for step in (2, 4, 6, 8, 10, 1000)]
    half = math.sqrt(0.5)
    assert rates == pytest.approx([1.0, (1 + half) / 2, 0.5, (1 - half) / 2, 0.0, 0.0])


def test_no_warm_up():
    assert learning_rate(0, 0.02, 0, 0.5, 10) == 0.02


def test_the_originals_eight_cards():
    """8 cards, COCO's 58,633 steps: T = (58633 // 8 + 8) * 13 = 95,381 (7,329 + 8 = 7,337 a epoch)."""
    config = load_config(["base_step=58633"])
    rate = schedule(config, steps_per_epoch=7329, device_num=8)
    assert rate(0) == pytest.approx(0.02 / 3)
    assert rate(500) == pytest.approx(0.02)
    assert rate(500 + 95381) == pytest.approx(0.0, abs=1e-12)
    assert rate(500 + 95381 // 2) == pytest.approx(0.01, rel=1e-4)


def test_base_step_follows_the_data_and_a_later_start_the_epoch():
    fresh = schedule(load_config(["warmup_step=2", "total_epoch=3"]), steps_per_epoch=10)
    later = schedule(load_config(["warmup_step=2", "total_epoch=3", "pretrain_epoch_size=1"]), steps_per_epoch=10)
    assert [later(step) for step in range(5)] == [fresh(10 + step) for step in range(5)]
    assert fresh(2 + 33) == pytest.approx(0.0, abs=1e-12)         # T = (10 // 1 + 1) * 3
