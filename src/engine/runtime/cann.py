"""The Python side of CANN.

`te` compiles operators, in this process and in others that it starts. Ranks that join need `hccl`.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Optional

_ROOT = Path(__file__).resolve().parents[3]
# Of CANN 8.5, and of the releases before.
_SET_ENV = "/usr/local/Ascend/cann/set_env.sh or /usr/local/Ascend/ascend-toolkit/set_env.sh"


def cann_problem() -> Optional[str]:
    """One line: what of CANN's Python side cannot be imported, and what to do; None where all of it can.

    Without it MindSpore itself only logs that `te` is missing, and fails later, within the compilation of an
    operator. What only several ranks need is left to `hccl_problem`.
    """
    problem = _import_problem("te")
    if problem is None and importlib.util.find_spec("sympy") is None:
        return _lacks("te", "sympy")  # te imports it when it compiles an operator
    return problem


def hccl_problem() -> Optional[str]:
    """The same of CANN's `hccl`, which MindSpore imports when ranks join: without it they cannot."""
    return _import_problem("hccl.sys_version")


def _import_problem(module):
    """One line: why a module of CANN cannot be imported, and what to do; None where it can."""
    package = module.partition(".")[0]
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name in (package, module):
            return (
                f"no module {error.name}, of the Python side of CANN, is found: `source` CANN's set_env.sh "
                f"in this shell ({_SET_ENV}, or where else CANN is installed)"
            )
        return _lacks(package, error.name)
    # MindSpore does the same: te is known to raise exceptions of many kinds.
    except Exception as error:
        return (
            f"CANN's Python module {package} cannot be imported ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}): its version and this Python's may not fit"
        )
    return None


def _lacks(package, module):
    return (
        f"CANN's Python module {package} needs the module {module}, which {sys.executable} lacks: "
        f"{sys.executable} -m pip install -r requirements-ascend.txt (in {_ROOT})"
    )
