"""Folders that cannot be written are told of before any long work, in one line."""

import os
import subprocess
import sys

import pytest

from src.engine.output_folder import prepare_output_file, prepare_output_folder
from src.errors import ConfigError
from tests.conftest import ROOT
from tests.small_job import run


@pytest.fixture
def folder(tmp_path):
    """A folder with a file, a dangling link and a link to itself in it."""
    (tmp_path / "file").write_text("kept")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    return tmp_path


BAD_FOLDERS = [
    ("file", ["is a file", "choose"]),
    ("file/a/b", ["is a file", "choose"]),
    ("dangling", ["link to nowhere", "make that folder"]),
    ("dangling/a", ["link to nowhere", "make that folder"]),
    ("loop", ["link leads to itself", "choose"]),
    ("/dev/null/a", ["/dev/null is a file", "choose"]),
    ("n" * 300, ["too long", "choose"]),
    ("/".join(["n" * 200] * 30), ["too long", "choose"]),
]


@pytest.mark.parametrize("name, pieces", BAD_FOLDERS)
def test_folders_that_cannot_be_made(folder, name, pieces):
    with pytest.raises(ConfigError) as caught:
        prepare_output_folder(folder / name, "--out")
    line = str(caught.value)
    assert line.startswith(f"--out {folder / name}: ") and "\n" not in line
    assert all(piece in line for piece in pieces)
    with pytest.raises(ConfigError, match=pieces[0]):
        prepare_output_file(folder / name / "a.ckpt")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no /proc here")
def test_a_folder_that_takes_no_files():
    with pytest.raises(ConfigError, match="^/proc: nothing can be written there"):
        prepare_output_folder("/proc")


def test_a_read_only_file_system(tmp_path):
    (tmp_path / "mount").mkdir()
    command = "mount --bind mount mount && mount -o remount,ro,bind mount"
    if subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        for path in (tmp_path / "mount", tmp_path / "mount" / "a" / "b"):
            with pytest.raises(ConfigError, match="read-only file system.*choose a folder"):
                prepare_output_folder(path)
    finally:
        subprocess.run(["umount", tmp_path / "mount"], check=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(ConfigError, match="permission denied"):
        prepare_output_folder(tmp_path / "closed")


def test_trying_leaves_nothing_behind(tmp_path):
    (tmp_path / "old").write_text("kept")
    assert prepare_output_folder(tmp_path) == tmp_path
    assert prepare_output_folder(tmp_path / "my new Größe" / "a") == tmp_path / "my new Größe" / "a"
    assert prepare_output_file(tmp_path / "old") == tmp_path / "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my new Größe", "old"]
    assert (tmp_path / "old").read_text() == "kept" and not list((tmp_path / "my new Größe" / "a").iterdir())


def test_a_file_whose_name_is_a_folder(tmp_path):
    with pytest.raises(ConfigError, match="is a folder"):
        prepare_output_file(tmp_path)


@pytest.mark.parametrize(
    "command, words",
    [
        ("check_data.py", ["coco_root=/nowhere", "--out", "file"]),
        ("predict.py", ["checkpoint_path=/nowhere.ckpt", "picture.png", "--out", "file/drawn"]),
        ("export.py", ["checkpoint_path=/nowhere.ckpt", "--out", "file/net"]),
        ("convert_weights.py", ["/nowhere.pth", "file/net.ckpt"]),
        ("convert_weights.py", ["/nowhere.ckpt", "file/net", "--to", "torchvision"]),
    ],
)
def test_commands_try_their_folder_first(folder, command, words):
    """Before the data or the weights are read, which are not there."""
    (folder / "picture.png").write_bytes(b"")
    done = run(command, folder, *words, code=2)
    assert done.stderr.count("\n") == 1 and "file is a file, not a folder" in done.stderr, done.stderr
    assert done.stdout == ""


def test_printing_needs_no_folder(folder):
    done = subprocess.run([sys.executable, ROOT / "check_data.py", "--keys"], cwd="/proc", text=True)
    assert done.returncode == 0
