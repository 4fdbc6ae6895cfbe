"""The hooks of a training run, in the order in which they are called.

Here the configuration's keys become the hooks' plain arguments: no hook reads the configuration itself.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Iterable, List, Optional

from ...config import Config, changed, values_with
from ...data.annotations.records import DataSource
from ...maskrcnn.build import build_network, norm_kinds
from ..inference.evaluation import evaluation_settings
from .checkpointing import Checkpointing
from .compilation import Compilation
from .curves import Curves
from .detection_pictures import DetectionPictures
from .evaluation import Evaluation, EvaluationNetwork
from .hook import Hook
from .loss_log import LossLogWriter
from .loss_scale_guard import LossScaleGuard
from .metrics import Metrics
from .profiling import Profile
from .progress_display import ProgressDisplay
from .rank_barrier import RankBarrier
from .run_report import RunReport
from .sync_check import SyncCheck
from .tracking import Tracking


def make_checkpointing(config: Config) -> Checkpointing:
    return Checkpointing(
        every_epochs=config.save_checkpoint_epochs,
        keep=config.keep_checkpoint_max,
        every_steps=config.save_checkpoint_steps,
        every_minutes=config.save_checkpoint_minutes,
        writes=config.save_checkpoint,
    )


def run_hooks(
    config: Config,
    norm: str,
    device_target: str,
    evaluation_data: Optional[DataSource],
    further: Iterable[Hook],
    checkpointing: Checkpointing,
) -> List[Hook]:
    """All hooks of a run, as the configuration asks for them.

    Args:
        config: The settings.
        norm: The kind of norm of the network's backbone.
        device_target: "CPU" or "Ascend".
        evaluation_data: The checked evaluation split; None where nothing is evaluated or drawn.
        further: Hooks of the caller. They come before the checkpoint is written, which holds their state.
        checkpointing: The hook that writes checkpoints.
    """
    has_dynamic_scale = config.loss_scale == "dynamic"
    metrics = Metrics(config.log_interval, config.tensorboard, has_dynamic_scale)
    before = [LossLogWriter(config.log_interval)]
    if has_dynamic_scale:
        before.append(LossScaleGuard())
    before += [ProgressDisplay(config.eval_interval), metrics]
    if config.profile is not None:
        before.append(Profile(config.profile))
    before.append(SyncCheck(config.check_sync_steps, has_batch_norms="bn" in norm_kinds(config, norm)))
    # After the evaluation, so that the curves show what was evaluated after the same epoch.
    evaluating = evaluation_hooks(config, norm, device_target, evaluation_data, metrics)
    after = [*evaluating, Curves()]
    if config.report:
        evaluation = next((hook for hook in evaluating if isinstance(hook, Evaluation)), None)
        settings = evaluation_settings(config)
        after.append(RunReport(settings.report, settings.figures, evaluation))
    if config.tracker != "none":
        files = ("report.html",) if config.report else ()
        after.append(Tracking(config.tracker, dict(config), checkpointing, files))
    # Right before a step: the graph is compiled, then the ranks wait for each other.
    compilation = Compilation(config.compile_cache, values_with(config, "in_graph"))
    return [*before, *further, checkpointing, *after, compilation, RankBarrier(config.save_checkpoint)]


def evaluation_hooks(
    config: Config, norm: str, device_target: str, evaluation_data: Optional[DataSource], metrics: Metrics
) -> List[Hook]:
    """The hooks that evaluate and that draw detections; the arguments are those of `run_hooks`."""
    if evaluation_data is None:
        return []
    settings = dataclasses.replace(evaluation_settings(config), report=None)  # one report, at the end
    network = EvaluationNetwork(partial(build_network, changed(config, norm=norm), device_target))
    hooks = []
    evaluation = None
    if config.eval_interval is not None:
        evaluation = Evaluation(
            metrics,
            network,
            evaluation_data,
            settings,
            interval=config.eval_interval,
            early_stop=config.early_stop,
            keeps_best=config.save_checkpoint,
            stops_on_failure=config.eval_failure == "stop",
        )
        hooks.append(evaluation)
    if config.tensorboard:
        hooks.append(
            DetectionPictures(
                metrics, network, evaluation_data, settings, config.picture_interval, evaluation
            )
        )
    return hooks
