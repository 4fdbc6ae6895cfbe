"""What happens around the steps of a training run: one hook for each concern.

    class PrintLoss(Hook):
        def after_step(self, trainer, step):
            print(step.global_step, step.losses["total_loss"])

    train(config, "train", hooks=[PrintLoss()])

`Trainer` calls the hooks in the order of its list (`default_hooks.py`). A hook that raises ends the run;
every hook's `close` is called then too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional


@dataclass(frozen=True)
class Step:
    """One training step that has just ended.

    Attributes:
        epoch: The epoch, from 1.
        step_in_epoch: The step within the epoch, from 1.
        global_step: Steps of the run that are done, this one included.
        lr: The learning rate of the step.
        losses: {name: value} for the names of LOSS_NAMES and STEP_NAMES.
        batch: The batch's arrays (`training_example.batch_layout`).
        data_seconds: Wall time spent waiting for batches: on the CPU for this step's; on Ascend
            for the next step's, which is taken while the card works. Such a wait counts as a whole if the
            card had finished before its end, and else not at all. An epoch's first step has its own wait
            too.
        seconds: Wall time of the step without that; of the first one with the compilation of the graph.
    """

    epoch: int
    step_in_epoch: int
    global_step: int
    lr: float
    losses: Dict[str, float]
    batch: Dict[str, Any]
    data_seconds: float
    seconds: float


class Hook:
    """What a hook may do. Every method is called on every rank, with the `Trainer`.

    A hook takes its settings by its constructor, and reads the trainer's attributes (`epoch`,
    `step_in_epoch`, `global_step`, `network`, `images_per_step` ...; a user's hook may read `config` too). It
    sets `trainer.stop_reason = "why"`, on every rank, to end the run after the current epoch. Where only
    some ranks do something, the others wait for them with `trainer.device.group.barrier()`.
    """

    def before_train(self, trainer) -> None:
        """Before the first step; `trainer.resumed` tells a resumed run."""

    def before_step(self, trainer, batch: Dict[str, Any]) -> None:
        """Before every step; `trainer.inputs` holds the step's tensors."""

    def after_step(self, trainer, step: Step) -> None:
        """After every step."""

    def after_epoch(self, trainer) -> None:
        """After the last step of a whole epoch."""

    def before_evaluation(self, trainer) -> None:
        """Before the weights are evaluated."""

    def after_evaluation(self, trainer) -> None:
        """After an evaluation, whether it succeeded or not."""

    def is_pending(self, trainer) -> bool:
        """Whether a resumed run still has something to do at its position, besides steps."""
        return False

    def after_train(self, trainer) -> None:
        """After the last step of a run that reached its end."""

    def on_interrupt(self, trainer) -> None:
        """Between two steps, when a signal or the failure of a worker or another rank ends the run."""

    def close(self, trainer) -> None:
        """Always, and last: free what `before_train` took. It may have failed halfway."""

    def state_dict(self) -> Optional[Dict[str, Any]]:
        """What every checkpoint keeps of this hook, under the name of its class; JSON-able."""
        return None

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """Take back what `state_dict` gave; called before `before_train` of a resumed run."""
