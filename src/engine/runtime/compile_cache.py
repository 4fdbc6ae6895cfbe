"""Graphs kept between runs: a second start with the same code, settings and shapes reads its graph instead of compiling it.

MindSpore can keep a graph in the form that its optimiser gave it, but looks at nothing except the sources when it reads one back, and keeps
everything that a process compiles in one folder, numbered in order. So each kept graph has a folder here whose name is a digest of all that
goes into a graph, one graph is kept a process (the training step, or the network of eval.py and predict.py), and its file has a checksum.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
import zlib
from pathlib import Path

from ...errors import ConfigError
from ...maskrcnn.cpu.custom_operator import operator_names
from .device import ms

PACKAGE = Path(__file__).resolve().parents[2]
KEPT = 64  # graphs; the ones longest unused go
# Keys that say where things are, what a step is given (its pictures and its rate), or what is done between steps: the same graph for all
# of their values.
NOT_IN_A_GRAPH = {
    "coco_root",
    "train_data_type",
    "val_data_type",
    "instance_set",
    "ann_file",
    "IMAGE_DIR",
    "ANNO_PATH",
    "mindrecord_dir",
    "shard_mb",
    "pre_trained",
    "checkpoint_path",
    "resume",
    "compile_cache",
    "max_steps",
    "log_interval",
    "tensorboard",
    "eval_interval",
    "early_stop",
    "picture_interval",
    "profile",
    "save_checkpoint",
    "save_checkpoint_epochs",
    "save_checkpoint_steps",
    "save_checkpoint_minutes",
    "keep_checkpoint_max",
    "save_checkpoint_path",
    "check_sync_steps",
    "check_data",
    "bad_pictures",
    "num_parallel_workers",
    "base_lr",
    "base_step",
    "total_epoch",
    "lr_schedule",
    "lr_milestones",
    "lr_gamma",
    "base_batch",
    "warmup_step",
    "warmup_ratio",
    "epoch_size",
    "pretrain_epoch_size",
    "seed",
    "flip_ratio",
    "expand_ratio",
    "crop_ratio",
    "crop_min_side",
    "multi_scale",
    "large_scale_jitter",
    "color_jitter",
    "copy_paste_ratio",
    "repeat_factor_threshold",
}
_VARIABLES = ("MS_COMPILER_CACHE_ENABLE", "MS_COMPILER_CACHE_PATH")
_kept_one = False  # MindSpore fixes the folder with the first graph of a process


def compile_cell(cell, inputs, config, device):
    """Compile a cell for inputs (a tuple of Tensors), or read the graph of an earlier run; returns the words for what was done.

    `compile_cache`: 'auto' keeps graphs in the user's cache folder, on the CPU alone; 'off'; or a folder, which is used on any device.
    Raises ConfigError if that folder cannot be written.
    """
    global _kept_one
    root = cache_folder(config.compile_cache, device.target)
    # an entry without a file (python -c) is nothing MindSpore can look at; a user who set its variable means its own way
    if root is None or _kept_one or not os.path.isfile(sys.argv[0]) or _VARIABLES[0] in os.environ:
        cell.compile(*inputs)
        return "compiled"
    try:
        root.mkdir(parents=True, exist_ok=True)
        folder = root / digest(cell, inputs, config, device)
        store = Store(folder, device.rank)
    except OSError as error:
        if config.compile_cache != "auto":
            raise ConfigError(
                f"compile_cache={config.compile_cache}: {error.strerror}; another folder, or compile_cache=off"
            ) from None
        not_kept(root, error)
        cell.compile(*inputs)
        return "compiled"
    _kept_one = True
    with store:
        os.environ.update(zip(_VARIABLES, ("1", str(store.used))))
        try:
            cell.compile(*inputs)
        finally:
            for name in _VARIABLES:
                del os.environ[name]
        if store.was_read():
            return f"read from {folder}"
        try:
            store.keep()
        except OSError as error:
            not_kept(root, error)
    if device.rank == 0:
        prune(root, KEPT)
    return "compiled"


def not_kept(root, error):
    print(
        f"warning: {root}: {error.strerror}; the graph is not kept (compile_cache=FOLDER keeps it elsewhere)",
        flush=True,
    )


def cache_folder(setting, target):
    """The folder that holds all kept graphs, or None: nothing is kept (also where the user has no home)."""
    if setting == "off" or setting == "auto" and target != "CPU":
        return None
    if setting != "auto":
        return Path(setting).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "maskrcnn_mindspore" / "graphs" if os.path.isabs(base) else None


class Store:
    """One rank's graph in its folder: found whole, or made beside it and renamed when it is.

    used: the folder that MindSpore is to read from or to write to.
    """

    def __init__(self, folder, rank):
        self.folder, self.place = folder, folder / f"rank_{rank}"
        self.was = self.state() if self.whole() else None
        if not self.was:
            self.used = Path(tempfile.mkdtemp(".partial", f"{folder.name}.", folder.parent))
        else:
            self.used = folder
            with contextlib.suppress(OSError):  # another user's, or another process has just pruned it
                os.utime(folder)

    def state(self):
        with contextlib.suppress(OSError, AttributeError):
            found = graph_file(self.place).stat()
            return found.st_ino, found.st_size, found.st_mtime_ns
        return None

    def whole(self):
        """Whether the graph is there and is what was written."""
        try:
            return graph_file(self.place) is not None and (self.place / "crc32").read_text() == checksum(
                graph_file(self.place)
            )
        except OSError:
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.used != self.folder:
            shutil.rmtree(self.used, ignore_errors=True)

    def was_read(self):
        return self.was is not None and self.state() == self.was

    def keep(self):
        """Put the graph that was written into its place. Raises OSError where it was not written."""
        written = self.used / self.place.name
        # MindSpore only logs that it could not write a graph, and leaves what it wrote; the sources' digest is written after it
        if graph_file(written) is None or not any(
            path.stat().st_size for path in written.glob("graph_cache/*compile_dependency.hash")
        ):
            raise OSError(errno.EIO, "MindSpore could not write the graph")
        (written / "crc32").write_text(checksum(graph_file(written)))
        if written != self.place:
            self.folder.mkdir(exist_ok=True)
            shutil.rmtree(self.place, ignore_errors=True)  # what was not whole
            with contextlib.suppress(OSError):  # another process with the same graph was first
                os.rename(written, self.place)


def graph_file(place):
    """MindSpore's file of a rank's graph; its name tells the process's role among several. None if it is not there."""
    return next((place / "graph_cache").glob("*compile_cache_0.mindir"), None)


