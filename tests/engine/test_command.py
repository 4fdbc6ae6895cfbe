"""Which words of a command line are files, and mistakes in its options."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from src.engine.command import is_file_word
from tests.conftest import ROOT
from tests.small_job import run

NAMES = [
    "frame_t=0.5.jpg",
    "scan.2024.01.15.jpg",
    "my picture (1).png",
    "[a]=b.jpeg",
    "螺栓=3.png",
    "~x.jpg",
    "seed=3",
    "-dash.jpg",
    "Größe.tif",
]


@pytest.mark.parametrize("name", NAMES)
def test_an_existing_file_is_a_file(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path(name).touch()
    assert is_file_word(name) and is_file_word(str(tmp_path / name))


@pytest.mark.parametrize(
    "word, is_file",
    [
        ("seed=3", False),
        ("checkpoint_path=a.jpg", False),  # a key
        ("img_widht=3", False),  # a key that is mistyped
        ("frame_t=0.5.jpg", True),  # a picture that is missing
        ("runs/lr=1/a", True),
        ("a.jpg", True),
        ("=a", True),
    ],
)
def test_words_that_name_no_existing_file(tmp_path, monkeypatch, word, is_file):
    monkeypatch.chdir(tmp_path)
    assert is_file_word(word) == is_file


def test_pictures_are_taken_under_any_name(tmp_path):
    """All pictures are there; what is missing is the weights."""
    for name in NAMES:
        (tmp_path / name).touch()
    done = run("predict.py", tmp_path, "checkpoint_path=missing.ckpt", "--", *NAMES, code=2)
    assert done.stderr.count("\n") == 1 and "missing.ckpt" in done.stderr


def test_a_missing_picture_is_told_of_before_the_weights_are_read(tmp_path):
    (tmp_path / "a.jpg").touch()
    for name in ("frame_t=0.5.jpg", "b c.png"):
        done = run("predict.py", tmp_path, "checkpoint_path=missing.ckpt", "a.jpg", name, code=2)
        assert done.stderr == f"error: picture {name}: No such file or directory\n"
    done = run("predict.py", tmp_path, "checkpoint_path=missing.ckpt", "a.jpg", "img_widht=3", code=2)
    assert "img_width" in done.stderr


@pytest.mark.parametrize(
    "command, words, piece",
    [
        ("export.py", ["--batch", "0"], "--batch 0: "),
        ("export.py", ["--batch", "-1"], "--batch -1: "),
        ("export.py", ["--batch", "two"], "--batch: invalid int value: 'two'"),
        ("export.py", ["--batch", "1.5"], "--batch: invalid int value: '1.5'"),
        ("export.py", ["--file-format", "PNG"], "'PNG'"),
        ("export.py", ["--picture", "missing.png"], "missing.png"),
        ("export.py", ["--calibration", "8", "--prove"], "--calibration is for --file-format ONNX_INT8"),
        ("export.py", ["--show", "a.onnx", "--ap-limit", "0"], "--ap-limit: --show prints what a.onnx holds"),
        ("predict.py", ["a.jpg", "--threshold", "nan"], "--threshold nan"),
        ("predict.py", ["a.jpg", "--threshold", "50"], "--threshold 50"),
        ("predict.py", ["a.jpg", "--treshold", "0.5"], "--treshold"),
        ("check_data.py", ["--split", "test"], "'test'"),
        ("convert_weights.py", ["a.pth"], "OUT"),
    ],
)
def test_mistakes_in_options_are_one_line(tmp_path, command, words, piece):
    """Before the weights are looked for, which are not there."""
    (tmp_path / "a.jpg").touch()
    settings = [] if command == "convert_weights.py" else ["checkpoint_path=missing.ckpt"]
    done = run(command, tmp_path, *settings, *words, code=2)
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert piece in done.stderr and "missing.ckpt" not in done.stderr


def test_tilde_is_the_home_folder_in_options(tmp_path):
    """Shells leave the one of --out=~/x as it is."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "a.yaml").write_text("img_width: 33\n")
    done = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), "--config=~/a.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(tmp_path / "home")},
    )
    assert done.returncode == 2 and "img_width=33" in done.stderr
