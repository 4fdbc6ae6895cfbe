"""dataset=auto: which form a folder has, and where its splits are."""

import json
import os

import pytest

from src.config import load_config
from src.data.forms.label_files import files_below
from src.data.forms.listing import Listing
from src.data.sources.form_table import FORMS
from src.data_settings import annotation_settings
from src.errors import DataError
from src.settings.keys.data import DATASET_FORMS

COCO = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "cat", "supercategory": ""}]}
LABELME = {"version": "5.5.0", "imagePath": "a.png", "shapes": []}


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def locate(root, split, *words):
    """(form, label file or folder, folder of pictures) relative to root."""
    settings = annotation_settings(load_config(["dataset=auto", f"coco_root={root}", *words]), split)
    names = [str(path).replace(str(root), ".") for path in (settings.path, settings.folder)]
    return settings.format, *names


def test_the_key_names_every_form():
    assert set(DATASET_FORMS) == {"auto", "coco", "other", *FORMS}


def test_folders_of_splits(tmp_path):
    write(tmp_path / "train" / "a.json", LABELME)
    write(tmp_path / "valid" / "b.json", LABELME)
    assert locate(tmp_path, "train") == ("labelme", "./train", "./train")
    assert locate(tmp_path, "val") == ("labelme", "./valid", "./valid")


def test_a_folder_without_splits_is_for_training_alone(tmp_path):
    write(tmp_path / "a.json", LABELME)
    assert locate(tmp_path, "train") == ("labelme", ".", ".")
    with pytest.raises(DataError, match="no split val.*ann_file=FOLDER"):
        locate(tmp_path, "val")
    write(tmp_path / "more" / "b.json", LABELME)
    assert locate(tmp_path, "val", f"ann_file={tmp_path / 'more'}")[:2] == ("labelme", "./more")


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("annotations/instances_train2017.json", "train2017"),
        ("annotations/train.json", "images/train"),
        ("train/_annotations.coco.json", "train"),
        ("instances_train.json", "images"),
    ],
)
def test_coco_files_and_their_pictures(tmp_path, file, folder):
    write(tmp_path / file, COCO)
    write(tmp_path / file.replace("train", "val"), COCO)
    write(tmp_path / "annotations" / "captions_train2017.json", {"annotations": [{"caption": "a cat"}]})
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    form, path, pictures = locate(tmp_path, "train")
    assert (path, pictures) == (f"./{file}", f"./{folder}")
    assert form in ("coco", "roboflow")


def test_pictures_of_label_studios_coco(tmp_path):
    """result.json has images/a.jpg, or images\\a.jpg from Windows, for what is in images beside it."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(b"")
    for name in ("images/a.jpg", "images\\a.jpg"):
        image = {"width": 8, "height": 8, "id": 0, "file_name": name}
        write(tmp_path / "result.json", {**COCO, "images": [image]})
        assert locate(tmp_path, "train") == ("coco", "./result.json", ".")


def test_label_studios_notes_are_no_coco_file(tmp_path):
    write(tmp_path / "notes.json", {"categories": [{"id": 0, "name": "cat"}], "info": {"year": 2024}})
    write(tmp_path / "classes.txt", "cat\n")
    write(tmp_path / "labels" / "a.txt", "0 .5 .5 .2 .2")
    write(tmp_path / "images" / "a.jpg", "")
    assert locate(tmp_path, "train")[0] == "yolo"


def test_links_to_folders_are_followed_once(tmp_path):
    """Links lead to another disk, to each other, and around the source."""
    disk = tmp_path / "disk"
    root = tmp_path / "root"
    root.mkdir()
    write(disk / "a.json", LABELME)
    write(root / "own" / "b.json", LABELME)
    os.symlink(disk, root / "linked")
    os.symlink(disk, root / "linked again")
    os.symlink(root, disk / "back")
    os.symlink(disk, disk / "itself")
    os.symlink(tmp_path, root / "around")
    os.symlink("own", root / "alias")
    os.symlink("loop", root / "loop")
    for paths in (files_below(root, (".json",)), Listing(root).files((".json",))):
        assert [path.relative_to(root).as_posix() for path in paths] == ["linked/a.json", "own/b.json"]


def test_a_listing_has_the_files_of_several_endings_in_order(tmp_path):
    for name in ("b.json", "a.CSV", ".c.csv", "d.txt", "z/a.csv", ".git/a.csv", "c/b.json", "c/a.csv"):
        write(tmp_path / name, "")
    listing = Listing(tmp_path)
    for _ in range(2):  # the second time from memory
        paths = [path.relative_to(tmp_path).as_posix() for path in listing.files((".json", ".csv"))]
        assert paths == ["a.CSV", "b.json", "c/a.csv", "c/b.json", "z/a.csv"]
    assert listing.first_files((".csv",), 2) == [tmp_path / "a.CSV", tmp_path / "c" / "a.csv"]
    assert list(Listing(tmp_path / "a.CSV").files((".csv",))) == [tmp_path / "a.CSV"]
    assert list(Listing(tmp_path / "a.CSV").files((".json",))) == []


def test_auto_lists_a_folder_of_pictures_once(tmp_path, monkeypatch):
    write(tmp_path / "instances_train.json", COCO)
    write(tmp_path / "pictures" / "2024" / "a.jpg", "")
    listed = []
    scandir = os.scandir

    def noted(path):
        listed.append(os.path.relpath(path, tmp_path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", noted)
    assert locate(tmp_path, "train")[0] == "coco"
    assert listed.count(os.path.join("pictures", "2024")) == 1
    assert listed.count("pictures") <= 2  # Pascal VOC's folders may be below it


def test_two_forms_are_listed(tmp_path):
    write(tmp_path / "a.json", LABELME)
    write(tmp_path / "annotations" / "instances_train2017.json", COCO)
    with pytest.raises(
        DataError, match=r"labels of 2 forms.*LabelMe \(a.json\).*COCO JSON \(annotations/inst"
    ):
        locate(tmp_path, "train")


def test_a_folder_without_labels_is_one_line(tmp_path):
    write(tmp_path / "notes.json", {"a": 1})
    write(tmp_path / "notes.txt", "nothing here")
    with pytest.raises(DataError, match="no labels of a known form"):
        locate(tmp_path, "train")


def test_rows_of_txt(tmp_path):
    write(tmp_path / "rows.txt", "empty.jpg\na b.jpg 1,2,30,40,1\n")
    words = (f"ANNO_PATH={tmp_path / 'rows.txt'}", f"IMAGE_DIR={tmp_path}")
    assert locate(tmp_path, "train", *words) == ("other", "./rows.txt", ".")
