"""Two steps of training with the demo's network, as train.py does them, and what they leave."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import mindspore as ms
import numpy as np

from src.config import load_config
from src.data.shapes.drawn_data import draw_shapes
from src.engine.display.loss_lines import LOSS_NAMES, read_loss_log
from src.engine.hooks.hook import Hook, Step
from src.engine.trainer import train
from src.maskrcnn.build import build_network
from tests.conftest import ROOT
from tests.small_network import draw_weights

DEMO = ROOT / "configs" / "demo.yaml"
# Batch norms, as their moving statistics are averaged, too. The rate is that of a run without warm-up: the
# weights move from the first update on.
NORMS = ("norm=bn", "fpn_norm=bn")
COMMON = ("max_steps=2", "warmup_step=0", "tensorboard=False", "compile_cache=off", "device_target=CPU")


@dataclass
class Recorder(Hook):
    """Keeps what a run starts from and what it leaves.

    Attributes:
        before, after: {name: array} of every Parameter of the step cell: weights, optimiser state, sums ...
        trained: The names of the weights that the optimiser updates.
        steps: The steps.
        compilations: How often the step was compiled.
        checkpoint: The file that was written last.
        loss_log: The rows of the loss log.
    """

    before: dict[str, np.ndarray] = field(default_factory=dict)
    after: dict[str, np.ndarray] = field(default_factory=dict)
    trained: tuple[str, ...] = ()
    steps: list[Step] = field(default_factory=list)
    compilations: int = 0
    checkpoint: Path | None = None
    loss_log: list[dict] = field(default_factory=list)

    def before_train(self, trainer) -> None:
        self.trained = tuple(weight.name for weight in trainer.step_cell.weights)
        self.before = copies(trainer.step_cell)

    def after_step(self, trainer, step: Step) -> None:
        self.steps.append(step)

    def after_train(self, trainer) -> None:
        self.after = copies(trainer.step_cell)
        self.compilations = len(trainer.step_cell.compile_cache)

    def moved(self) -> set[str]:
        """The names of the parameters that were there before and are different now."""
        return {name for name, value in self.before.items() if (self.after[name] != value).any()}


def copies(cell) -> dict[str, np.ndarray]:
    # What `asnumpy` returns follows the parameter.
    return {name: parameter.asnumpy().copy() for name, parameter in cell.parameters_dict().items()}


def draw_data(folder: Path) -> tuple[str, ...]:
    """Draw pictures for all runs of a session. Returns the words that name them."""
    draw_shapes(folder / "data", 8, 2, (192, 192), seed=1)
    return (f"coco_root={folder / 'data'}", f"mindrecord_dir={folder / 'mindrecord'}")


def write_backbone(path: Path) -> Path:
    """Write weights for the demo's backbone, drawn so that every weight has a gradient; no settings in it."""
    network = draw_weights(build_network(load_config(["coco_classes=[background, disc]", *NORMS], DEMO)))
    entries = network.backbone.parameters_dict()
    ms.save_checkpoint([{"name": name, "data": value} for name, value in entries.items()], str(path))
    return path


def train_two_steps(folder: Path, words: tuple[str, ...], config_file: Path | None = DEMO) -> Recorder:
    """Train two steps in this process, and check what is true of every training.

    Args:
        folder: The work folder of the run, new.
        words: KEY=VALUE words, with those of `draw_data`.
        config_file: The recipe; None: the defaults.
    """
    run = Recorder()
    norms = NORMS if config_file == DEMO else ()
    run.checkpoint = train(load_config([*COMMON, *norms, *words], config_file), folder, hooks=[run])
    run.loss_log = read_loss_log(folder / "loss_0.log")
    assert len(run.loss_log) == len(run.steps) == 2
    assert all(np.isfinite(row[name]) for row in run.loss_log for name in LOSS_NAMES)
    assert all(np.isfinite(list(step.losses.values())).all() for step in run.steps)
    assert all(np.isfinite(value).all() for value in run.after.values())
    assert run.compilations == 1
    return run
