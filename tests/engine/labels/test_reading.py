"""Messages about data sets name the options of convert_data.py there, and the keys elsewhere."""

from __future__ import annotations

import json
import re

import pytest

from src.config import load_config
from src.data.sources.read import read_annotations
from src.data_settings import annotation_settings
from src.engine.labels.reading import SourceSettings, read_source
from src.errors import UserError
from tests.data.forms.labels import write_picture

# A folder that is called as a key and its value: a message has to leave its name as it is.
NAME = "dataset=IMAGE_DIR=ANNO_PATH=x, bad_pictures=skip"
LABELME = json.dumps(
    {"shapes": [], "imagePath": "gone.png", "imageHeight": 4, "imageWidth": 4, "version": "5"}
)
YOLO = "0 .25 .25 .5 .25 .5 .5 .25 .5\n"
COCO = json.dumps({"images": [], "annotations": [], "categories": []})
VOC = "<annotation><filename>a.jpg</filename><size><width>9</width><height>9</height></size></annotation>"
FORMS = "labelme, yolo, voc, label_studio, via, cvat, cityscapes, masks, supervisely"


def no_form(root):
    (root / "a.md").write_text("text")


def two_forms(root):
    (root / "a.json").write_text(LABELME)
    (root / "labels").mkdir()
    (root / "labels" / "b.txt").write_text(YOLO)
    write_picture(root / "images" / "b.png")


def no_picture(root):
    (root / "a.json").write_text(LABELME)


def two_files_of_a_split(root):
    (root / "instances_train.json").write_text(COCO)
    (root / "more").mkdir()
    (root / "more" / "instances_train.json").write_text(COCO)


def txt_rows(root):
    (root / "rows.txt").write_text("a.jpg 1,2,30,40,0\n")


def two_data_sets(root):
    for year in ("VOC2007", "VOC2012"):
        (root / year / "Annotations").mkdir(parents=True)
        (root / year / "Annotations" / "a.xml").write_text(VOC)


def a_broken_picture(root):
    (root / "a.json").write_text(LABELME.replace("gone.png", "a.png").replace('"imageHeight": 4, ', ""))
    (root / "a.png").write_bytes(b"no picture")


# {what is wrong: (what the keys' user is told, what convert_data.py's user is told)}
TOLD = {
    no_form: (
        "dataset=auto: {root} has no labels of a known form; name it with dataset=FORM "
        f"(coco, other, {FORMS})",
        f"{{root}} has no labels of a known form; name it with --from FORM (coco, txt, {FORMS})",
    ),
    two_forms: (
        "dataset=auto: {root} has labels of 2 forms; name one of them, or write ANNO_PATH=PATH for a "
        "folder or file: dataset=labelme: LabelMe (a.json); dataset=yolo: YOLO (labels/b.txt)",
        "{root} has labels of 2 forms; name one of them, or give PATH as SOURCE for a folder or "
        "file: --from labelme: LabelMe (a.json); --from yolo: YOLO (labels/b.txt)",
    ),
    no_picture: (
        "the picture 'gone.png' is not in {root}; name the folder with IMAGE_DIR=FOLDER; "
        "replace it, or leave such pictures out with bad_pictures=skip",
        "the picture 'gone.png' is not in {root}; name the folder with --images FOLDER; "
        "replace it, or leave such pictures out with --bad-pictures skip",
    ),
    two_files_of_a_split: (
        "dataset=auto: {root} has 2 files of the split train: instances_train.json, "
        "more/instances_train.json; write ANNO_PATH=FILE",
        "{root} has 2 files of the split train: instances_train.json, more/instances_train.json; "
        "give FILE as SOURCE",
    ),
    txt_rows: (
        "dataset=auto: {root} has txt rows, which are one file; write ANNO_PATH=FILE, with dataset=other",
        "{root} has txt rows, which are one file; give FILE as SOURCE, with --from txt",
    ),
    two_data_sets: (
        "several data sets: VOC2007, VOC2012; write ANNO_PATH=FOLDER for one of them",
        "several data sets: VOC2007, VOC2012; give FOLDER as SOURCE for one of them",
    ),
    a_broken_picture: (
        "; replace it, or leave such pictures out with bad_pictures=skip",
        "; replace it, or leave such pictures out with --bad-pictures skip",
    ),
}


@pytest.mark.parametrize("write", TOLD, ids=lambda write: write.__name__)
def test_each_command_is_told_in_its_own_words(write, tmp_path):
    root = tmp_path / NAME
    root.mkdir()
    write(root)
    of_keys, of_options = (re.escape(text.format(root=root)) + "$" for text in TOLD[write])
    with pytest.raises(UserError, match=of_keys):
        read_annotations(annotation_settings(load_config(["dataset=auto", f"coco_root={root}"])))
    with pytest.raises(UserError, match=of_options):
        read_source(SourceSettings(str(root), str(tmp_path / "embedded")))


def test_a_split_that_is_not_there(tmp_path):
    root = tmp_path / NAME
    for name in ("train", "val"):
        (root / name).mkdir(parents=True)
        (root / name / "a.json").write_text(LABELME)
    text = re.escape(f"{root}: no split test; it has train, val: write ")
    words = ["dataset=auto", f"coco_root={root}", "train_data_type=test"]
    with pytest.raises(UserError, match=f"^{text}train_data_type=NAME$"):
        annotation_settings(load_config(words))
    with pytest.raises(UserError, match=f"^{text}--split-name NAME$"):
        read_source(SourceSettings(str(root), str(tmp_path / "embedded"), splits=["test"]))
