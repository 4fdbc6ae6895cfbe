"""The hooks that watch a run, in the order in which they are called after a step."""

from __future__ import annotations

from .evaluation import Evaluation, Pictures
from .monitoring import Curves, Metrics, ProgressDisplay, ScaleGuard
from .profiling import Profile


def watchers(config):
    """What the configuration asks for. The curves come last, so that they show what was evaluated after the same epoch."""
    metrics = Metrics()
    hooks = [ScaleGuard(), ProgressDisplay(), metrics]
    evaluation = None
    if config.profile is not None:
        hooks.append(Profile())
    if config.eval_interval is not None:
        evaluation = Evaluation(metrics)
        hooks.append(evaluation)
    if config.tensorboard and (evaluation is not None or config.picture_interval is not None):
        hooks.append(Pictures(metrics, evaluation))
    return [*hooks, Curves()]
