"""Roboflow's COCO files, by hand from its exports: _annotations.coco.json beside a split's pictures."""

import json

import pytest

from src.config import load_config
from src.data.check.data_check import check_data
from src.data_settings import annotation_settings, data_check_settings
from tests.data.forms.labels import write_picture


def category(number, name, parent):
    return {"id": number, "name": name, "supercategory": parent}


def write_split(folder, categories, category_ids=(1,)):
    name = "IMG_1_jpg.rf.9f2b1c.jpg"
    write_picture(folder / name)
    content = {
        "info": {"year": "2024", "version": "1", "description": "Exported from roboflow.com"},
        "licenses": [{"id": 1, "url": "https://creativecommons.org/licenses/by/4.0/", "name": "CC BY 4.0"}],
        "categories": categories,
        "images": [{"id": 0, "license": 1, "file_name": name, "height": 60, "width": 80}],
        "annotations": [
            {
                "id": number,
                "image_id": 0,
                "category_id": category_id,
                "bbox": [10, 10 + 20 * number, 20, 10],
                "area": 200,
                "segmentation": [],
                "iscrowd": 0,
            }
            for number, category_id in enumerate(category_ids)
        ],
    }
    (folder / "_annotations.coco.json").write_text(json.dumps(content))


ROOT = category(0, "animals", "none")
CAT = category(1, "cat", "animals")


def check(root, split="train"):
    config = load_config(["dataset=auto", f"coco_root={root}", "coco_classes=auto", "keep_empty=True"])
    return check_data(data_check_settings(config, split), quiet=True)


def test_each_split_is_found_and_its_root_left_out(tmp_path):
    for folder in ("train", "valid", "test"):
        write_split(tmp_path / folder, [ROOT, CAT, category(2, "dog", "animals")], (2, 1))
    for split, folder in (("train", "train"), ("val", "valid")):
        result = check(tmp_path, split)
        assert result.settings.annotations.path == str(tmp_path / folder / "_annotations.coco.json")
        assert result.source.class_names == ("background", "cat", "dog")
        assert result.source.records[0].boxes.tolist() == [[10, 10, 30, 20], [10, 30, 30, 40]]
        assert result.source.records[0].labels.tolist() == [2, 1]
        assert not result.source.has_masks
        assert dict(result.findings.counts) == {"category_root": 1}
        assert result.exit_code == 0


def test_a_root_that_is_called_as_a_class(tmp_path):
    write_split(tmp_path / "train", [category(0, "cat", "none"), category(1, "cat", "cat")])
    result = check(tmp_path)
    assert result.source.class_names == ("background", "cat")
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("categories", "used"),
    [
        ([ROOT, CAT], (0, 1)),  # objects have it
        ([category(0, "animals", "none"), category(1, "cat", "pets")], (1,)),
        ([category(0, "animals", "things"), CAT], (1,)),
        ([category(3, "animals", "none"), CAT], (1,)),
    ],
)
def test_other_categories_are_classes(tmp_path, categories, used):
    write_split(tmp_path / "train", categories, used)
    result = check(tmp_path)
    assert result.source.class_names == ("background", "animals", "cat")
    assert "category_root" not in result.findings.counts


def test_a_file_of_the_root_alone(tmp_path):
    write_split(tmp_path / "train", [ROOT], ())
    assert check(tmp_path).source.class_names == ("background", "animals")


def test_one_split_may_be_named(tmp_path):
    write_split(tmp_path / "test", [ROOT, CAT])
    settings = annotation_settings(
        load_config(
            [
                "dataset=coco",
                f"coco_root={tmp_path}",
                "val_data_type=test",
                "instance_set={}/_annotations.coco.json",
            ]
        ),
        "val",
    )
    assert settings.path == str(tmp_path / "test" / "_annotations.coco.json")
    assert settings.folder == str(tmp_path / "test")
