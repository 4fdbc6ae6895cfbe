"""The hooks of a training run, in the order in which they are called."""

from __future__ import annotations

from typing import List

from ...config import Config
from .compilation import Compilation
from .curves import Curves
from .detection_pictures import DetectionPictures
from .evaluation import Evaluation
from .hook import Hook
from .loss_log import LossLogWriter
from .loss_scale_guard import LossScaleGuard
from .metrics import Metrics
from .profiling import Profile
from .progress_display import ProgressDisplay
from .rank_barrier import RankBarrier
from .sync_check import SyncCheck


def default_hooks(config: Config) -> List[Hook]:
    """What the configuration asks for.

    `Checkpointing` follows after these, so that a checkpoint holds what they did after the same step.
    """
    metrics = Metrics()
    hooks = [LossLogWriter(), LossScaleGuard(), ProgressDisplay(), metrics]
    evaluation = None
    if config.profile is not None:
        hooks.append(Profile())
    if config.eval_interval is not None:
        evaluation = Evaluation(metrics)
        hooks.append(evaluation)
    if config.tensorboard and (evaluation is not None or config.picture_interval is not None):
        hooks.append(DetectionPictures(metrics, evaluation))
    # After the evaluation, so that the curves show what was evaluated after the same epoch.
    return [*hooks, Curves(), SyncCheck()]


def control_hooks() -> List[Hook]:
    """What has to happen right before a step: compile the graph, then wait for the other ranks."""
    return [Compilation(), RankBarrier()]
