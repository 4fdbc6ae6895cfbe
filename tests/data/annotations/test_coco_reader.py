"""The COCO reader on real files, files of other tools, and made ones."""

from __future__ import annotations

import dataclasses
import re
import shlex

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from src.config import load_config
from src.data.annotations.coco_reader import read_coco
from src.data.images.rle import rle_counts
from src.data_settings import annotation_settings
from src.dataset import read_source, resolve_classes
from src.errors import ConfigError, DataError
from tests.data.annotations.reading import read


def test_real_data_equals_what_pycocotools_loads(shared):
    for split, name in (("train", "train2017"), ("val", "val2017")):
        source = read_coco(annotation_settings(load_config([f"coco_root={shared}/data/coco"]), split))
        coco = COCO(f"{shared}/data/coco/annotations/instances_{name}.json")
        assert [record.image_id for record in source.records] == list(coco.imgs)
        assert source.has_masks
        assert source.has_annotations
        assert len(source.class_names) == 81
        for record in source.records:
            expected = coco.loadAnns(coco.getAnnIds(record.image_id))
            assert record.annotation_ids.tolist() == [annotation["id"] for annotation in expected]
            boxes = np.array([annotation["bbox"] for annotation in expected]).reshape(-1, 4)
            boxes[:, 2:] += boxes[:, :2]
            assert np.allclose(record.boxes, boxes, atol=0.02)
            assert record.boxes.dtype == np.float64
            assert [source.category_ids[label] for label in record.labels] == [
                annotation["category_id"] for annotation in expected
            ]
            assert [source.class_names[label] for label in record.labels] == [
                coco.cats[a["category_id"]]["name"] for a in expected
            ]
            assert record.crowd.tolist() == [annotation["iscrowd"] == 1 for annotation in expected]
            assert len(record.segmentations) == len(expected)
            assert [type(item) for item in record.segmentations] == [
                type(annotation["segmentation"]) for annotation in expected
            ]
        assert sum(len(record.boxes) for record in source.records) == len(coco.anns)
    # COCO's ids have gaps: 12 is missing
    assert source.category_ids[12] == 13
    assert source.class_names[12] == "stop sign"


@pytest.mark.parametrize(
    "name, words",
    [
        ("coco_zero_height.json", []),
        ("null_sizes_and_wrong_keys.json", []),
        ("null_sizes_and_wrong_keys.json", ["coco_classes=auto"]),
        ("crowd_rle_and_empty_segmentation.json", []),
        ("crowd_rle_and_empty_segmentation.json", ["coco_classes=auto"]),
        ("mixed_int_str_ids.json", []),
    ],
)
def test_files_of_other_tools_give_a_result_or_one_line(shared, name, words):
    path = shared / "data" / "dirty" / name
    try:
        source = read_coco(dataclasses.replace(annotation_settings(load_config(words)), path=path))
    except DataError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)
    else:
        assert source.records
        assert all(np.isfinite(record.boxes).all() for record in source.records)


def test_ids_as_text_equal_ids_as_numbers(shared):
    path = shared / "data/dirty/mixed_int_str_ids.json"
    source = read_coco(dataclasses.replace(annotation_settings(load_config()), path=path))
    (record,) = source.records
    assert record.image_id == 2299
    assert len(record.boxes) == 14
    assert record.crowd.sum() == 1
    assert not source.has_masks
    assert record.segmentations is None
    assert record.annotation_ids[-1] == 900100002299


def test_uncompressed_crowd_and_gaps(shared):
    path = shared / "data/dirty/crowd_rle_and_empty_segmentation.json"
    settings = annotation_settings(load_config(["coco_classes=[background,c,a,b]"]))
    source = read_coco(dataclasses.replace(settings, path=path))
    (record,) = source.records
    assert record.labels.tolist() == [2, 3]
    assert record.crowd.tolist() == [False, True]
    assert source.category_ids == (0, 4, 1, 2)
    assert rle_counts(record.segmentations[1]).tolist() == [0, 20, 30]
    assert source.has_masks


def test_unknown_names_print_the_word_to_write(coco_folder):
    root = coco_folder()
    with pytest.raises(DataError) as error:
        read_coco(annotation_settings(load_config([f"coco_root={root}"])))
    word = shlex.split(re.search(r"write (.*) or coco_classes=auto", str(error.value)).group(1))
    config = load_config([f"coco_root={root}", *word])
    assert config.coco_classes == ("background", "square", "disc")
    assert config.num_classes == 3
    assert read_coco(annotation_settings(config)).category_ids == (0, 3, 7)


def test_names_match_in_any_order_and_subset(coco_folder):
    def fewer(content):
        content["categories"] = [category for category in content["categories"] if category["id"] == 7]
        content["annotations"] = [
            annotation for annotation in content["annotations"] if annotation["category_id"] == 7
        ]

    root = coco_folder(change=fewer)
    source = read(root)
    assert source.category_ids == (0, None, 7)
    assert {label for record in source.records for label in record.labels.tolist()} == {2}
    config = load_config([f"coco_root={root}", "coco_classes=[background,disc,square]"])
    swapped = read_coco(annotation_settings(config, "val"))
    assert swapped.category_ids == (0, 7, 3)


def test_auto_classes_resolve(coco_folder):
    root = coco_folder()
    config = load_config([f"coco_root={root}", "coco_classes=auto"])
    resolved = resolve_classes(config, read_source(config))
    assert resolved.coco_classes == ("background", "square", "disc")
    assert resolved.num_classes == 3
    assert resolve_classes(resolved, None) is resolved
    wrong = load_config([f"coco_root={root}", "coco_classes=auto", "num_classes=5"])
    with pytest.raises(ConfigError, match="num_classes=5"):
        resolve_classes(wrong, read_source(wrong))


def test_a_file_without_annotations_says_so(coco_folder):
    source = read(coco_folder(change=lambda content: content.pop("annotations")))
    assert not source.has_annotations
    assert not source.has_masks
    assert len(source.records) == 6
    assert all(len(record.boxes) == 0 for record in source.records)


def test_missing_sizes_come_from_the_picture(coco_folder):
    def spoil(content):
        content["images"][0]["width"] = None
        content["images"][1].pop("height")
        content["images"][2]["width"] = 128.0

    source = read(coco_folder(change=spoil))
    assert {(record.height, record.width) for record in source.records} == {(96, 128)}
    assert any("2 x picture without a usable size" in note for note in source.notes)


def test_sizes_of_exif_rotated_pictures_are_those_displayed(coco_folder):
    root = coco_folder(change=lambda content: content["images"][0].update(width=0))
    path = root / "train2017" / "000001.jpg"
    with Image.open(path) as image:
        exif = Image.Exif()
        exif[274] = 6
        image.save(path, exif=exif)
    record = read(root).records[0]
    assert (record.height, record.width) == (128, 96)
