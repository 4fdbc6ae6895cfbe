"""Mask R-CNN in MindSpore."""

import sys

from .interpreter import OLDEST, interpreter_problem

if sys.version_info < OLDEST:
    # Such a Python cannot read the other files.
    sys.stderr.write(f"error: {interpreter_problem()}\n")
    sys.exit(2)

from .environment import set_library_variables  # noqa: E402

set_library_variables()
