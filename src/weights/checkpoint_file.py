"""Checkpoint files (.ckpt): written completely or not at all, with a checksum and the network's settings."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Union

import mindspore as ms

from ..errors import CheckpointError
from .checkpoint_settings import SETTINGS_ENTRY

STATE_ENTRY = "maskrcnn_training"  # the state of the training run, as JSON
STEP_CELL_PREFIX = "training."  # before the names of the step cell's other parameters (optimiser, averages)

_SHOWN_FILES = 5  # of a folder, in a message
_CRC_BYTES = 17  # MindSpore ends a file with "crc_num" and 10 bytes


class Checkpoint(NamedTuple):
    """What a checkpoint holds for inference.

    Attributes:
        entries: {parameter name: Parameter} of the network.
        settings: the network's settings; None for a checkpoint of another project.
        epoch: the epoch in which it was written, from 1; 0 if it is not known.
    """

    entries: Dict[str, ms.Parameter]
    settings: Optional[Dict[str, Any]]
    epoch: int


class TrainingCheckpoint(NamedTuple):
    """What a checkpoint holds for a training run that is resumed.

    Attributes:
        entries: {parameter name: Parameter} of the network.
        settings: the network's settings.
        step_cell_entries: {parameter name: Parameter} of the rest of the step cell, such as momenta.
        state: the state of the run.
    """

    entries: Dict[str, ms.Parameter]
    settings: Dict[str, Any]
    step_cell_entries: Dict[str, ms.Parameter]
    state: Dict[str, Any]


def save_checkpoint(
    path: Union[str, Path],
    network: ms.nn.Cell,
    settings: Mapping[str, Any],
    epoch: int,
    step: int,
    step_cell: Optional[ms.nn.Cell] = None,
    state: Optional[Mapping[str, Any]] = None,
) -> None:
    """Write a network's parameters and settings, and with `step_cell` all that a run needs to be resumed.

    Args:
        path: the file; see `write_checkpoint`.
        network: its parameters are written under their names.
        settings: the network's settings, from `network_settings`.
        epoch: number of the epoch, from 1.
        step: how many steps of the epoch are done.
        step_cell: the training step. Its `checkpoint_parameters` that are not the network's are written
            too: momenta, weight averages, the loss scale.
        state: the run's state, a dict that JSON can hold; written with `step_cell` only.

    Raises:
        CheckpointError: if the file cannot be written.
    """
    entries = dict(network.parameters_dict())
    extra = {"epoch_num": epoch, "step_num": step}
    if step_cell is not None:
        for name, parameter in step_cell.checkpoint_parameters().items():
            if name not in entries:
                entries[STEP_CELL_PREFIX + name] = parameter
        extra[STATE_ENTRY] = json.dumps(state)
    write_checkpoint(path, entries, settings, extra)


def write_checkpoint(
    path: Union[str, Path],
    entries: Mapping[str, Union[ms.Tensor, ms.Parameter]],
    settings: Mapping[str, Any],
    extra: Optional[Mapping[str, Any]] = None,
) -> None:
    """Write a checkpoint to a temporary file beside `path`, then rename it.

    A process that is killed while it writes leaves the old file as it was.
    A reader sees the old file or the complete new one.

    Args:
        path: the file. Its folder is made if it is not there.
        entries: {name: Tensor or Parameter}.
        settings: a dict that JSON can hold.
        extra: {name: number or text} of further entries.

    Raises:
        CheckpointError: if the file cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.partial.ckpt")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        ms.save_checkpoint(
            [{"name": name, "data": value} for name, value in entries.items()],
            str(temporary),
            append_dict={SETTINGS_ENTRY: json.dumps(settings), **(extra or {})},
            crc_check=True,
        )
        os.chmod(temporary, 0o644)  # MindSpore makes it readable by its owner only
        _sync_to_disk(temporary)  # else the new name may have no content after a power failure
        os.replace(temporary, path)
        _sync_to_disk(path.parent)
    except (OSError, RuntimeError, ValueError) as error:
        # MindSpore itself first writes to a temporary file with a longer name
        for leftover in path.parent.glob(f"{temporary.stem}*"):
            leftover.unlink()
        raise CheckpointError(
            f"checkpoint {path} could not be written: {_one_line(error)}; what was saved before is untouched"
        ) from None