def checksum(path):
    return f"{zlib.crc32(path.read_bytes()):08x}"


def prune(root, kept):
    """Leave the `kept` last used graphs."""
    folders = []
    for entry in os.scandir(root):
        with contextlib.suppress(OSError):  # another process prunes too
            folders.append((entry.stat().st_mtime, entry.path))
    for _, path in sorted(folders, reverse=True)[kept:]:
        shutil.rmtree(path, ignore_errors=True)


def digest(cell, inputs, config, device):
    """32 hex digits of all that a graph follows from: code, versions, settings, devices, shapes, constants, operators."""
    sources = [path for path in (Path(sys.argv[0]), *sorted(PACKAGE.rglob("*.py"))) if path.is_file()]
    parts = {
        "versions": [ms.__version__, platform.python_version(), platform.machine()],
        "sources": [hashlib.sha256(path.read_bytes()).hexdigest() for path in sources],
        "settings": {name: value for name, value in config.items() if name not in NOT_IN_A_GRAPH},
        "devices": [device.target, device.num],
        "inputs": [[list(one.shape), str(one.dtype)] for one in inputs],
        "parameters": [
            [one.name, list(one.shape), str(one.dtype), one.requires_grad] for one in cell.get_parameters()
        ],
        "cells": [
            [name, type(one).__qualname__, one.training, sorted(constants(one))]
            for name, one in cell.cells_and_names()
        ],
        "operators": sorted(operator_names()),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def constants(cell):
    """(name, what it is) of a cell's own attributes, which its graph holds as they are."""
    return [(name, meaning(value)) for name, value in vars(cell).items() if name not in _NAMES_OF_ALL_CELLS]


def meaning(value):
    """JSON of a value that is equal in every process: numbers and words, Tensors by their bytes, Parameters by name, all else by its type."""
    if isinstance(value, ms.Parameter):
        return value.name
    if isinstance(value, ms.Tensor):
        return hashlib.sha256(value.asnumpy().tobytes()).hexdigest()
    if isinstance(value, (tuple, list)):
        return [meaning(one) for one in value]
    return (
        repr(value)
        if isinstance(value, (type(None), bool, int, float, str, ms.Type))
        else type(value).__qualname__
    )


_NAMES_OF_ALL_CELLS = frozenset(vars(ms.nn.Cell()))
