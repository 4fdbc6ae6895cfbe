"""Resuming a run: its newest whole checkpoint, its settings, and what its step cell held."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from ...config import Config, keys_with, settings_from
from ...errors import CheckpointError, ConfigError
from ...log import logger
from ...weights.checkpoint_file import read_training
from ...weights.checkpoint_settings import CANVAS_KEYS, NETWORK_KEYS, config_from_checkpoint
from ...weights.loading import load_network

LATEST = "latest.ckpt"
NUMBERED = re.compile(r"mask_rcnn-(\d+)_(\d+)\.ckpt")


@dataclass
class Resumed:
    """The checkpoint of a run that is resumed.

    Attributes:
        path: The checkpoint file.
        settings: The settings that its weights need (`weights.checkpoint_settings.network_settings`).
        state: Where the run was (`Trainer.state_dict`).
        entries: {name: Parameter} of the network; on rank 0 only.
        step_state: {name: Parameter} of the rest of the step cell (momenta, averages ...); on rank 0 only.
    """

    path: str
    settings: Dict[str, Any]
    state: Dict[str, Any]
    entries: Dict[str, Any] = field(default_factory=dict)
    step_state: Dict[str, Any] = field(default_factory=dict)

    @property
    def position(self) -> Tuple[int, int]:
        """(epoch from 0, steps of it that are done), as the run that saved it counted them."""
        return self.state["epoch"], self.state["place"]


def find_resumed(config: Config, folder: Path, group) -> Optional[Resumed]:
    """The checkpoint that the key `resume` asks for, on every rank; None where the run starts anew.

    Args:
        config: resume=auto takes the newest whole checkpoint and names those that are damaged.
        folder: Where rank 0 keeps its checkpoints.
        group: The ranks of the job.

    Raises:
        CheckpointError: The file that `resume` names cannot be read.
    """
    resumed = None
    if group.rank == 0 and config.resume is not None:
        resumed = _newest(Path(folder)) if config.resume == "auto" else _read(config.resume)
    shared = group.barrier(
        decide=lambda _: (
            resumed and {"path": str(resumed.path), "settings": resumed.settings, "state": resumed.state}
        )
    )
    if group.rank == 0:
        return resumed
    return shared and Resumed(**shared)


def _read(path) -> Resumed:
    entries, settings, step_state, state = read_training(path)
    return Resumed(str(path), settings, state, entries, step_state)


def _newest(folder: Path) -> Optional[Resumed]:
    numbered = []
    for path in folder.glob("*.ckpt"):
        match = NUMBERED.fullmatch(path.name)
        if match:
            numbered.append((int(match[1]), int(match[2]), path))
    numbered.sort(reverse=True)
    candidates = [path for _, _, path in numbered]
    if (folder / LATEST).exists():
        latest = _read_if_whole(folder / LATEST)
        if latest is not None:
            newer = [path for epoch, step, path in numbered if (epoch - 1, step) > latest.position]
            if not newer:
                return latest
            candidates = [*newer, folder / LATEST]
    for path in candidates:
        resumed = _read_if_whole(path)
        if resumed is not None:
            return resumed
    logger.info("resume=auto: no checkpoint of a run in %s, so it starts from the beginning", folder)
    return None


def _read_if_whole(path: Path) -> Optional[Resumed]:
    try:
        return _read(path)
    except CheckpointError as error:
        logger.info("resume=auto: passed over: %s", error)
        return None


def resumed_config(config: Config, resumed: Resumed) -> Config:
    """`config` with the resumed run's value of every key that the user does not write now.

    A value that the user writes and that differs is reported in one line.

    Raises:
        ConfigError: Another seed: the order of the pictures would be another one.
    """
    config = config_from_checkpoint(config, resumed.settings, resumed.path)
    per_call = keys_with("per_call")
    saved = {}
    for name, value in resumed.state["config"].items():
        if name in config and name not in per_call:
            saved[name] = _to_tuples(value)
    checked_elsewhere = {*NETWORK_KEYS, *CANVAS_KEYS, "norm", "coco_root", "pre_trained"}
    different = [
        f"{name}={config[name]} (was {saved[name]})"
        for name in sorted(saved)
        if name in config.written and name not in checked_elsewhere and config[name] != saved[name]
    ]
    if different:
        logger.info("resumed with other settings than %s: %s", resumed.path, ", ".join(different))
    if config.seed != saved.get("seed", config.seed) and "seed" in config.written:
        raise ConfigError(
            f"seed={config.seed}: the run in {resumed.path} has seed {saved['seed']}, "
            "and its order of pictures would be another"
        )
    taken_over = {name: value for name, value in saved.items() if name not in config.written}
    return settings_from(config, resumed.path, taken_over)


def check_same_data(resumed: Resumed, manifest) -> None:
    """Raise CheckpointError where the run was trained on other data, in which its position means nothing."""
    data = resumed.state["data"]
    if data != data_fingerprint(manifest):
        raise CheckpointError(
            f"{resumed.path} was trained on other data ({data['pictures']} pictures; "
            f"here {manifest.pictures}, from {manifest.source}); to go on with these, start a new run with "
            f"pre_trained={resumed.path}"
        )


def data_fingerprint(manifest) -> Dict[str, int]:
    """Counts and the CRC of the rows: what tells two conversions apart."""
    return {"pictures": manifest.pictures, "objects": manifest.objects, "rows": manifest.rows_crc}


def restore_step_cell(step_cell: nn.Cell, network: nn.Cell, resumed: Resumed) -> None:
    """Fill in the network and every other parameter of the step cell.

    Raises:
        CheckpointError: A name or a shape differs; nothing is changed then.
    """
    needed = step_state_of(step_cell, network)
    saved = resumed.step_state
    problems = [f"{name} is missing" for name in needed if name not in saved]
    problems += [f"{name} is not known here" for name in saved if name not in needed]
    for name, parameter in needed.items():
        if name in saved and tuple(saved[name].shape) != tuple(parameter.shape):
            problems.append(f"{name} is {tuple(saved[name].shape)}, needed {tuple(parameter.shape)}")
    if problems:
        more = f" and {len(problems) - 4} more" if len(problems) > 4 else ""
        raise CheckpointError(
            f"{resumed.path} was trained with other settings (the optimiser's?): "
            f"{', '.join(problems[:4])}{more}"
        )
    load_network(network, resumed.entries, resumed.path)
    for name, parameter in needed.items():
        parameter.set_data(Tensor(saved[name].asnumpy().reshape(parameter.shape), parameter.dtype))


def step_state_of(step_cell: nn.Cell, network: nn.Cell) -> Dict[str, Parameter]:
    """{name: Parameter} of what the step cell holds beside the network's weights."""
    weights = network.parameters_dict()
    parameters = step_cell.checkpoint_parameters()
    return {name: value for name, value in parameters.items() if name not in weights}


def broadcast_parameters(step_cell: nn.Cell, device) -> None:
    """Give every rank rank 0's values of all parameters, whatever it started from."""
    if device.num == 1:
        return
    device.group.barrier()  # MindSpore's collectives on the CPU wait for 30 seconds only
    broadcast = ops.Broadcast(0)
    for parameter in step_cell.checkpoint_parameters().values():
        value = parameter.asnumpy()
        # Every device's collectives know int32: the bytes of all other dtypes travel as int32.
        words = np.frombuffer(value.tobytes() + bytes(-value.nbytes % 4), np.int32)
        received = broadcast((Tensor(words),))[0].asnumpy().tobytes()[: value.nbytes]
        parameter.set_data(Tensor(np.frombuffer(received, value.dtype).reshape(value.shape), parameter.dtype))


def _to_tuples(value):
    return tuple(_to_tuples(item) for item in value) if isinstance(value, list) else value
