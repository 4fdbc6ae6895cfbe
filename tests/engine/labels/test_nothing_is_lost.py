"""Converting never removes or replaces what it did not write."""

from __future__ import annotations

import fcntl
import os

import pytest

from src.engine.labels import partial_folder
from src.engine.labels.conversion import LabelConversion, convert_data
from src.engine.labels.partial_folder import whole_folder
from src.errors import ConfigError
from tests.data.forms.writers.scenes import draw_scenes


def files_in(folder):
    """{name: bytes} of all files below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def refused(folder, out, sources=("drawn",), **words):
    """The error of a conversion, which changes no file."""
    before = files_in(folder)
    with pytest.raises(ConfigError) as error:
        convert_data(LabelConversion(list(sources), str(out), "coco", **words))
    assert files_in(folder) == before
    return str(error.value)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    draw_scenes(tmp_path / "drawn", 1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["out.partial", "out.replaced"])
def test_folders_of_a_like_name_stay(name, folder):
    (folder / name).mkdir()
    (folder / name / "thesis.txt").write_text("mine")
    (folder / "out").mkdir()
    (folder / "out" / "old.txt").write_text("old")
    if name == "out.partial":
        assert "out.partial: is in the way and not empty" in refused(folder, "out", overwrite=True)
    else:
        convert_data(LabelConversion(["drawn"], "out", "coco", overwrite=True))
        assert "annotations/instances_train.json" in files_in(folder / "out")
        assert sorted(os.listdir(folder)) == ["drawn", "out", name]
    assert (folder / name / "thesis.txt").read_text() == "mine"


def test_a_link_in_place_of_the_folder_is_not_followed(folder):
    (folder / "mine").mkdir()
    (folder / "mine" / "thesis.txt").write_text("mine")
    os.symlink("mine", folder / "out.partial")
    assert "out.partial: is in the way" in refused(folder, "out")
    os.symlink("mine", folder / "out")
    assert "out: is a link" in refused(folder, "out", overwrite=True)
    os.symlink("loop", folder / "loop")
    assert "loop: is a link" in refused(folder, "loop", overwrite=True)


@pytest.mark.parametrize("out", ["drawn", "drawn/annotations", "drawn/train", "drawn/../drawn/train", "."])
def test_a_source_is_not_replaced(out, folder):
    message = refused(folder, out, overwrite=True)
    assert "is in it" in message or "what is read is not replaced" in message


def test_pictures_elsewhere_are_not_replaced(folder):
    (folder / "labels").mkdir()
    (folder / "drawn" / "annotations" / "instances_train.json").rename(folder / "labels" / "a.json")
    (folder / "drawn" / "train").rename(folder / "photos")
    words = {"sources": ["labels/a.json"], "overwrite": True}
    assert "photos is in it" in refused(folder, "photos", images="photos", **words)
    (folder / "linked").mkdir()
    for path in (folder / "photos").iterdir():
        os.symlink(path, folder / "linked" / path.name)
    assert "what is read is not replaced" in refused(folder, "photos", images="linked", **words)


def test_labels_beside_a_source_file_are_not_replaced(folder):
    convert_data(LabelConversion(["drawn"], "yolo", "yolo"))
    words = {"sources": ["yolo/data.yaml"], "overwrite": True}
    for name in ("labels", "labels/train", "images"):
        assert "what is read is not replaced" in refused(folder, f"yolo/{name}", **words)


def test_a_new_folder_in_the_source_is_written(folder):
    convert_data(LabelConversion(["drawn"], "drawn/yolo", "yolo"))
    assert "data.yaml" in files_in(folder / "drawn" / "yolo")


def test_the_working_and_the_home_folder_stay(folder, monkeypatch):
    (folder / "home").mkdir()
    (folder / "home" / "thesis.txt").write_text("mine")
    monkeypatch.setenv("HOME", str(folder / "home"))
    assert "your home folder is in it" in refused(folder, "home", overwrite=True)
    (folder / "work").mkdir()
    (folder / "work" / "thesis.txt").write_text("mine")
    monkeypatch.chdir(folder / "work")
    drawn = [str(folder / "drawn")]
    assert "the working folder is in it" in refused(folder, folder / "work", drawn, overwrite=True)


def test_the_old_folder_comes_back_where_the_new_one_cannot_be_renamed(folder, monkeypatch):
    (folder / "out").mkdir()
    (folder / "out" / "old.txt").write_text("old")
    rename = os.rename

    def stopped(source, target):
        if str(source).endswith(".partial"):
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(partial_folder.os, "rename", stopped)
    with pytest.raises(KeyboardInterrupt), whole_folder(folder / "out", True):
        pass
    assert (folder / "out" / "old.txt").read_text() == "old"
    assert sorted(os.listdir(folder)) == ["drawn", "out"]


def test_the_lock_is_held_until_the_folder_has_its_name(folder):
    # a second process that begins while the first one ends would else remove what is finished
    with whole_folder(folder / "out", False) as partial:
        (partial / "a").write_text("a")
        with (
            pytest.raises(ConfigError, match="another process is writing it"),
            whole_folder(folder / "out", False),
        ):
            pass
        with open(partial / ".being-written", encoding="utf-8") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert os.listdir(folder / "out") == ["a"]


def test_what_a_killed_process_left_is_replaced(folder):
    (folder / "out.partial" / "train").mkdir(parents=True)
    (folder / "out.partial" / ".being-written").write_text("")
    (folder / "out.partial" / "train" / "half.png").write_text("half")
    os.symlink(folder / "drawn", folder / "out.partial" / "link")
    with whole_folder(folder / "out", False) as partial:
        (partial / "a").write_text("a")
    assert os.listdir(folder / "out") == ["a"] and (folder / "drawn" / "train").is_dir()
