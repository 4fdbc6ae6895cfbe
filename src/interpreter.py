"""What the running interpreter lacks: its version, and modules. Standard library only, for any Python 3."""

import importlib.util
import os
import sys
from typing import Optional, Sequence

OLDEST = (3, 9)
NEWEST = (3, 12)
# The modules of requirements.txt. Those that every command needs; with ONNX Runtime they are enough to run
# and evaluate an ONNX file.
INFERENCE_MODULES = ("numpy", "cv2", "PIL", "pycocotools", "yaml", "tqdm")
# What training, checkpoints and reports need besides.
TRAINING_MODULES = ("mindspore", "numba", "matplotlib", "safetensors", "tensorboardX")
MODULES = INFERENCE_MODULES + TRAINING_MODULES
# What commands can do without.
OPTIONAL_MODULES = ("hotcoco",)
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def interpreter_problem(modules: Sequence[str] = MODULES) -> Optional[str]:
    """One line: why this interpreter cannot run the project, and what to do; None where it can.

    Args:
        modules: What is needed of MODULES.
    """
    version = sys.version_info[:2]
    if version < OLDEST or version > NEWEST:
        return (
            f"{sys.executable} is Python {version[0]}.{version[1]}, but this project needs "
            "Python 3.9 to 3.12: start the command with one of these"
        )
    return modules_problem(modules)


def modules_problem(modules: Sequence[str]) -> Optional[str]:
    """One line: which of these modules are not installed, and what to do; None where all of them are."""
    missing = [
        name for name in modules if sys.modules.get(name) is None and importlib.util.find_spec(name) is None
    ]
    if not missing:
        return None
    line = (
        f"{sys.executable} lacks the module{'s' if len(missing) > 1 else ''} {', '.join(missing)}: "
        f"{sys.executable} -m pip install -r requirements.txt (in {_ROOT})"
    )
    own = os.path.join(_ROOT, ".venv", "bin", "python")
    if os.path.exists(own) and os.path.abspath(sys.executable) != own:
        line += f", or start the command with {own}"
    return line


def unloadable_module(error: ImportError) -> Optional[str]:
    """One line for a required module that is installed but cannot be loaded; None for any other error."""
    name = (error.name or "").partition(".")[0]
    if name not in MODULES:
        return None
    return (
        f"{sys.executable} cannot load the module {name}: {' '.join(str(error).split())[:200]}; "
        f"{sys.executable} -m pip install --force-reinstall -r requirements.txt (in {_ROOT}) installs it anew"
    )
