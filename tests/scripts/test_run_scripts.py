"""run_standalone_train.sh and run_eval.sh: words, work folders, logs, exit codes, signals."""

from __future__ import annotations

import os
import pty
import signal
import subprocess

import pytest

from tests.scripts.conftest import ROOT

SCRIPTS = sorted(
    path.name
    for path in (ROOT / "scripts").glob("*.sh")
    if path.name not in ("common.sh", "environment.sh", "rank.sh")
)
TRAIN = [str(ROOT / "train.py"), "--work-dir", "train"]
EVAL = [str(ROOT / "eval.py"), "--work-dir", "eval"]


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_shows_the_command_and_starts_nothing(sandbox, script, word):
    run = sandbox.run(script, word)
    assert run.returncode == 0 and run.stderr == ""
    assert f"scripts/{script}" in run.stdout and len(run.stdout.splitlines()) > 5
    assert not sandbox.calls() and not list(sandbox.folder.iterdir())


# ---- words -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "passed"),
    [
        ([], []),
        ([""], []),
        (["", "batch_size=1"], ["batch_size=1"]),
        (["batch_size=1", "coco_root=a b"], ["batch_size=1", "coco_root=a b"]),
        (["--config", "my recipe.yaml", "seed=3"], ["--config", "my recipe.yaml", "seed=3"]),
        (["the backbone.ckpt"], ["pre_trained=the backbone.ckpt"]),
        (["runs/lr=1/a.ckpt", "a=", "b=*"], ["pre_trained=runs/lr=1/a.ckpt", "a=", "b=*"]),
    ],
)
def test_words_of_standalone_training(sandbox, words, passed):
    (sandbox.folder / "runs" / "lr=1").mkdir(parents=True)
    for name in ("the backbone.ckpt", "runs/lr=1/a.ckpt"):
        (sandbox.folder / name).write_text("weights")
    run = sandbox.run("run_standalone_train.sh", *words)
    assert run.returncode == 0, run.stderr
    [call] = sandbox.calls()
    assert call["argv"] == TRAIN + passed
    assert os.path.realpath(call["env"]["PWD"]) == os.path.realpath(sandbox.folder)


@pytest.mark.parametrize(
    ("words", "passed"),
    [
        ([], []),
        (["my val.json"], ["ann_file=my val.json"]),
        (
            ["my val.json", "a b.ckpt", "seed=2"],
            ["ann_file=my val.json", "checkpoint_path=a b.ckpt", "seed=2"],
        ),
        (["", "a b.ckpt"], ["checkpoint_path=a b.ckpt"]),
        (["my val.json", "checkpoint_path=a b.ckpt"], ["ann_file=my val.json", "checkpoint_path=a b.ckpt"]),
        (["--config", "c.yaml"], ["--config", "c.yaml"]),
    ],
)
def test_words_of_evaluation(sandbox, words, passed):
    for name in ("my val.json", "a b.ckpt"):
        (sandbox.folder / name).write_text("{}")
    run = sandbox.run("run_eval.sh", *words)
    assert run.returncode == 0, run.stderr
    assert [call["argv"] for call in sandbox.calls()] == [EVAL + passed]
    assert (sandbox.folder / "eval" / "log").read_text().count("out of rank") == 1


@pytest.mark.parametrize(
    ("script", "words", "name"),
    [
        ("run_standalone_train.sh", ["missing.ckpt"], "PRETRAINED_CKPT missing.ckpt"),
        ("run_eval.sh", ["missing.json"], "VALIDATION_JSON_FILE missing.json"),
        ("run_eval.sh", ["", "missing.ckpt"], "CHECKPOINT_PATH missing.ckpt"),
        ("run_distribute_train.sh", [], "RANK_TABLE_FILE"),
        ("run_distribute_train.sh", ["missing.json"], "RANK_TABLE_FILE missing.json"),
        ("run_distribute_train.sh", ["-", "missing.ckpt"], "PRETRAINED_CKPT missing.ckpt"),
    ],
)
def test_a_missing_file_is_one_line_and_code_2(sandbox, script, words, name):
    run = sandbox.run(script, *words)
    assert run.returncode == 2
    assert run.stderr.startswith("error: ") and name in run.stderr and len(run.stderr.splitlines()) == 1
    assert not sandbox.calls() and not list(sandbox.folder.iterdir())


# ---- the work folder ---------------------------------------------------------------------------------------


def test_an_earlier_run_is_refused_resumed_or_deleted(sandbox):
    earlier = sandbox.folder / "train" / "loss_0.log"
    sandbox.run("run_standalone_train.sh", do={"": {"file": "train/loss_0.log"}})
    sandbox.forget()
    for extra in ({}, {"FORCE": "0"}, {"FORCE": ""}):
        run = sandbox.run("run_standalone_train.sh", "resume=none", **extra)
        assert run.returncode == 2 and "train holds an earlier run" in run.stderr and "FORCE=1" in run.stderr
    assert not sandbox.calls() and earlier.exists()

    run = sandbox.run("run_standalone_train.sh", "batch_size=1", "resume=auto")
    assert run.returncode == 0 and earlier.exists()
    assert (sandbox.folder / "train" / "log").read_text().count("out of rank") == 2  # the log goes on

    run = sandbox.run("run_standalone_train.sh", FORCE=1)
    assert run.returncode == 0 and not earlier.exists() and "deleting the earlier run in train" in run.stderr
    assert (sandbox.folder / "train" / "log").read_text().count("out of rank") == 1


