"""The file's classes beside those of coco_classes: Unicode forms, and what is said about unknown names."""

from __future__ import annotations

import json
import re
import shlex
import unicodedata

import pytest

from src.config import load_config
from src.data.annotations.coco_reader import read_coco
from src.data.check.data_check import check_data
from src.data.findings import Findings
from src.data_settings import annotation_settings, data_check_settings
from src.errors import DataError
from tests.data.check.checking import check, found

NFC = unicodedata.normalize("NFC", "caf\u00e9")
NFD = unicodedata.normalize("NFD", NFC)


def classes(*names):
    """A change: the file's categories 1, 2, ... have these names, and all objects are of the first."""

    def change(content):
        content["categories"] = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
        for item in content["annotations"]:
            item["category_id"] = 1

    return change


def check_classes(root, coco_classes):
    config = load_config([f"coco_root={root}", f"coco_classes={coco_classes}"])
    return check_data(data_check_settings(config), quiet=True)


@pytest.mark.parametrize("known, written", [(NFC, NFD), (NFD, NFC)])
def test_names_in_another_normalisation_are_the_same_class(coco_folder, known, written):
    root = coco_folder(change=classes(written, "disc"))
    result = check_classes(root, f"[background,disc,{known}]")
    (one,) = found(result, "category_unicode")
    assert one["detail"] == f"{ascii(written)} is {ascii(known)} in coco_classes"
    assert result.exit_code == 0
    assert result.source.class_names == ("background", "disc", known)
    assert result.source.category_ids == (0, 2, 1)
    assert {label for record in result.source.records for label in record.labels.tolist()} == {2}


def test_two_categories_of_the_same_look_are_one_name_twice(coco_folder):
    result = check(coco_folder(change=classes(NFC, NFD)), "coco_classes=auto")
    assert found(result, "category_twice")[0]["place"] == "categories[1]"


def test_unknown_names_are_named_beside_the_known_and_the_nearest(coco_folder):
    root = coco_folder(change=classes("Bolt", "washer", "nut"))
    detail = found(check_classes(root, "[background,bolt,nut]"), "category_names")[0]["detail"]
    assert detail.startswith("2 of its 3 categories not in coco_classes: 'Bolt', 'washer'; ")
    assert "coco_classes has 'bolt', 'nut' (nearest: 'bolt' for 'Bolt'); rename in the file" in detail


def test_long_lists_of_names_are_cut(coco_folder):
    root = coco_folder(change=classes(*(f"x{'abcdefgh'[n]}" for n in range(8))))
    with pytest.raises(DataError) as error:
        read_coco(annotation_settings(load_config([f"coco_root={root}"])))
    message = str(error.value)
    assert "'xa', 'xb', 'xc', 'xd', 'xe', ... (8 in all)" in message
    assert "coco_classes has 'person', 'bicycle', 'car', 'motorcycle', 'airplane', ... (80 in all)" in message
    assert "\n" not in message
    word = shlex.split(re.search(r"write (.*) or coco_classes=auto", message).group(1))
    for way in (word, ["coco_classes=auto"]):
        source = read_coco(annotation_settings(load_config([f"coco_root={root}", *way])))
        assert source.class_names == ("background", *(f"x{letter}" for letter in "abcdefgh"))


def test_the_reported_new_class(shared):
    root = shared / "data/reports/val_new_class"
    config = load_config([f"coco_root={root}", "coco_classes=[background,bolt,nut]"])
    with pytest.raises(DataError) as error:
        read_coco(annotation_settings(config, "val"))
    assert "1 of its 3 categories not in coco_classes: 'washer'; the network knows 'bolt', 'nut'" in str(
        error.value
    )


def classes_of(tmp_path, *words):
    """(labels of the objects, names, category ids) of an evaluation of a network that knows cat and dog."""
    content = {
        "images": [{"id": 1, "file_name": "1.jpg", "width": 64, "height": 64}],
        "categories": [{"id": 5, "name": "dog"}, {"id": 6, "name": "horse"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 5, "bbox": [0, 0, 9, 9]},
            {"id": 2, "image_id": 1, "category_id": 6, "bbox": [9, 9, 9, 9]},
        ],
    }
    path = tmp_path / "val.json"
    path.write_text(json.dumps(content))
    config = load_config(["coco_classes=[background, cat, dog]", f"ann_file={path}", *words])
    findings = Findings(str(path), collect=True)
    source = read_coco(annotation_settings(config, "val"), findings)
    return source, findings


def test_an_evaluation_of_the_classes_of_both(tmp_path):
    source, findings = classes_of(tmp_path, "eval_classes=common")
    assert source.class_names == ("background", "cat", "dog")
    assert source.category_ids == (0, None, 5)
    assert source.records[0].labels.tolist() == [2]
    assert findings.counts["category_not_common"] == 1 and findings.counts["annotation_not_common"] == 1
    assert findings.exit_code == 1


def test_a_class_that_the_network_does_not_know_names_a_way_out_that_works(tmp_path):
    _, findings = classes_of(tmp_path)
    (finding,) = findings.listed["category_names"]
    assert "the network knows 'cat', 'dog'" in finding.detail
    assert "eval_classes=common" in finding.detail and "coco_classes=auto" not in finding.detail
