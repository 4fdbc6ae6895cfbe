"""That the ranks of a job have the same weights, at the start and after every so many steps."""

from __future__ import annotations

import json
import zlib
from typing import Dict, Union

from mindspore import nn

from ...errors import TrainingError
from .hook import Hook, Step

# interval='auto': seconds between two checks, so that a difference is reported within a minute.
INTERVAL = 30.0


class SyncCheck(Hook):
    """`check_parameters` before the first step and after every so many steps.

    Args:
        interval: Steps from one check to the next, 0 for none at all; or 'auto': at the first step after
            INTERVAL seconds.
        has_batch_norms: Whether the network has plain batch norms, whose moving statistics differ from rank
            to rank.
    """

    last_check = 0.0  # seconds of the run

    def __init__(self, interval: Union[int, str], has_batch_norms: bool):
        self.interval = interval
        self.has_batch_norms = has_batch_norms

    def before_train(self, trainer) -> None:
        if trainer.device.num > 1 and self.interval:
            check_parameters(trainer, self.has_batch_norms)

    def after_step(self, trainer, step: Step) -> None:
        if trainer.device.num == 1 or self.interval == 0:
            return
        if self.interval == "auto":
            is_due = trainer.elapsed_seconds - self.last_check >= INTERVAL
        else:
            is_due = step.global_step % self.interval == 0
        if is_due:
            check_parameters(trainer, self.has_batch_norms)
            self.last_check = trainer.elapsed_seconds


def check_parameters(trainer, without_statistics: bool) -> None:
    """Raise TrainingError, on every rank, where one rank's parameters differ from the others' in any bit.

    `without_statistics` is as of `checksums`.
    """
    group = trainer.device.group
    sums = checksums(trainer.step_cell, without_statistics)

    def find_different(values):
        counts = [values.count(value) for value in values]
        different = [rank for rank, count in enumerate(counts) if count < max(counts)]
        if not different and counts[0] < len(values):
            return [1]  # no majority (two ranks, say): rank 1 is named
        return different

    different = group.barrier(zlib.crc32(json.dumps(sums).encode()), find_different)
    if not different:
        return

    def raise_with_name(values):
        rank = different[0]
        other = next(rank for rank in range(len(values)) if rank not in different)
        names = [name for name in values[other] if values[rank].get(name) != values[other][name]]
        raise TrainingError(
            f"rank {rank} differs from rank {other} {trainer.position_text()}: {len(names)} of {len(sums)} "
            f"parameters, the first is {names[0]}; a device or its memory may be failing; "
            "resume=auto goes on from the last checkpoint"
        )

    group.barrier(sums, raise_with_name)


def checksums(step_cell: nn.Cell, without_statistics: bool) -> Dict[str, int]:
    """{name: CRC-32 of its bytes} of the step cell's parameters, without moving statistics if asked."""
    sums = {}
    for name, value in step_cell.checkpoint_parameters().items():
        is_statistic = name.rsplit(".", 1)[-1] in ("moving_mean", "moving_variance")
        if not (without_statistics and is_statistic):
            sums[name] = zlib.crc32(value.asnumpy().tobytes())
    return sums
