"""A command of the project on a card that is not there.

python -m tests.ascend.programs.command train.py [WORD ...]
"""

from __future__ import annotations

import runpy
import sys

from tests.ascend.card import pretend
from tests.conftest import ROOT

if __name__ == "__main__":
    script = str(ROOT / sys.argv[1])
    sys.argv = [script, *sys.argv[2:]]
    pretend()
    runpy.run_path(script, run_name="__main__")
