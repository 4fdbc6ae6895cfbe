"""What is set and known before MindSpore is loaded, with the standard library alone.

That is: the environment variables that it and its libraries read, and whether there is an Ascend card.
"""

from __future__ import annotations

import glob
import importlib.util
import os
import stat
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Optional

# MindSpore 2.9 and 2.10 send float32 convolutions to oneDNN's reference code on CPUs with AVX-512, which is
# 150 times slower. With the older instruction set they do not.
_SLOW_ON_AVX512 = ("2.9.", "2.10.")
_SOURCES = Path(__file__).parent
# Folders of modules with kernels that Numba compiles and keeps.
_KERNEL_FOLDERS = (_SOURCES / "maskrcnn" / "cpu", _SOURCES / "data" / "images")
_ERROR = 3  # GLOG_v: 0 debug, 1 info, 2 warning, 3 error


def card_is_here() -> bool:
    """Whether the driver shows an Ascend card."""
    return bool(glob.glob("/dev/davinci[0-9]*"))


def device_id_problem() -> Optional[str]:
    """One line where DEVICE_ID is no number of a card; else None.

    MindSpore reads it while it is imported, and aborts the process at a negative number.
    """
    text = os.environ.get("DEVICE_ID", "")
    if not text or (text.isascii() and text.isdigit() and len(text) < 5):
        return None
    return f"DEVICE_ID={text}: the number of a card of this host expected, from 0 on"


def set_library_variables() -> None:
    """Set what has to be set before MindSpore is imported. What the user has set stays."""
    level = os.environ.setdefault("GLOG_v", str(_ERROR))
    if level.isdigit():
        # While a process of several ranks ends, MindSpore no longer looks at GLOG_v, but its glog library
        # does at this one; there 0 is info, 1 warning, 2 error.
        os.environ.setdefault("GLOG_minloglevel", str(max(0, int(level) - 1)))
    # Else an OpenMP thread that has finished its part of a kernel keeps its core for milliseconds, in which
    # MindSpore's threads wait for it: on two cores a training step takes twice the time.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    _set_cache_folders()
    try:
        mindspore_version = version("mindspore")
    except PackageNotFoundError:
        return
    if mindspore_version.startswith(_SLOW_ON_AVX512):
        os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")


def _set_cache_folders() -> None:
    """Give Numba and matplotlib a temporary folder where theirs cannot be written.

    That is so without a home folder, or with a read-only one, and a checkout that others own. Numba would
    end in a RuntimeError, or make a folder called "~" in the working folder.
    """
    if not _numba_can_write():
        _set_temporary("NUMBA_CACHE_DIR", "numba")
    folder = os.environ.get("MPLCONFIGDIR") or _home_folder("XDG_CONFIG_HOME", ".config", "matplotlib")
    if not _can_write(folder):
        _set_temporary("MPLCONFIGDIR", "matplotlib")


def cache_problem() -> Optional[str]:
    """One line where Numba is installed and can write its compiled kernels nowhere; else None."""
    if importlib.util.find_spec("numba") is None or _numba_can_write():
        return None
    return (
        "no folder can be written for compiled kernels: set NUMBA_CACHE_DIR, or TMPDIR, to a folder that "
        "can be written"
    )


def _numba_can_write() -> bool:
    """Numba tries these folders in this order."""
    if _can_write(os.environ.get("NUMBA_CACHE_DIR")):
        return True
    if all(_can_write(folder / "__pycache__") for folder in _KERNEL_FOLDERS):
        return True
    return _can_write(_home_folder("XDG_CACHE_HOME", ".cache", "numba"))


def _home_folder(variable: str, default: str, name: str) -> Optional[str]:
    """A library's folder of the user; None for a user without a home folder."""
    base = os.environ.get(variable) or os.path.join(os.path.expanduser("~"), default)
    return os.path.join(base, name) if os.path.isabs(base) else None


def _can_write(folder) -> bool:
    """Whether a folder can be made, or written to where it is there. None cannot."""
    if not folder:
        return False
    folder = Path(folder).absolute()
    while not os.path.lexists(folder):
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _set_temporary(variable: str, name: str) -> None:
    """Point a variable to a folder that only this user can write, below the system's temporary folder."""
    try:
        folder = os.path.join(tempfile.gettempdir(), f"maskrcnn-{os.getuid()}")
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            info = os.lstat(folder)
            # Numba runs what it finds there: nobody else may have put it.
            is_own = stat.S_ISDIR(info.st_mode) and info.st_uid == os.getuid() and not info.st_mode & 0o077
            if not is_own:
                folder = tempfile.mkdtemp(prefix="maskrcnn-")
    except OSError:
        return  # `cache_problem` tells of it
    os.environ[variable] = os.path.join(folder, name)
