"""Before a step: the ranks wait for each other, and agree whether a signal ends the run."""

from __future__ import annotations

import signal
import time

from ...errors import TrainingError
from ..distributed.timeouts import HANG_SECONDS
from ..training.resume import LATEST
from ..training.stop_signals import StopSignals
from .hook import Hook

# On Ascend a collective waits long enough by itself, so the ranks meet only every so many steps; many ranks
# more rarely.
ASCEND_BARRIER_STEPS = 20
# Seconds without any work after which a rank is taken to hang; on Ascend a collective may wait for a slower
# rank.
ASCEND_IDLE_LIMIT = 600


class RankBarrier(Hook):
    """Ends all ranks after the same step when one of them received SIGTERM or SIGINT.

    MindSpore's collectives on the CPU wait for 30 seconds only; this barrier waits for as long as the others
    live. It also sets `trainer.elapsed_seconds`, which is rank 0's and so equal on all ranks: hooks may
    decide by it.

    Args:
        has_checkpoints: Whether the run writes checkpoints, from which it can be resumed.
    """

    def __init__(self, has_checkpoints: bool):
        self.has_checkpoints = has_checkpoints
        self.signals = StopSignals()
        self.first = True

    def before_train(self, trainer) -> None:
        self.began = time.monotonic()
        self.signals.__enter__()

    def close(self, trainer) -> None:
        self.signals.__exit__()

    def before_step(self, trainer, batch) -> None:
        group = trainer.device.group
        on_cpu = trainer.device.target == "CPU"
        where = trainer.next_step_text(batch)
        if on_cpu or self.first or trainer.device.num == 1 or self.is_due(trainer):
            group.report(where)
            stop_signal, elapsed = group.barrier([trainer.global_step, self.signals.received], self.agree)
            trainer.elapsed_seconds = elapsed
            if stop_signal:
                self.stop(trainer, stop_signal)
        idle_limit = HANG_SECONDS if on_cpu else ASCEND_IDLE_LIMIT
        group.report(where, idle_limit, grace=3)
        self.first = False

    def is_due(self, trainer) -> bool:
        return trainer.global_step % max(ASCEND_BARRIER_STEPS, trainer.device.num // 8) == 0

    def agree(self, values):
        """[the signal to stop for or 0, seconds since the start]; rank 0 decides from all ranks' values."""
        for rank, (global_step, _) in enumerate(values):
            if global_step != values[0][0]:
                raise TrainingError(
                    f"rank {rank} is at step {global_step + 1} of the run, "
                    f"rank 0 at step {values[0][0] + 1}: their data differ"
                )
        return [max(received for _, received in values), time.monotonic() - self.began]

    def stop(self, trainer, number: int) -> None:
        if trainer.device.rank == 0:
            line = f"{signal.Signals(number).name}: ending {trainer.position_text()}"
            if self.has_checkpoints:
                line += f"; resume=auto goes on from {trainer.checkpoint_dir / LATEST}"
            print(line, flush=True)
        raise SystemExit(128 + number)
