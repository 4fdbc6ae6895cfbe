"""Evaluation while training: COCO AP of the weights and of their average, the best checkpoint, early stop."""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional

from mindspore import Tensor, nn

from ...data.annotations.records import DataSource
from ...log import logger
from ...weights.checkpoint_file import write_checkpoint
from ..inference.evaluation import EvaluationError, EvaluationSettings, evaluate_network
from ..training.weight_average import average_entries
from .hook import Hook
from .metrics import Metrics

BEST = "best.ckpt"
_NEVER = -1


class EvaluationNetwork:
    """A second network, in evaluation mode, into which the trained weights are copied.

    The training graph is not touched. The second graph is compiled at its first use and kept.

    Args:
        make_network: Makes a network with the parameters of the trained one.
    """

    network = None

    def __init__(self, make_network: Callable[[], nn.Cell]):
        self.make_network = make_network

    def build(self) -> None:
        if self.network is None:
            self.network = self.make_network().set_train(False)

    def load(self, values: Dict[str, Any]) -> nn.Cell:
        """The network with {name: Tensor or Parameter} copied into it."""
        for name, parameter in self.network.parameters_dict().items():
            parameter.set_data(Tensor(values[name].asnumpy()))
        return self.network


class Evaluation(Hook):
    """Evaluates on the evaluation split after every `interval` epochs and at the end.

    Every rank takes its share of the pictures. The weights are evaluated, and with `ema_decay` their average
    too. The best by segm AP (bbox AP for data without masks) is kept as best.ckpt, for eval.py, predict.py
    and export.py. After `early_stop` evaluations without a better one the run ends.

    Args:
        metrics: The hook that writes the figures.
        network: The network that evaluates.
        source: The checked evaluation split, with training's classes.
        settings: Of each evaluation.
        interval: Epochs from one evaluation to the next.
        early_stop: None: the run goes to its end.
        keeps_best: Whether best.ckpt is written.
        stops_on_failure: Whether an evaluation that fails ends the run.
    """

    def __init__(
        self,
        metrics: Metrics,
        network: EvaluationNetwork,
        source: DataSource,
        settings: EvaluationSettings,
        interval: int,
        early_stop: Optional[int],
        keeps_best: bool,
        stops_on_failure: bool,
    ):
        self.metrics = metrics
        self.network = network
        self.source = source
        self.settings = settings
        self.interval = interval
        self.early_stop = early_stop
        self.keeps_best = keeps_best
        self.stops_on_failure = stops_on_failure
        self.best = None
        self.evaluations_since_best = 0
        self.has_failed = False  # the last evaluation: the files of its folder are of an earlier one
        self.evaluated_at = _NEVER  # the global step of the last evaluation; None: an old file does not say

    def state_dict(self) -> Dict[str, Any]:
        return {"best": self.best, "since": self.evaluations_since_best, "evaluated": self.evaluated_at}

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        self.best = state["best"]
        self.evaluations_since_best = state["since"]
        self.evaluated_at = state.get("evaluated")

    def is_pending(self, trainer) -> bool:
        """Whether the run was killed between the end of an epoch and its evaluation."""
        if trainer.resumed is None or self.evaluated_at in (None, trainer.global_step):
            return False
        return self.is_due(trainer) or trainer.global_step >= trainer.total_steps

    def is_due(self, trainer) -> bool:
        is_epoch_end = trainer.step_in_epoch == trainer.steps_per_epoch
        return is_epoch_end and (trainer.epoch + 1) % self.interval == 0

    def before_train(self, trainer) -> None:
        self.kind = "segm" if self.source.has_masks and trainer.trains_masks else "bbox"
        self.network.build()
        if self.is_pending(trainer):
            self.metrics.remove_evaluation(trainer.global_step)
            self.evaluate(trainer)

    def after_epoch(self, trainer) -> None:
        if self.is_due(trainer):
            self.evaluate(trainer)

    def after_train(self, trainer) -> None:
        if self.evaluated_at != trainer.global_step:
            self.evaluate(trainer)

    def evaluate(self, trainer) -> None:
        """Evaluate the weights as they are.

        Raises:
            EvaluationError: the evaluation failed, with eval_failure=stop.
        """
        self.evaluated_at = trainer.global_step
        self.has_failed = False
        trainer.call("before_evaluation")
        try:
            self.evaluate_candidates(trainer)
        except EvaluationError as error:
            self.has_failed = True
            if self.stops_on_failure:
                raise
            if trainer.device.rank == 0:
                logger.warning(
                    "the evaluation %s failed, and training goes on (eval_failure=stop ends the run): %s",
                    trainer.position_text(),
                    error,
                )
        trainer.call("after_evaluation")

    def evaluate_candidates(self, trainer) -> None:
        candidates = {"weights": trainer.network.parameters_dict()}
        average = average_entries(trainer.step_cell)
        if average is not None:
            candidates["average"] = average
        precisions = {}
        for name, values in candidates.items():
            folder = trainer.work_dir / ("eval" if name == "weights" else "eval_average")
            network = self.network.load(values)
            figures = evaluate_network(network, self.settings, self.source, folder, trainer.device.group)
            self.add_figures(trainer, name, figures)
            precisions[name] = figures[self.kind]["AP"]
        self.keep_best(trainer, candidates, precisions)

    def add_figures(self, trainer, name: str, figures: Dict[str, Dict[str, Any]]) -> None:
        """Write the figures of "weights" or "average" to metrics.jsonl and TensorBoard."""
        suffix = "" if name == "weights" else "_average"
        shown = {}
        scalars = {}
        for kind, values in figures.items():
            shown[kind] = {figure: value for figure, value in values.items() if figure != "per_class"}
            scalars.update({f"{kind}{suffix}/{figure}": value for figure, value in shown[kind].items()})
        self.metrics.add_row(trainer, {"evaluated": name, **shown}, scalars)

    def keep_best(self, trainer, candidates: Dict[str, Dict[str, Any]], precisions: Dict[str, float]) -> None:
        """Keep the best candidate as best.ckpt; count the evaluations without a better one."""
        name = max(precisions, key=precisions.get)
        is_better = self.best is None or precisions[name] > self.best
        self.evaluations_since_best = 0 if is_better else self.evaluations_since_best + 1
        if is_better:
            self.best = precisions[name]
            if self.keeps_best and trainer.device.rank == 0:
                write_checkpoint(
                    trainer.checkpoint_dir / BEST,
                    candidates[name],
                    trainer.network_settings,
                    {"epoch_num": trainer.epoch + 1, "step_num": trainer.step_in_epoch},
                )
        if trainer.device.rank == 0:
            values = ", ".join(f"{value:.4f} of the {name}" for name, value in precisions.items())
            line = f"epoch {trainer.epoch + 1}: {self.kind} AP {values}; best {self.best:.4f}"
            if is_better and self.keeps_best:
                line += f", now in {trainer.checkpoint_dir / BEST}"
            print(line, flush=True)
        if self.early_stop is not None and self.evaluations_since_best >= self.early_stop:
            trainer.stop_reason = (
                f"no better AP than {self.best:.4f} in {self.evaluations_since_best} evaluations "
                f"(early_stop={self.early_stop})"
            )
