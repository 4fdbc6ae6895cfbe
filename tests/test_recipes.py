"""The recipes in configs/: their heads, and the learning rates and lengths that they promise."""

from pathlib import Path

import pytest
import yaml

from src.config import load_config
from src.lr_schedule import schedule

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
COCO_STEPS = 7330  # 117,266 pictures with objects, 16 a step


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_loads_and_is_headed_by_its_command(path):
    load_config([], path)
    head = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert any(line.startswith("#     ") and ("bash " in line or "python " in line) for line in head)
    assert any(line.startswith("# Measured: ") and ("not run here" in line or "CPU" in line) for line in head)
    assert set(yaml.safe_load(path.read_text())) <= set(load_config([]))


@pytest.mark.parametrize(
    ("name", "steps", "falls"),
    [("coco_r50_1x", 90000, (60000, 80000)), ("coco_r50_3x", 270000, (210000, 250000))],
)
def test_detectron2s_schedules_on_eight_cards(name, steps, falls):
    config = load_config([], CONFIGS / f"{name}.yaml")
    rate = schedule(config, COCO_STEPS, 8)
    assert (rate.steps, rate.milestones) == (steps, falls)
    assert [rate(step) for step in (0, 1000, *falls)] == pytest.approx([2e-5, 0.02, 0.002, 0.0002])
    assert (config.momentum, config.weight_decay, config.freeze_at, config.norm) == (0.9, 1e-4, 2, "frozen")


def test_large_scale_jitter_for_a_hundred_epochs():
    """detectron2's: 184,375 updates of 64 pictures from .1, falling at 163,889 and 177,546.

    Here the epochs are of annotated pictures.
    """
    config = load_config([], CONFIGS / "coco_r50_lsj_100ep.yaml")
    rate = schedule(config, 117266 // 64, 32)
    assert rate.steps == 183200 and rate.peak_lr == 0.1
    assert [milestone / rate.updates for milestone in rate.milestones] == pytest.approx(
        [163889 / 184375, 177546 / 184375], abs=2e-5
    )
    assert (config.img_height, config.img_width, config.large_scale_jitter, config.norm) == (
        1024,
        1024,
        (0.1, 2.0),
        "sync_bn",
    )
    small = schedule(
        load_config(["accumulate_steps=4"], CONFIGS / "coco_r50_lsj_100ep.yaml"), 117266 // 16, 8
    )
    assert small.peak_lr == 0.1 and small.updates == pytest.approx(rate.updates, rel=1e-3)
