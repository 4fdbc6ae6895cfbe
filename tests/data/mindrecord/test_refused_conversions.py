"""What a conversion refuses, and what it says then."""

from __future__ import annotations

import os

import pytest
from PIL import Image

from src.dataset import ensure_mindrecord
from src.errors import DataError
from tests.data.mindrecord.converting import CLASSES, config_of, process_of


def test_a_named_folder_with_other_data_is_refused(coco_folder, tmp_path):
    root = coco_folder()
    folder = tmp_path / "m"
    ensure_mindrecord(config_of(root, folder))
    with pytest.raises(
        DataError, match=f"mindrecord_dir={folder}.*differs in max_instance_count; delete that folder"
    ):
        ensure_mindrecord(config_of(root, folder, "max_instance_count=5"))
    with pytest.raises(DataError, match="differs in coco_classes"):
        ensure_mindrecord(config_of(root, folder, "coco_classes=[background,disc,square]"))
    with pytest.raises(DataError, match="differs in the annotation file's content"):
        ensure_mindrecord(config_of(coco_folder(pictures=5, name="other"), folder))
    (root / "train2017/new.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match="differs in the picture files"):
        ensure_mindrecord(config_of(root, folder))
    # the shards are enough: the pictures may be deleted
    os.rename(root / "train2017", root / "gone")
    assert ensure_mindrecord(config_of(root, folder)).manifest.pictures == 6


def test_a_folder_with_other_files_or_that_cannot_be_written_is_refused(coco_folder, tmp_path):
    root = coco_folder()
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match="thesis.txt"):
        ensure_mindrecord(config_of(root, other))
    assert (other / "thesis.txt").read_text() == "mine"
    with pytest.raises(DataError, match="cannot write"):
        ensure_mindrecord(config_of(root, "/dev/null/m"))


def test_data_without_objects_or_annotations_is_refused(coco_folder, tmp_path):
    for name, change in (
        ("none", lambda content: content.update(annotations=[])),
        ("no", lambda content: content.pop("annotations")),
    ):
        with pytest.raises(DataError, match="instances_train2017.json"):
            ensure_mindrecord(config_of(coco_folder(name=name, change=change), tmp_path / name / "m"))


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_bytes(b"hello"), "not a picture"),
        (lambda path: path.write_bytes(b""), "not a picture"),
        (lambda path: path.write_bytes(path.read_bytes()[:-300]), "cannot be decoded"),
        (lambda path: Image.new("RGB", (50, 60)).save(path), "its annotations say 128x96"),
    ],
)
def test_a_bad_picture_is_named_with_its_id(coco_folder, tmp_path, spoil, words):
    root = coco_folder()
    spoil(root / "train2017/000004.jpg")
    with pytest.raises(DataError) as error:
        ensure_mindrecord(config_of(root, tmp_path / "m"))
    for part in (words, "train2017/000004.jpg", "image 40"):
        assert part in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "m").exists()
    assert not (tmp_path / "m.partial").exists()


def test_a_disk_that_is_too_small_is_noticed_before_anything_is_written(coco_folder, tmp_path):
    """A file of 10 TB, nearly all of it a hole."""
    root = coco_folder()
    os.truncate(root / "train2017/000004.jpg", 10**13)
    with pytest.raises(
        DataError,
        match=r"needs about 10200.0 GB, and its disk has .* GB left: free some, or set mindrecord_dir",
    ):
        ensure_mindrecord(config_of(root, tmp_path / "m"))
    assert not (tmp_path / "m").exists()
    assert not (tmp_path / "m.partial").exists()


def test_an_error_is_one_line_and_exit_code_2(coco_folder, tmp_path):
    root = coco_folder()
    (root / "train2017/000002.jpg").unlink()
    process = process_of(f"coco_root={root}", CLASSES, f"mindrecord_dir={tmp_path}/m")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "000002.jpg" in err
    assert "Traceback" not in err
