"""What the words of a command name."""

import os
import tempfile
from pathlib import Path

import pytest

from src.engine.prediction.inputs import find_inputs, is_video
from src.errors import DataError

PICTURES = ("b.jpg", "a.PNG", "sub/c.tif", "sub/deep/d.mp4", "out/a.png")
FILES = (*PICTURES, "notes.txt", ".hidden.jpg", ".git/x.png")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    for name in FILES:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_folders_hold_all_below_them(tree):
    """Sorted; not what is hidden, nor what is no picture, nor the command's own folder."""
    names = ["in/a.PNG", "in/b.jpg", "in/out/a.png", "in/sub/c.tif", "in/sub/deep/d.mp4"]
    assert find_inputs(["in"]) == names
    assert find_inputs(["in"], tree / "in" / "out") == [name for name in names if "out" not in name]
    assert find_inputs(["in/out"], tree / "in" / "out") == ["in/out/a.png"]  # it was named


def test_patterns(tree):
    assert find_inputs(["in/*.jpg"]) == ["in/b.jpg"]
    assert find_inputs(["in/s*"]) == ["in/sub/c.tif", "in/sub/deep/d.mp4"]
    assert find_inputs(["in/**/[cd].*"]) == ["in/sub/c.tif", "in/sub/deep/d.mp4"]
    assert find_inputs(["in/**/deep"]) == ["in/sub/deep/d.mp4"]  # a folder
    assert find_inputs(["in/**"], tree / "in" / "out").count("in/sub/c.tif") == 1
    assert find_inputs(["in/**/a.*"], tree / "in" / "out") == ["in/a.PNG"]  # not the command's own folder
    (tree / "x[1].jpg").touch()
    assert find_inputs(["x[1].jpg", "in/notes.txt"]) == ["x[1].jpg", "in/notes.txt"]  # files of these names


@pytest.mark.parametrize(
    "word, line",
    [
        ("missing.jpg", "picture missing.jpg: No such file or directory"),
        ("in/*.gif", "pattern in/*.gif: no file has such a name"),
        ("empty", "folder empty: no picture or video is in it"),
    ],
)
def test_words_that_name_nothing(tree, word, line):
    with pytest.raises(DataError) as error:
        find_inputs(["in/b.jpg", word])
    assert str(error.value).startswith(line)


def test_what_is_a_video():
    assert is_video("a/b.MOV") and is_video("x.mp4") and not is_video("x.gif") and not is_video("mp4")


def test_a_folder_that_cannot_be_read_is_named():
    """Not passed over: its pictures would be missing from the results, and nobody would know."""
    # Not in pytest's own folder, which another user may not enter.
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        os.chmod(folder, 0o755)
        (folder / "a.jpg").touch()
        (folder / "locked").mkdir()
        os.chmod(folder / "locked", 0)
        is_root = os.geteuid() == 0  # who may read everything
        if is_root:
            os.seteuid(65534)
        try:
            with pytest.raises(DataError, match="folder .*locked: Permission denied"):
                find_inputs([name])
        finally:
            if is_root:
                os.seteuid(0)
            os.chmod(folder / "locked", 0o755)
