"""The exponential moving average of the weights (`ema_decay`): its update, and its checkpoint."""

from __future__ import annotations

from typing import Dict, Optional, Sequence

import mindspore as ms
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops

from ...gradient_limits import for_each
from ...weights.checkpoint_file import write_checkpoint

# Checkpoints are called PREFIX{epoch}_{step}.ckpt.
WEIGHTS_PREFIX = "mask_rcnn-"
AVERAGE_PREFIX = "mask_rcnn_ema-"
_PREFIX = "ema."  # of an average's name


class WeightAverage(nn.Cell):
    """average += (1 - d) * (weight - average), for every parameter of a network (Polyak & Juditsky 1992).

    d = min(decay, (1 + t) / (10 + t)) at update t from 0, so that a short run's average is not its first
    weights (TensorFlow's ExponentialMovingAverage with num_updates). Norms' moving statistics are averaged
    like weights.
    """

    def __init__(self, parameters: Sequence[Parameter], decay: float):
        super().__init__(auto_prefix=False)
        self.sources = ParameterTuple(parameters)
        self.decay = decay
        self.averages = ParameterTuple(
            [
                Parameter(Tensor(source.asnumpy()), name=f"{_PREFIX}{source.name}", requires_grad=False)
                for source in parameters
            ]
        )
        self.updates = Parameter(Tensor(0.0, ms.float32), name="ema_updates", requires_grad=False)

    def construct(self):
        step = self.updates.value()
        rest = 1.0 - ops.minimum((1.0 + step) / (10.0 + step), Tensor(self.decay, ms.float32))
        done = ops.depend(True, ops.assign(self.updates, step + 1.0))
        return ops.depend(done, for_each(ops.partial(approach, rest), self.averages, self.sources))


def approach(rest, average, source):
    """Bring an average nearer to its parameter, by a part `rest` of their difference."""
    return ops.assign_add(average, rest * (source - average))


def average_entries(step_cell: nn.Cell) -> Optional[Dict[str, Parameter]]:
    """{parameter's name: its average} of a step cell with `ema_decay`, else None."""
    if getattr(step_cell, "average", None) is None:
        return None
    parameters = step_cell.checkpoint_parameters()
    return {name[len(_PREFIX) :]: mean for name, mean in parameters.items() if name.startswith(_PREFIX)}


def save_average(trainer, name: str) -> None:
    """Write the average, where there is one, beside the checkpoint `name` (mask_rcnn-{epoch}_{step}.ckpt).

    It is a whole model's checkpoint, for eval.py, predict.py, export.py and `pre_trained`. Averages whose
    checkpoint has been deleted are deleted too.
    """
    entries = average_entries(trainer.step_cell)
    if entries is None:
        return
    folder = trainer.checkpoint_dir
    write_checkpoint(
        folder / name.replace(WEIGHTS_PREFIX, AVERAGE_PREFIX, 1),
        entries,
        trainer.network_settings,
        {"epoch_num": trainer.epoch + 1, "step_num": trainer.step_in_epoch},
    )
    for path in folder.glob(f"{AVERAGE_PREFIX}*.ckpt"):
        if not path.with_name(path.name.replace(AVERAGE_PREFIX, WEIGHTS_PREFIX, 1)).exists():
            path.unlink()
