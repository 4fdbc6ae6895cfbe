"""The hooks of a training run, in the order in which they are called."""

from __future__ import annotations

from typing import Iterable, List, Optional

from ...config import Config
from ...data.annotations.records import DataSource
from .checkpointing import Checkpointing
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


def run_hooks(
    config: Config,
    evaluation_data: Optional[DataSource],
    further: Iterable[Hook],
    checkpointing: Checkpointing,
) -> List[Hook]:
    """All hooks of a run, as the configuration asks for them.

    Args:
        config: The settings.
        evaluation_data: The checked evaluation split; None without `eval_interval`.
        further: Hooks of the caller. They come before the checkpoint is written, which holds their state.
        checkpointing: The hook that writes checkpoints.
    """
    metrics = Metrics()
    before = [LossLogWriter(), LossScaleGuard(), ProgressDisplay(), metrics]
    if config.profile is not None:
        before.append(Profile())
    before.append(SyncCheck())
    after = []
    evaluation = None
    if evaluation_data is not None:
        evaluation = Evaluation(metrics, evaluation_data)
        after.append(evaluation)
    if config.tensorboard and (evaluation is not None or config.picture_interval is not None):
        after.append(DetectionPictures(metrics, evaluation))
    # After the evaluation, so that the curves show what was evaluated after the same epoch.
    after.append(Curves())
    # Right before a step: the graph is compiled, then the ranks wait for each other.
    return [*before, *further, checkpointing, *after, Compilation(), RankBarrier()]