def _sync_to_disk(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def rotate_checkpoints(folder: Union[str, Path], keep: int) -> None:
    """Delete all but the newest `keep` checkpoints mask_rcnn-{epoch}_{step}.ckpt of a folder."""
    for path in _numbered(Path(folder))[:-keep]:
        path.unlink(missing_ok=True)


def _numbered(folder: Path) -> List[Path]:
    """The files mask_rcnn-{epoch}_{step}.ckpt of a folder, the newest last."""
    numbered = []
    for path in folder.glob("mask_rcnn-*_*.ckpt"):
        match = re.fullmatch(r"mask_rcnn-(\d+)_(\d+)\.ckpt", path.name)
        if match:
            numbered.append((int(match[1]), int(match[2]), path))
    return [path for _, _, path in sorted(numbered)]


def describe_folder(folder: Path) -> str:
    """For a folder in the place of a checkpoint: which checkpoints are in it, and which is the newest."""
    files = []
    for part in (folder, folder / "checkpoint"):
        files = sorted(path for path in part.glob("*.ckpt") if not path.name.startswith("."))
        if files:
            break
    if not files:
        return "is a folder without a .ckpt file; name the file"
    newest = (_numbered(files[0].parent) or sorted(files, key=lambda path: path.stat().st_mtime))[-1]
    shown = [path.name for path in files if path != newest][:_SHOWN_FILES]
    more = len(files) - 1 - len(shown)
    others = f", beside {', '.join(shown)}" if shown else ""
    others += f" and {more} more" if more else ""
    return f"is a folder; name a file of it, such as its newest, {newest}{others}"


def read_checkpoint(path: Union[str, Path]) -> Checkpoint:
    """Read the network's part of a .ckpt file.

    Raises:
        CheckpointError: if the file is missing, incomplete or damaged.
    """
    return _read(path, lambda name: not name.startswith(STEP_CELL_PREFIX) and name != STATE_ENTRY)


def read_training(path: Union[str, Path]) -> TrainingCheckpoint:
    """Read the checkpoint of a training run with all that is needed to resume the run.

    Raises:
        CheckpointError: as `read_checkpoint`, and for a file that holds weights only.
    """
    entries, settings, _ = _read(path, None)
    state = entries.pop(STATE_ENTRY, None)
    if state is None or settings is None:
        raise CheckpointError(
            f"checkpoint {path}: holds weights, but not the state of a training run; "
            f"pre_trained={path} starts a new one from them"
        )
    step_cell_entries = {}
    for name in list(entries):
        if name.startswith(STEP_CELL_PREFIX):
            step_cell_entries[name[len(STEP_CELL_PREFIX) :]] = entries.pop(name)
    return TrainingCheckpoint(entries, settings, step_cell_entries, _json(state, path))


def _read(path, is_wanted):
    """The Checkpoint of a file, of the entries whose name `is_wanted` accepts (None: of all)."""
    if Path(path).is_dir():
        raise CheckpointError(f"checkpoint {path}: {describe_folder(Path(path))}")
    if not Path(path).is_file():
        raise CheckpointError(f"checkpoint {path}: no such file")
    if Path(path).suffix != ".ckpt":
        raise CheckpointError(
            f"checkpoint {path}: a MindSpore .ckpt file expected; "
            "convert_weights.py makes one of other projects' files"
        )
    has_crc = _has_crc(path)
    try:
        entries = ms.load_checkpoint(str(path), crc_check=has_crc, choice_func=is_wanted)
    except (ValueError, OSError, RuntimeError, TypeError) as error:
        raise CheckpointError(
            f"checkpoint {path}: not a whole MindSpore checkpoint ({_one_line(error)})"
        ) from None
    settings = entries.pop(SETTINGS_ENTRY, None)
    epoch = entries.pop("epoch_num", None)
    entries.pop("step_num", None)
    if settings is not None and not has_crc:  # this project always writes a checksum
        raise CheckpointError(f"checkpoint {path}: its checksum is missing, so it is not whole")
    return Checkpoint(
        entries,
        None if settings is None else _json(settings, path),
        0 if epoch is None else int(epoch.asnumpy() if hasattr(epoch, "asnumpy") else epoch),
    )


def _json(entry, path):
    """The content of a JSON entry, which MindSpore gives as text or as a parameter."""
    if not isinstance(entry, str):
        entry = str(entry.value() if callable(getattr(entry, "value", None)) else entry)
    try:
        return json.loads(entry)
    except ValueError:
        raise CheckpointError(f"checkpoint {path}: its settings entry is damaged") from None


def _has_crc(path):
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _CRC_BYTES))
        return file.read().startswith(b"crc_num")


def _one_line(error):
    return " ".join(str(error).split())[:160]
