"""The Python side of CANN: `te` compiles operators, in this process and in others that it starts."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Optional

_ROOT = Path(__file__).resolve().parents[3]
_SET_ENV = "/usr/local/Ascend/ascend-toolkit/set_env.sh"


def cann_problem() -> Optional[str]:
    """One line: what of CANN's Python side cannot be imported, and what to do; None where all of it can.

    Without it MindSpore itself only logs that `te` is missing, and fails later, within the compilation of an
    operator. MindSpore 2.8 imports no other module of CANN: CANN's `hccl` is for other frameworks.
    """
    try:
        importlib.import_module("te")
    except ModuleNotFoundError as error:
        if error.name == "te":
            return (
                "no module te, the Python side of CANN, is found: `source` CANN's set_env.sh in this shell "
                f"({_SET_ENV}, or where CANN is installed)"
            )
        return _lacks(error.name)
    # MindSpore does the same: te is known to raise exceptions of many kinds.
    except Exception as error:
        return (
            f"CANN's Python module te cannot be imported ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}): its version and this Python's may not fit"
        )
    if importlib.util.find_spec("sympy") is None:  # te imports it when it compiles an operator
        return _lacks("sympy")
    return None


def _lacks(module):
    return (
        f"CANN's Python module te needs the module {module}, which {sys.executable} lacks: "
        f"{sys.executable} -m pip install -r requirements-ascend.txt (in {_ROOT})"
    )