def test_a_run_that_wrote_nothing_but_its_log_is_an_earlier_run_too(sandbox):
    assert sandbox.run("run_standalone_train.sh").returncode == 0
    assert sandbox.run("run_standalone_train.sh").returncode == 2


def test_a_mistake_in_the_command_leaves_no_folder_behind(sandbox):
    run = sandbox.run("run_standalone_train.sh", "img_widht=3", do={"": {"code": 2}})
    assert run.returncode == 2 and not (sandbox.folder / "train").exists()
    run = sandbox.run("run_standalone_train.sh", do={"": {"code": 2, "file": "train/loss_0.log"}})
    assert run.returncode == 2 and (sandbox.folder / "train" / "loss_0.log").exists()


def test_force_does_not_delete_what_is_no_run(sandbox):
    (sandbox.folder / "train").mkdir()
    (sandbox.folder / "train" / "picture.jpg").write_text("precious")
    assert sandbox.run("run_standalone_train.sh").returncode == 2
    run = sandbox.run("run_standalone_train.sh", FORCE=1)
    assert run.returncode == 0 and not (sandbox.folder / "train" / "picture.jpg").exists()
    [kept] = sandbox.folder.glob("train.earlier.*/train/picture.jpg")
    assert kept.read_text() == "precious" and kept.parts[-3] in run.stderr


def test_an_empty_folder_is_used_and_a_file_is_in_the_way(sandbox):
    (sandbox.folder / "train").mkdir()
    assert sandbox.run("run_standalone_train.sh").returncode == 0
    (sandbox.folder / "eval").mkdir()
    (sandbox.folder / "eval" / "metrics.json").write_text("{}")
    assert sandbox.run("run_eval.sh").returncode == 0 and (sandbox.folder / "eval" / "metrics.json").exists()
    (sandbox.folder / "train" / "log").unlink()
    (sandbox.folder / "train").rmdir()
    (sandbox.folder / "train").write_text("a file")
    run = sandbox.run("run_standalone_train.sh")
    assert run.returncode == 2 and "train is in the way" in run.stderr


# ---- output, exit codes, signals ---------------------------------------------------------------------------


def test_output_goes_to_its_streams_and_to_the_log(sandbox):
    run = sandbox.run("run_standalone_train.sh", do={"": {"code": 7}})
    assert run.returncode == 7
    assert run.stdout == "out of rank \n" and run.stderr == "err of rank \n"
    assert sorted((sandbox.folder / "train" / "log").read_text().splitlines()) == [
        "err of rank ",
        "out of rank ",
    ]


def test_a_missing_interpreter_is_named(sandbox):
    run = sandbox.run("run_eval.sh", PYTHON="no-such-python")
    assert run.returncode == 2 and run.stderr.startswith("error: PYTHON=no-such-python")


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_reaches_the_training_which_may_save(sandbox, sent, code):
    process = sandbox.start("run_standalone_train.sh", do={"": {"sleep": 60}})
    sandbox.wait_for_calls(1, process)
    process.send_signal(sent)
    process.communicate(timeout=30)
    assert process.returncode == code and sandbox.signals() == [sent]


def test_the_exit_code_after_a_signal_is_the_trainings_own(sandbox):
    process = sandbox.start("run_standalone_train.sh", do={"": {"sleep": 60, "code on signal": 5}})
    sandbox.wait_for_calls(1, process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 5


def test_stderr_stays_a_terminal(sandbox):
    """A progress bar draws itself on a terminal only."""
    look = sandbox.folder.parent / "look"
    look.write_text(
        '#!/bin/sh\n[ -t 2 ] && echo "stderr is a terminal"; [ -t 1 ] || echo "stdout is logged"\n'
        "echo bar >&2\n"
    )
    look.chmod(0o755)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["bash", ROOT / "scripts" / "run_standalone_train.sh"],
        cwd=sandbox.folder,
        text=True,
        env=sandbox.environment({}, {"PYTHON": look}),
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0 and output == "stderr is a terminal\nstdout is logged\n"
    assert (sandbox.folder / "train" / "log").read_text() == output
    assert os.read(ours, 100).strip() == b"bar"
    os.close(ours)


def test_a_linked_script_finds_its_project(sandbox):
    link = sandbox.folder / "train me"
    link.symlink_to(ROOT / "scripts" / "run_standalone_train.sh")
    environment = sandbox.environment({}, {"CDPATH": "/"})
    run = subprocess.run(
        ["bash", link], cwd=sandbox.folder, env=environment, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert sandbox.calls()[0]["argv"] == TRAIN


def test_the_log_is_whole_where_the_reader_of_the_output_ends_early(tmp_path):
    """As with `run_eval.sh | head -1`."""
    program = tmp_path / "program"
    program.write_text("#!/bin/bash\nfor i in $(seq 40); do echo line $i || exit 9; sleep 0.01; done\n")
    program.chmod(0o755)
    command = f"bash '{ROOT / 'scripts' / 'run_eval.sh'}' | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        env={**os.environ, "PYTHON": str(program)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stdout == "line 1\n"
    assert (tmp_path / "eval" / "log").read_text().splitlines() == [f"line {i}" for i in range(1, 41)]
