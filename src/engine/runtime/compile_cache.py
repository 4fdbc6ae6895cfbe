"""Compiled graphs kept between runs: a second start with the same code, settings and shapes reads its graph.

MindSpore can keep a compiled graph in a folder, but when it reads one back it checks only the source files,
and it keeps everything that a process compiles in one folder, numbered in order. So each kept graph has a
folder of its own, named by a digest of all that the graph follows from (`graph_digest.py`), with a checksum
(`graph_store.py`), and a process keeps one graph: the training step, or the network of eval.py and
predict.py.
"""

from __future__ import annotations

import contextlib
import gc
import os
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional, Sequence

import mindspore as ms
from mindspore.common import api

from ...errors import ConfigError
from ...log import logger
from .device import Device
from .graph_digest import digest
from .graph_store import GraphStore, prune

MAX_GRAPHS = 64
_ENABLE = "MS_COMPILER_CACHE_ENABLE"
_FOLDER = "MS_COMPILER_CACHE_PATH"
_FILE_WITHOUT_IMPORTS = Path(__file__).parent / "__init__.py"  # not empty: MindSpore hashes it
_is_used = False  # MindSpore uses the folder of a process's first graph for all its graphs


def compile_cell(
    cell: ms.nn.Cell,
    inputs: Sequence[ms.Tensor],
    device: Device,
    compile_cache: str,
    graph_settings: Mapping[str, Any],
) -> str:
    """Compile a cell for the shapes of `inputs`, or read the graph that an earlier run has kept.

    Args:
        cell: The cell.
        inputs: Tensors of the shapes.
        device: The device that the graph is for.
        compile_cache: The key of this name, where graphs are kept: 'auto' in the user's cache folder, on the
            CPU only; 'off' nowhere; or a folder, on any device.
        graph_settings: As of `digest`.

    Returns:
        What was done: "compiled" or "read from FOLDER".

    Raises:
        ConfigError: The folder of `compile_cache` cannot be written.
    """
    global _is_used
    # MindSpore forgets a new graph when an earlier cell is freed while it is compiled. The first call would
    # compile it again.
    gc.collect()
    root = cache_folder(compile_cache, device.target)
    # A user who has set MindSpore's variable uses its cache.
    if root is None and compile_cache == "auto" and device.target == "CPU":
        logger.info("no home folder: the compiled graph is not kept (compile_cache=FOLDER keeps it)")
    if root is None or _is_used or _ENABLE in os.environ:
        cell.compile(*inputs)
        return "compiled"
    try:
        root.mkdir(parents=True, exist_ok=True)
        folder = root / digest(cell, inputs, device, graph_settings)
        store = GraphStore(folder, device.rank)
    except OSError as error:
        if compile_cache != "auto":
            raise ConfigError(
                f"compile_cache={compile_cache}: {error.strerror}; another folder, or compile_cache=off"
            ) from None
        _warn_not_kept(root, error)
        cell.compile(*inputs)
        return "compiled"
    _is_used = True
    with store:
        os.environ[_ENABLE] = "1"
        os.environ[_FOLDER] = str(store.used_folder)
        try:
            with _no_source_walk():
                cell.compile(*inputs)
        finally:
            del os.environ[_ENABLE]
            del os.environ[_FOLDER]
        if store.was_read():
            return f"read from {folder}"
        try:
            store.keep()
        except OSError as error:
            _warn_not_kept(root, error)
    if device.rank == 0:
        prune(root, MAX_GRAPHS)
    return "compiled"


@contextlib.contextmanager
def _no_source_walk() -> Iterator[None]:
    """Let MindSpore compare no source files of its own choice: the digest holds all that matter.

    MindSpore walks the imports of the script that was started (`sys.argv[0]`). It stops with an ImportError
    where that script is a module with relative imports (`python -m package.module`), and it refuses a program
    without a script (`python -c`). So it is shown a file that imports nothing.
    """
    script = api.entry_script_path
    api.entry_script_path = str(_FILE_WITHOUT_IMPORTS)
    try:
        yield
    finally:
        api.entry_script_path = script


def cache_folder(setting: str, target: str) -> Optional[Path]:
    """The folder of all kept graphs. None: nothing is kept (also for a user without a home folder)."""
    if setting == "off" or (setting == "auto" and target != "CPU"):
        return None
    if setting != "auto":
        return Path(setting).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "maskrcnn_mindspore" / "graphs" if os.path.isabs(base) else None


def _warn_not_kept(root: Path, error: OSError) -> None:
    logger.warning(
        "%s: %s; the graph is not kept (compile_cache=FOLDER keeps it elsewhere)", root, error.strerror
    )
