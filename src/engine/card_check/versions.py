"""Versions of what a card's figures depend on, read from the files that the installers leave."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Dict

_ASCEND = Path("/usr/local/Ascend")
_UNKNOWN = "not found"


def find_versions(ascend: Path = _ASCEND) -> Dict[str, str]:
    """{what: its version, or "not found"}, without the chip, which MindSpore tells.

    Args:
        ascend: Where driver and firmware are installed.
    """
    home = os.environ.get("ASCEND_HOME_PATH")
    return {
        "MindSpore": _package("mindspore"),
        "NumPy": _package("numpy"),
        "Python": platform.python_version(),
        "system": platform.platform(),
        "CANN": _cann(Path(home)) if home else f"{_UNKNOWN} (ASCEND_HOME_PATH is not set)",
        "driver": _from_file(ascend / "driver" / "version.info"),
        "firmware": _from_file(ascend / "firmware" / "version.info"),
    }


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return _UNKNOWN


def _cann(home: Path) -> str:
    """The toolkit's file is in a folder named by the machine (aarch64-linux), or above it."""
    for path in (*sorted(home.glob("*-linux/ascend_toolkit_install.info")), home / "version.cfg"):
        found = _from_file(path)
        if found != _UNKNOWN:
            return found
    return f"{_UNKNOWN} in {home}"


def _from_file(path: Path) -> str:
    """The value of a line such as Version=25.2.0, or version=8.2.RC1."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _UNKNOWN
    found = re.search(r"(?im)^\s*[\w ]*version[\w ]*=\s*\[?([^\]\s:]+)", text)
    return found[1] if found else _UNKNOWN
