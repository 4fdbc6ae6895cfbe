"""The recipes of configs/ at their own sizes, with the words that their heads name, on CANN's stand-ins."""

from __future__ import annotations

import pytest

from tests.ascend.graphs import CLASSES, FIRST, STEP_OUTPUTS
from tests.conftest import ROOT

# {recipe: words}: from weights or from scratch as its command says, and what its head names besides.
WORDS = {
    "coco_r50_1x": "pre_trained=resnet50.ckpt",
    "coco_r50_3x": "pre_trained=resnet50.ckpt",
    "coco_r50_lsj_100ep": "pre_trained=resnet50.ckpt accumulate_steps=4",
    "demo": CLASSES,
    "finetune": f"pre_trained=model.ckpt {CLASSES}",
    "nuclei": CLASSES,
    "small_objects": CLASSES,
    "small_shapes": CLASSES,
    "torchvision": "",
}


def test_every_recipe_is_here():
    assert set(WORDS) == {path.stem for path in (ROOT / "configs").glob("*.yaml")}


@pytest.mark.slow  # 40 to 90 s each when nothing else runs
@pytest.mark.parametrize("name", WORDS)
def test_a_training_step_of_a_recipe(launch, name):
    report = launch("training", "--config", str(ROOT / "configs" / f"{name}.yaml"), *WORDS[name].split())
    assert report["outputs"] == STEP_OUTPUTS
    assert report["memory_mb"] < 30 * 1024  # it fits a card of 32 GB


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coco_r50_lsj_100ep", "demo"])
def test_a_recipe_on_ascend_910_at_its_own_level(launch, name):
    words = ("--config", str(ROOT / "configs" / f"{name}.yaml"), *WORDS[name].split())
    report = launch("training", *words, "--level", "own", chip=FIRST)
    assert report["outputs"] == STEP_OUTPUTS
