"""That the ranks of a job have the same weights, at the start and after every so many steps."""

from __future__ import annotations

import json
import zlib

from ...errors import TrainingError
from .hook import Hook


def own_statistics(config, norm):
    """Whether the network has plain batch norms, whose moving statistics are each rank's own. norm: the kind that the trunk was built with."""
    heads = [config.fpn_norm, config.rcnn_mask_norm, *([config.rcnn_norm] if config.rcnn_num_convs else [])]
    return "bn" in (norm, *heads)


def checksums(step_cell, own_statistics):
    """{name: CRC-32 of its bytes} of the step cell's parameters; own_statistics: the moving statistics of plain batch norms, which are
    each rank's own, are left out."""
    return {
        name: zlib.crc32(value.asnumpy().tobytes())
        for name, value in step_cell.parameters_dict().items()
        if not (own_statistics and name.rsplit(".", 1)[-1] in ("moving_mean", "moving_variance"))
    }


def check_parameters(run):
    """TrainingError, on every rank, where one rank's parameters differ from the others' in any bit."""
    sums = checksums(run.step_cell, own_statistics(run.config, run.norm))

    def compare(values):
        counts = [values.count(value) for value in values]
        return [rank for rank, count in enumerate(counts) if count < max(counts)] or (
            [1] if counts[0] < len(values) else []
        )

    strangers = run.device.team.meet(zlib.crc32(json.dumps(sums).encode()), compare)
    if not strangers:
        return

    def name_them(values):
        stranger, other = strangers[0], next(rank for rank in range(len(values)) if rank not in strangers)
        names = [name for name in values[other] if values[stranger].get(name) != values[other][name]]
        raise TrainingError(
            f"rank {stranger} differs from rank {other} {run.where()}: {len(names)} of {len(sums)} parameters, the first is "
            f"{names[0]}; a device or its memory may be failing; resume=auto goes on from the last checkpoint"
        )

    run.device.team.meet(sums, name_them)


INTERVAL = 30.0  # seconds between two checks of check_sync_steps=auto: a rank that differs is told of within a minute


class SyncCheck(Hook):
    """`check_parameters` before the first step, and after every check_sync_steps steps, of auto at the first step after INTERVAL seconds."""

    checked = 0.0

    def start(self, run):
        if run.device.num > 1 and run.config.check_sync_steps:
            check_parameters(run)

    def step(self, run, step):
        every = run.config.check_sync_steps
        if run.device.num == 1 or every == 0:
            return
        if run.clock - self.checked >= INTERVAL if every == "auto" else step.done % every == 0:
            check_parameters(run)
            self.checked = run.clock
