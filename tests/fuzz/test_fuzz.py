"""Data sets with two to four faults at once: no stack trace, and the same objects in training and evaluation.

python -m pytest tests/fuzz                           # 200 in process, 3 through the commands
bash scripts/run_tests.sh --all tests/fuzz            # 200 through the commands, too
python -m tests.fuzz --count 200 --seed 1             # the same with a line for each data set
"""

from __future__ import annotations

import collections
import logging
import os
from pathlib import Path

import pytest

from tests.fuzz.all_faults import FAULTS, draw_faulty_set
from tests.fuzz.commands import Commands, failures_of
from tests.fuzz.in_process import try_in_process
from tests.fuzz.kept_objects import compare_with_clean

COUNT = 200
FEWEST_DONE = COUNT // 4  # data sets that have to come to the end of a step, for the test to say something


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Commands:
    """The commands, with the graphs and kernels of this session of tests."""
    return Commands(tmp_path_factory.mktemp("fuzz_commands"), Path(os.environ["XDG_CACHE_HOME"]))


def describe(data, failures) -> str:
    """What pytest shows of a data set."""
    lines = [f"python -m tests.fuzz --count 1 --seed {data.seed}  # {', '.join(data.faults)}; {data.words}"]
    return ascii("\n".join(lines + [f"{failure.step}: {failure.text}" for failure in failures]))


def test_a_seed_gives_the_same_files(tmp_path: Path) -> None:
    for name in ("first", "second"):
        for seed in (3, 4, 5):
            draw_faulty_set(seed).write(tmp_path / name / str(seed))
    first, second = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in _files(tmp_path / name)}
        for name in ("first", "second")
    )
    assert first == second
    assert len(first) > 3 * 4


def _files(folder: Path):
    return (path for path in folder.rglob("*") if path.is_file())


def test_faulty_sets_are_read_alike_or_refused_in_one_line(tmp_path: Path) -> None:
    """Checked, converted, drawn as training examples, and evaluated, without a network."""
    done = collections.Counter()
    drawn = set()
    failed = []
    logging.disable(logging.WARNING)
    try:
        for seed in range(1, COUNT + 1):
            data = draw_faulty_set(seed)
            drawn |= {name.split("@")[0] for name in data.faults}
            folder = tmp_path / str(seed)
            data.write(folder / "data")
            (folder / "out").mkdir()
            steps = try_in_process(folder / "data", data.words, folder / "out")
            done.update(name for name, outcome in steps.outcomes.items() if outcome == "ok")
            if steps.failures:
                failed.append(describe(data, steps.failures))
    finally:
        logging.disable(logging.NOTSET)
    assert not failed, "\n\n".join(failed)
    assert len(drawn) > 0.9 * len(FAULTS), set(FAULTS) - drawn
    assert done["equal objects"] > FEWEST_DONE, done
    assert done["figures of segm"] > FEWEST_DONE, done


@pytest.mark.parametrize("first", [1, 51])
def test_faults_that_are_mended_do_not_change_the_objects(first: int, tmp_path: Path) -> None:
    for seed in range(first, first + 50):
        (tmp_path / str(seed)).mkdir()
        try:
            compare_with_clean(seed, tmp_path / str(seed))
        except AssertionError as error:
            faults = draw_faulty_set(seed, keeps_objects=True).faults
            raise AssertionError(f"seed {seed}, {faults}: {ascii(str(error))}") from error


def try_commands(commands: Commands, seed: int, folder: Path) -> None:
    data = draw_faulty_set(seed)
    failures = failures_of(commands.try_set(data, folder))
    assert not failures, describe(data, failures)


# The first is refused by every command, and of the second the validation split is usable.
@pytest.mark.parametrize("seed", [4, 184])
def test_commands_on_faulty_sets(commands: Commands, seed: int, tmp_path: Path) -> None:
    """check_data.py, train.py, eval.py, predict.py and export.py, as users run them."""
    try_commands(commands, seed, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(1, COUNT + 1, 10))
def test_commands_on_many_faulty_sets(commands: Commands, first: int, tmp_path: Path) -> None:
    for seed in range(first, min(first + 10, COUNT + 1)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        try_commands(commands, seed, folder)
