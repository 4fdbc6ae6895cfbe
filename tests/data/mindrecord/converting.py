"""What the tests of conversion share: settings, and a conversion in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Union

from src.config import Config, load_config
from tests.conftest import ROOT

CLASSES = "coco_classes=[background,square,disc]"
_CONVERT = (
    "import sys; from src.config import load_config; from src.dataset import "
    "ensure_mindrecord;"
    "from src.engine.entry import run_main; run_main(lambda: "
    "print(ensure_mindrecord(load_config(sys.argv[1:])).folder))"
)


def config_of(root: Union[str, Path], folder: Union[str, Path], *words: str) -> Config:
    """The settings of a conversion without the check before it (test_data_check.py tests that).

    Args:
        root: coco_root.
        folder: mindrecord_dir.
        words: further KEY=VALUE.
    """
    return load_config([f"coco_root={root}", CLASSES, f"mindrecord_dir={folder}", "check_data=off", *words])


def process_of(*words: str) -> subprocess.Popen:
    """A process that converts with the settings KEY=VALUE and prints the folder."""
    return subprocess.Popen(
        [sys.executable, "-c", _CONVERT, *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
