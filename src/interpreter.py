"""What the running interpreter lacks: its version, and modules. Standard library only, for any Python 3."""

import importlib.util
import os
import sys
from typing import List, Optional

OLDEST = (3, 9)
NEWEST = (3, 12)
# The modules of requirements.txt that commands need, and those they can do without.
MODULES = (
    "mindspore",
    "numpy",
    "cv2",
    "PIL",
    "pycocotools",
    "numba",
    "yaml",
    "tqdm",
    "matplotlib",
    "safetensors",
    "tensorboardX",
)
OPTIONAL_MODULES = ("hotcoco",)
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def interpreter_problem() -> Optional[str]:
    """One line: why this interpreter cannot run the project, and what to do; None where it can."""
    version = sys.version_info[:2]
    if version < OLDEST or version > NEWEST:
        return (
            f"{sys.executable} is Python {version[0]}.{version[1]}, but this project needs "
            "Python 3.9 to 3.12: start the command with one of these"
        )
    missing = missing_modules()
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


def missing_modules() -> List[str]:
    """The needed modules of requirements.txt that this interpreter does not have."""
    return [name for name in MODULES if name not in sys.modules and importlib.util.find_spec(name) is None]


def unloadable_module(error: ImportError) -> Optional[str]:
    """One line for a required module that is installed but cannot be loaded; None for any other error."""
    name = (error.name or "").partition(".")[0]
    if name not in MODULES:
        return None
    return (
        f"{sys.executable} cannot load the module {name}: {' '.join(str(error).split())[:200]}; "
        f"{sys.executable} -m pip install --force-reinstall -r requirements.txt (in {_ROOT}) installs it anew"
    )
