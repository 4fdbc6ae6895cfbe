"""Going on with a run: finding its newest whole checkpoint, taking over its settings, and filling in what its step cell held."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from mindspore import Tensor, ops

from ...config import settings_from
from ...errors import CheckpointError, ConfigError
from ...weights.checkpoint import CANVAS_KEYS, NETWORK_KEYS, read_training
from ...weights.loading import config_from_checkpoint, load_network

LATEST = "latest.ckpt"
# What belongs to a machine or to one call, not to the run: the checkpoint's is not taken over.
_OWN = {"resume", "max_steps", "device_target", "num_parallel_workers", "checkpoint_path", "ann_file"}
NUMBERED = re.compile(r"mask_rcnn-(\d+)_(\d+)\.ckpt")


@dataclass
class Resumed:
    """What a run goes on from. path: the checkpoint; settings: what its weights mean; state: where the run was (`state_of`); entries, rest:
    {name: Parameter} of the network and of the rest of the step cell, on rank 0 only."""

    path: str
    settings: dict
    state: dict
    entries: dict = field(default_factory=dict)
    rest: dict = field(default_factory=dict)

    @property
    def place(self):
        """(epoch, steps of it that were done), both as the run that saved it counted, the epoch from 0."""
        return self.state["epoch"], self.state["place"]


def find_resumed(config, folder, team):
    """The Resumed that `resume` asks for, on every rank; None to start anew. folder: where rank 0 keeps its checkpoints.

    auto takes the newest that is whole, says which are not, and says so where there is none. Raises CheckpointError for a named file.
    """
    found = None
    if team.rank == 0 and config.resume is not None:
        found = _newest(Path(folder)) if config.resume == "auto" else _read(config.resume)
    answer = team.meet(
        decide=lambda _: found and {"path": str(found.path), "settings": found.settings, "state": found.state}
    )
    return found if team.rank == 0 else answer and Resumed(**answer)


def _read(path):
    entries, settings, rest, state = read_training(path)
    return Resumed(str(path), settings, state, entries, rest)


def _newest(folder):
    numbered = sorted(
        (
            (int(match[1]), int(match[2]), path)
            for path in folder.glob("*.ckpt")
            for match in [NUMBERED.fullmatch(path.name)]
            if match
        ),
        reverse=True,
    )
    candidates = [path for _, _, path in numbered]
    if (folder / LATEST).exists():
        latest = _whole(folder / LATEST)
        newer = latest and [path for epoch, place, path in numbered if (epoch - 1, place) > latest.place]
        if latest and not newer:
            return latest
        candidates = newer + [folder / LATEST] if latest else candidates
    for path in candidates:
        found = _whole(path)
        if found:
            return found
    print(f"resume=auto: no checkpoint of a run in {folder}, so it starts from the beginning", flush=True)
    return None


def _whole(path):
    try:
        return _read(path)
    except CheckpointError as error:
        print(f"resume=auto: passed over: {error}", flush=True)
        return None


def config_of(config, resumed):
    """`config` with the settings of the resumed run for all keys that the user does not write now; other values are said."""
    config = config_from_checkpoint(config, resumed.settings, resumed.path)
    was = {
        name: _tuples(value)
        for name, value in resumed.state["config"].items()
        if name in config and name not in _OWN
    }
    kept = {*NETWORK_KEYS, *CANVAS_KEYS, "norm", "coco_root", "pre_trained"}
    different = [
        f"{name}={config[name]} (was {was[name]})"
        for name in sorted(was)
        if name in config.written and name not in kept and config[name] != was[name]
    ]
    if different:
        print(f"resumed with other settings than {resumed.path}: {', '.join(different)}", flush=True)
    if config.seed != was.get("seed", config.seed) and "seed" in config.written:
        raise ConfigError(
            f"seed={config.seed}: the run in {resumed.path} has seed {was['seed']}, and its order of pictures would be another"
        )
    return settings_from(
        config, resumed.path, {name: value for name, value in was.items() if name not in config.written}
    )


def check_data(resumed, manifest):
    """CheckpointError where the data are not those that the run has learnt from, as its place in them would mean nothing."""
    data = resumed.state["data"]
    if data != data_of(manifest):
        raise CheckpointError(
            f"{resumed.path} was trained on other data ({data['pictures']} pictures; here {manifest.pictures}, from "
            f"{manifest.source}); to go on with these, start a new run with pre_trained={resumed.path}"
        )


def data_of(manifest):
    return {"pictures": manifest.pictures, "objects": manifest.objects, "rows": manifest.rows_crc}


def restore(step_cell, network, resumed):
    """Fill in the network and every other parameter of the step cell; CheckpointError, and nothing is changed, where names or shapes differ."""
    rest = rest_of(step_cell, network)
    problems = [f"{name} is missing" for name in rest if name not in resumed.rest]
    problems += [f"{name} is not known here" for name in resumed.rest if name not in rest]
    problems += [
        f"{name} is {tuple(resumed.rest[name].shape)}, needed {tuple(value.shape)}"
        for name, value in rest.items()
        if name in resumed.rest and tuple(resumed.rest[name].shape) != tuple(value.shape)
    ]
    if problems:
        raise CheckpointError(
            f"{resumed.path} was trained with other settings (the optimiser's?): {', '.join(problems[:4])}"
            + (f" and {len(problems) - 4} more" if len(problems) > 4 else "")
        )
    load_network(network, resumed.entries, resumed.path)
    for name, parameter in rest.items():
        parameter.set_data(Tensor(resumed.rest[name].asnumpy().reshape(parameter.shape), parameter.dtype))


def rest_of(step_cell, network):
    """{name: Parameter} of what the step cell holds beside the network."""
    weights = network.parameters_dict()
    return {name: value for name, value in step_cell.parameters_dict().items() if name not in weights}


def share_parameters(step_cell, device):
    """Every rank takes rank 0's values of all parameters: whatever it started from, it starts as the others."""
    if device.num == 1:
        return
    device.team.meet()  # MindSpore's collectives on the CPU wait for 30 seconds only
    broadcast = ops.Broadcast(0)
    for parameter in step_cell.parameters_dict().values():
        value = parameter.asnumpy()
        # one dtype that the collectives of every device know carries all others, bit by bit
        words = np.frombuffer(value.tobytes() + bytes(-value.nbytes % 4), np.int32)
        received = broadcast((Tensor(words),))[0].asnumpy().tobytes()[: value.nbytes]
        parameter.set_data(Tensor(np.frombuffer(received, value.dtype).reshape(value.shape), parameter.dtype))


def _tuples(value):
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
