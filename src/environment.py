"""Environment variables that MindSpore and its libraries read when they are loaded. Standard library only."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version

# MindSpore 2.9 and 2.10 send float32 convolutions to oneDNN's reference code on CPUs with AVX-512, which is
# 150 times slower. With the older instruction set they do not.
_SLOW_ON_AVX512 = ("2.9.", "2.10.")
_ERROR = 3  # GLOG_v: 0 debug, 1 info, 2 warning, 3 error


def set_library_variables() -> None:
    """Set what has to be set before MindSpore is imported. What the user has set stays."""
    level = os.environ.setdefault("GLOG_v", str(_ERROR))
    if level.isdigit():
        # While a process of several ranks ends, MindSpore no longer looks at GLOG_v, but its glog library
        # does at this one; there 0 is info, 1 warning, 2 error.
        os.environ.setdefault("GLOG_minloglevel", str(max(0, int(level) - 1)))
    try:
        mindspore_version = version("mindspore")
    except PackageNotFoundError:
        return
    if mindspore_version.startswith(_SLOW_ON_AVX512):
        os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
