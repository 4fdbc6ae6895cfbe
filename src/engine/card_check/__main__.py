"""Check an Ascend card: device, operators against NumPy, training, resuming, two ranks, export.

    bash scripts/check_ascend.sh [--quick] [--config FILE] [KEY=VALUE ...]

Without words it trains the network of configs/demo.yaml on drawn shapes. --quick leaves out resuming, two
ranks and export. Everything is written to
ascend_check/ in the current folder, the table to ascend_check/table.md. The exit code is 1 if a row says
FAILED.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import List, Sequence

from ...config import KEYS, Config, load_config
from ...errors import ConfigError
from ..entry import run_main
from .jobs import ROOT, Jobs
from .table import FAILED, OK, Row, format_table, rows_of
from .versions import find_versions

FOLDER = Path("ascend_check")
_DEMO = ROOT / "configs" / "demo.yaml"
_EPOCH_STEPS = 12  # more than are trained, so that a checkpoint of epoch 1 holds the last of them
_RANKS = 2


def check(words: Sequence[str], folder: Path = FOLDER) -> int:
    """Run every check and print the table.

    Args:
        words: KEY=VALUE words, `--config FILE` and `--quick`.
        folder: Everything is written there. What an earlier check left is deleted.

    Returns:
        The exit code.
    """
    is_quick = "--quick" in words
    words, config = split_words([word for word in words if word != "--quick"])
    settings = load_config(words, config)
    folder = folder.resolve()
    _make_empty(folder)
    from ...data.shapes.drawn_data import draw_shapes
    from ...environment import card_is_here

    pictures = _EPOCH_STEPS * _RANKS * settings.batch_size
    draw_shapes(folder / "data", pictures, 2, (settings.img_width, settings.img_height), seed=1)
    target = "CPU" if settings.device_target == "CPU" else "Ascend"
    simulated = target == "Ascend" and bool(os.environ.get("MS_SIMULATION_LEVEL"))
    words = [word for word in words if not word.startswith("device_target=")]
    # The check says itself where its data and checkpoints are, and reads every step's losses.
    own = [f"coco_root={folder / 'data'}", "save_checkpoint_path=./", "log_interval=1"]
    words = ["--config", str(config), *words, *absolute_paths(settings), *own]
    jobs = Jobs(folder, words, target, simulated, card_is_here())
    versions = find_versions()
    rows = operator_rows(jobs, versions)
    if rows[0].result == OK:
        rows += jobs.training_rows() if is_quick else jobs.rows()
    table = format_table(rows, versions)
    (folder / "table.md").write_text(table + "\n")
    print(f"\n{table}\n\nPaste this into an issue ({folder / 'table.md'}); the logs are beside it.")
    return int(any(row.result == FAILED for row in rows))


def split_words(words: Sequence[str]):
    """(KEY=VALUE words, the file of --config)."""
    words = list(words)
    config = _DEMO
    if "--config" in words:
        place = words.index("--config")
        if place + 1 == len(words):
            raise ConfigError("--config: a YAML file expected behind it")
        config = Path(words[place + 1]).expanduser().resolve()
        del words[place : place + 2]
    return words, config


def absolute_paths(settings: Config) -> List[str]:
    """KEY=VALUE words for the paths that the user wrote: a job runs in another folder than the check.

    They go behind the user's own words. Those of a --config FILE are among them.
    """
    words = []
    for key in KEYS:
        value = settings[key.name]
        if key.path and key.name in settings.written and isinstance(value, str) and value not in key.words:
            words.append(f"{key.name}={Path(value).absolute()}")
    return words


def operator_rows(jobs: Jobs, versions: dict) -> List[Row]:
    """The row of the device, and those of the operators. Adds the chip to the versions."""
    # MindSpore's warnings of versions that do not fit are shown at this level.
    level = {"GLOG_v": os.environ.get("GLOG_v", "2")}
    module = "src.engine.card_check.operators"
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    problem, seconds = jobs.command(
        "operators", sys.executable, "-m", module, jobs.target, PYTHONPATH=path, **level
    )
    if problem is not None:
        return [Row("device", FAILED, problem)]
    lines = (jobs.folder / "operators.log").read_text(errors="replace").splitlines()
    reports = [line for line in lines if line.startswith('{"device"')]
    if not reports:
        return [Row("device", FAILED, "it ended without a report (operators.log)")]
    report = json.loads(reports[-1])
    versions.update(report["device"])
    jobs.cards = report["device"].get("cards", jobs.cards)
    warnings = sum("WARNING" in line for line in lines)
    detail = f"{seconds:.0f} s, {warnings} warnings of MindSpore in operators.log"
    return [Row("device", OK, detail), *rows_of(report["rows"])]


def _make_empty(folder: Path) -> None:
    """Delete an earlier check; a folder that is none is left alone."""
    if folder.exists() and not (folder / ".card_check").exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder}: holds something else; move it away, or run the check in another folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / ".card_check").touch()


def main() -> int:
    if any(word in ("-h", "--help") for word in sys.argv[1:]):
        print(__doc__)
        return 0
    return check(sys.argv[1:])


if __name__ == "__main__":
    run_main(main)
