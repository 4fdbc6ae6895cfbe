"""loss_{rank}.log: one line for each logged step, written, read back and numbered for plots."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Union

from ...errors import DataError

# The names of the losses in a line, in their order. rpn_loss and rcnn_loss are sums of the losses named after
# them.
LOSS_NAMES = (
    "rpn_loss",
    "rcnn_loss",
    "rpn_cls_loss",
    "rpn_reg_loss",
    "rcnn_cls_loss",
    "rcnn_reg_loss",
    "rcnn_mask_loss",
    "total_loss",
)
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|nan|inf)"
_LINE = re.compile(r"epoch: (\d+) step: (\d+) ,(.*)", re.DOTALL)
_LOSS = re.compile(rf"\s*(\w+): ({_NUMBER})\s*")


class LossLog:
    """Appends lines to a loss log. Each line reaches the file at once, also of a run that is killed later.

    Args:
        path: The file; its folder is made.

    Raises:
        DataError: The file cannot be written.
    """

    def __init__(self, path: Union[str, Path]):
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "a", encoding="utf-8")
        except OSError as error:
            raise DataError(
                f"loss log {path}: {error.strerror or error}; choose a work folder that can be written"
            ) from None

    def write(self, epoch: int, step: int, losses: Mapping[str, float]) -> None:
        """Write one line.

        Args:
            epoch: The epoch, from 1.
            step: The step within the epoch, from 1.
            losses: A number for every name of LOSS_NAMES.

        Raises:
            ValueError: A loss is missing.
        """
        missing = [name for name in LOSS_NAMES if name not in losses]
        if missing:
            raise ValueError(f"losses without {', '.join(missing)}")
        values = ", ".join(f"{name}: {float(losses[name]):.5f}" for name in LOSS_NAMES)
        self._file.write(f"epoch: {int(epoch)} step: {int(step)} ,{values}\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> LossLog:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def read_loss_log(path: Union[str, Path]) -> List[Dict[str, Any]]:
    """The lines of a loss log as dicts {"epoch": int, "step": int, "rpn_loss": float, ...}, in their order.

    A last line without a line end is left out: a killed run left it unfinished.

    Raises:
        DataError: The file cannot be read, or another line is wrong.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"loss log {path}: {getattr(error, 'strerror', None) or error}") from None
    rows = []
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if not line.strip() or not line.endswith("\n"):
            continue
        match = _LINE.fullmatch(line.strip())
        losses = [_LOSS.fullmatch(part) for part in match[3].split(",")] if match else [None]
        if not all(losses):
            raise DataError(
                f"loss log {path}, line {number}: 'epoch: 1 step: 1 ,rpn_loss: 0.1, ...' expected, "
                f"found '{line.strip()[:60]}'; remove this line"
            )
        row = {"epoch": int(match[1]), "step": int(match[2])}
        row.update({loss[1]: float(loss[2]) for loss in losses})
        rows.append(row)
    return rows


def cut_loss_log(path: Union[str, Path], epoch: int, step: int) -> None:
    """Remove from a loss log all lines after `step` of `epoch` (both from 1), and an unfinished last line.

    Nothing is done where there is no such file.
    """
    path = Path(path)
    if not path.exists():
        return
    kept = [row for row in read_loss_log(path) if (row["epoch"], row["step"]) <= (epoch, step)]
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with LossLog(part) as log:
        for row in kept:
            log.write(row["epoch"], row["step"], row)
    os.replace(part, path)


def global_steps(rows: Sequence[Mapping[str, Any]]) -> List[int]:
    """The step of each row of `read_loss_log`, counted from the start of the run.

    The length of an epoch is the largest step that any epoch of the log reached. So a log that leaves steps
    out, or that begins with a later epoch, is numbered correctly too.
    """
    length = max((row["step"] for row in rows), default=0)
    return [(row["epoch"] - 1) * length + row["step"] for row in rows]
