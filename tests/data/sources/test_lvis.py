"""LVIS files, written by hand from its data format: images without file_name, of two folders of COCO."""

import json

import pytest

from src.data.forms.listing import Listing
from src.data.sources.find_form import describe, find_form
from tests.data.forms.labels import found, pixels, read_form, write_picture

URL = "http://images.cocodataset.org/{}"


def content(*names, order=("info", "annotations", "images", "licenses", "categories")):
    """LVIS v1 has the annotations before the images."""
    images = [
        {
            "id": 10 + i,
            "width": 80,
            "height": 60,
            "coco_url": URL.format(name),
            "neg_category_ids": [2],
            "not_exhaustive_category_ids": [],
        }
        for i, name in enumerate(names)
    ]
    square = [10.0, 10.0, 30.0, 10.0, 30.0, 20.0, 10.0, 20.0]
    box = {"bbox": [10.0, 10.0, 20.0, 10.0], "area": 200.0, "segmentation": [square]}
    categories = [
        {"id": i, "name": f"class_{i}", "synset": f"class.n.{i}", "frequency": "r", "def": "", "synonyms": []}
        for i in range(1, 1204)
    ]
    parts = {
        "info": {},
        "annotations": [
            {"id": i, "image_id": 10 + i, "category_id": 1203 - i, **box} for i in range(len(names))
        ],
        "images": images,
        "licenses": [],
        "categories": categories,
    }
    return {key: parts[key] for key in order}


@pytest.mark.parametrize("first", ["annotations", "images", "categories"])
def test_pictures_of_two_folders_and_1203_classes(tmp_path, first):
    order = [first, *(key for key in ("annotations", "images", "categories") if key != first)]
    names = ("train2017/000000000001.jpg", "val2017/000000000002.jpg")
    for name in names:
        write_picture(tmp_path / name)
    (tmp_path / "annotations").mkdir()
    text = json.dumps(content(*names, order=order))
    (tmp_path / "annotations" / "lvis_v1_val.json").write_text(text)
    (tmp_path / "annotations" / "lvis_v1_train.json").write_text(text)
    source, findings = read_form(tmp_path, "auto", split="val")
    assert source.annotation_file.endswith("lvis_v1_val.json")
    assert [record.path for record in source.records] == [str(tmp_path / name) for name in names]
    assert len(source.class_names) == 1204
    assert [record.labels.tolist() for record in source.records] == [[1203], [1202]]
    assert pixels(source.records[0], 0).sum() == 20 * 10
    assert found(findings) == {"image_url": ["images[0]", "images[1]"]}


def test_it_is_called_lvis(tmp_path):
    write_picture(tmp_path / "train2017" / "1.jpg")
    (tmp_path / "lvis_v1_train.json").write_text(json.dumps(content("train2017/1.jpg")))
    assert describe(find_form(Listing(tmp_path)), tmp_path) == "LVIS JSON (lvis_v1_train.json)"


def test_pictures_in_one_folder(tmp_path):
    write_picture(tmp_path / "images" / "1.jpg")
    (tmp_path / "lvis_v1_train.json").write_text(json.dumps(content("train2017/1.jpg")))
    source, _ = read_form(tmp_path, "auto")
    assert source.records[0].path == str(tmp_path / "images" / "1.jpg")
