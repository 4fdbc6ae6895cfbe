"""The COCO reader on real, dirty and made files."""

from __future__ import annotations

import json
import re
import shlex

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from src.config import load_config
from src.data.annotations.coco_reader import read_coco
from src.data.annotations.json_values import whole_number
from src.data.annotations.sources import read_source, resolve_classes
from src.data.images.masks import rle_counts
from src.errors import ConfigError, DataError

CLASSES = "coco_classes=[background,square,disc]"


def read(root, *words, **kwargs):
    return read_coco(load_config([f"coco_root={root}", CLASSES, *words]), **kwargs)


def annotations_of(root, split="train2017"):
    return json.loads((root / "annotations" / f"instances_{split}.json").read_text())


def test_real_data_equals_what_pycocotools_loads(shared):
    for split, name in (("train", "train2017"), ("val", "val2017")):
        source = read_coco(load_config([f"coco_root={shared}/data/coco"]), split)
        coco = COCO(f"{shared}/data/coco/annotations/instances_{name}.json")
        assert [record.image_id for record in source.records] == list(coco.imgs)
        assert source.has_masks and source.has_annotations and len(source.class_names) == 81
        for record in source.records:
            expected = coco.loadAnns(coco.getAnnIds(record.image_id))
            assert record.annotation_ids.tolist() == [annotation["id"] for annotation in expected]
            boxes = np.array([annotation["bbox"] for annotation in expected]).reshape(-1, 4)
            boxes[:, 2:] += boxes[:, :2]
            assert np.allclose(record.boxes, boxes, atol=0.02) and record.boxes.dtype == np.float32
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
    assert (
        source.category_ids[12] == 13 and source.class_names[12] == "stop sign"
    )  # COCO's ids have gaps: 12 is missing


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
def test_dirty_files_give_a_result_or_one_line(shared, name, words):
    path = shared / "data" / "dirty" / name
    try:
        source = read_coco(load_config(words), ann_file=path)
    except DataError as error:
        assert str(path) in str(error) and "\n" not in str(error)
    else:
        assert source.records and all(np.isfinite(record.boxes).all() for record in source.records)


def test_mixed_text_and_whole_ids_meet(shared):
    source = read_coco(load_config(), ann_file=shared / "data/dirty/mixed_int_str_ids.json")
    (record,) = source.records
    assert (
        record.image_id == 2299
        and len(record.boxes) == 14
        and record.crowd.sum() == 1
        and not source.has_masks
    )
    assert record.segmentations is None and record.annotation_ids[-1] == 900100002299


def test_uncompressed_crowd_and_gaps(shared):
    path = shared / "data/dirty/crowd_rle_and_empty_segmentation.json"
    source = read_coco(load_config(["coco_classes=[background,c,a,b]"]), ann_file=path)
    (record,) = source.records
    assert (
        record.labels.tolist() == [2, 3]
        and record.crowd.tolist() == [False, True]
        and source.category_ids == (0, 4, 1, 2)
    )
    assert rle_counts(record.segmentations[1]).tolist() == [0, 20, 30] and source.has_masks


def test_unknown_names_print_the_word_to_write(coco_folder):
    root = coco_folder()
    with pytest.raises(DataError) as error:
        read_coco(load_config([f"coco_root={root}"]))
    word = shlex.split(re.search(r"write (.*) or coco_classes=auto", str(error.value)).group(1))
    config = load_config([f"coco_root={root}", *word])
    assert config.coco_classes == ("background", "square", "disc") and config.num_classes == 3
    assert read_coco(config).category_ids == (0, 3, 7)


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
    turned = read_coco(load_config([f"coco_root={root}", "coco_classes=[background,disc,square]"]), "val")
    assert turned.category_ids == (0, 7, 3)


def test_auto_classes_resolve(coco_folder):
    root = coco_folder()
    config = load_config([f"coco_root={root}", "coco_classes=auto"])
    resolved = resolve_classes(config, read_source(config))
    assert resolved.coco_classes == ("background", "square", "disc") and resolved.num_classes == 3
    assert resolve_classes(resolved, None) is resolved
    wrong = load_config([f"coco_root={root}", "coco_classes=auto", "num_classes=5"])
    with pytest.raises(ConfigError, match="num_classes=5"):
        resolve_classes(wrong, read_source(wrong))


def test_a_file_without_annotations_says_so(coco_folder):
    source = read(coco_folder(change=lambda content: content.pop("annotations")))
    assert not source.has_annotations and not source.has_masks and len(source.records) == 6
    assert all(len(record.boxes) == 0 for record in source.records)


def test_bad_boxes_are_counted_in_one_line_a_kind(coco_folder, caplog):
    def spoil(content):
        boxes = [annotation["bbox"] for annotation in content["annotations"]]
        boxes[0][2] = 0.0  # no width
        boxes[1][3] = -5.0  # inverted
        boxes[2][0] = float("nan")
        boxes[3][2] = float("inf")
        boxes[4][:] = [500.0, 500.0, 10.0, 10.0]  # outside 128x96
        boxes[5][:] = [-20.0, 10.0, 60.0, 500.0]  # clipped
        content["annotations"][5]["segmentation"] = [[0, 10, 40, 10, 40, 96, 0, 96]]
        boxes[6][:] = [1.0, 2.0, 3.0]
        content["annotations"][7]["bbox"] = "1,2,3,4"
        del content["annotations"][8]["bbox"]  # from the polygon
        content["annotations"][9]["image_id"] = 999
        content["annotations"][10]["category_id"] = 4
        content["annotations"][11] = None
        content["annotations"][12]["bbox"][2] = 10**400

    root = coco_folder(change=spoil)
    clean = read(coco_folder(name="clean"))
    source = read(root)
    kept = [annotation_id for record in source.records for annotation_id in record.annotation_ids.tolist()]
    assert kept == [6, 9, *range(14, 19)]
    assert np.allclose(source.records[1].boxes[-1], [0, 10, 40, 96])
    ninth = clean.records[2].boxes[clean.records[2].annotation_ids.tolist().index(9)]
    assert np.allclose(source.records[2].boxes[0], ninth, atol=1e-3)
    notes = "\n".join(source.notes)
    assert len(source.notes) == len({note.split(" x ")[1].split(" (")[0] for note in source.notes})
    parts = (
        "2 x box without area",
        "3 x box that is not finite",
        "1 x box outside",
        "1 x box reaching out",
        "2 x box that is not four",
        "1 x annotation of an image id",
        "1 x annotation of a category id",
        "1 x annotation that is not an object",
    )
    assert [part for part in parts if part not in notes] == []
    assert "annotation 1," in notes and caplog.messages == source.notes


def test_bad_segmentations(coco_folder):
    def spoil(content):
        items = content["annotations"]
        items[0]["segmentation"] = [[1, 2, 3, 4]]  # two points
        items[1]["segmentation"] = [[1, 2, 3, 4, 5, 6, 7], [1, 1, 9, 1, 9, 9]]  # odd, and a good one
        items[1]["bbox"] = [1, 1, 8, 8]
        items[2]["segmentation"] = {"size": [96, 128], "counts": "oooo"}
        items[3]["segmentation"] = {"size": [5, 5], "counts": [25]}
        items[4]["segmentation"] = [[1e30, 0, 5, 0, 5, 5]]
        items[5]["segmentation"] = items[5]["segmentation"][0]  # no list around it
        items[6]["segmentation"] = [["a", "b", "c", "d", "e", "f"]]
        items[7]["segmentation"] = 5
        items[8]["segmentation"] = []
        items[9]["segmentation"] = [None, [[1, 2], [3, 4], [5, 6], [5, 6], [5, 6], [5, 6]]]
        items[10].update(iscrowd=1, segmentation=None)

    source = read(coco_folder(change=spoil))
    kept = [annotation_id for record in source.records for annotation_id in record.annotation_ids.tolist()]
    assert kept == [2, 6, *range(11, 19)]
    assert len(source.records[0].segmentations[0]) == 1 and source.has_masks
    assert any("8 x object without a usable mask" in note for note in source.notes)


def test_missing_sizes_come_from_the_picture(coco_folder):
    def spoil(content):
        content["images"][0]["width"] = None
        content["images"][1].pop("height")
        content["images"][2]["width"] = 128.0

    source = read(coco_folder(change=spoil))
    assert {(record.height, record.width) for record in source.records} == {(96, 128)}
    assert any("2 x picture without a usable size" in note for note in source.notes)


def _images(content, **changes):
    content["images"][1].update(changes)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda content: _images(content, id=10), "images[1]: the image id 10"),
        (lambda content: _images(content, id="10"), "images[1]: the image id 10"),
        (lambda content: _images(content, id="ten"), "images[1]"),
        (lambda content: _images(content, id=2**70), "images[1]"),
        (lambda content: _images(content, id=True), "images[1]"),
        (lambda content: _images(content, file_name=5), "images[1]"),
        (lambda content: _images(content, file_name="/etc/passwd"), "leads out"),
        (lambda content: _images(content, file_name="a/../../b.jpg"), "leads out"),
        (lambda content: _images(content, width=None, file_name="none.jpg"), "none.jpg"),
        (lambda content: content.pop("images"), "'images' is missing"),
        (lambda content: content.update(annotations={}), "'annotations' is a dict"),
        (lambda content: content.pop("categories"), "'categories' is missing"),
        (lambda content: content.update(categories=[]), "no class"),
        (lambda content: content["categories"].append({"id": 3, "name": "x"}), "twice"),
        (lambda content: content["categories"].append({"id": 9, "name": "disc"}), "twice"),
        (lambda content: content["categories"].append({"id": None, "name": "x"}), "categories[2]"),
        (lambda content: content["categories"].append([]), "categories[2]"),
    ],
)
def test_what_makes_a_file_useless_is_one_line(coco_folder, change, words):
    root = coco_folder(change=change)
    with pytest.raises(DataError) as error:
        read(root)
    assert (
        words in str(error.value)
        and "instances_train2017.json" in str(error.value)
        and "\n" not in str(error.value)
    )


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "empty"),
        (b'{"images": [{"id": 1', "cut off"),
        (b"hello", "line 1 column 1"),
        (b"[]", "list at the top level"),
        (b"\xff\xfe\x00", "not"),
        (b'"text"', "str at the top level"),
        (b"[" * 100000, "not JSON"),
        (b'{"a": 1' + b"0" * 5000 + b"}", ""),
    ],
)
def test_what_is_not_json(tmp_path, data, words):
    path = tmp_path / "annotations.json"
    path.write_bytes(data)
    with pytest.raises(DataError) as error:
        read_coco(load_config(), ann_file=path)
    assert words in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_coco(load_config([f"coco_root={tmp_path}"]))
    with pytest.raises(DataError, match="directory"):
        read_coco(load_config([f"ann_file={tmp_path}"]), "val")


def test_sizes_of_turned_pictures_come_as_displayed(coco_folder):
    root = coco_folder(change=lambda content: content["images"][0].update(width=0))
    path = root / "train2017" / "000001.jpg"
    with Image.open(path) as image:
        exif = Image.Exif()
        exif[274] = 6
        image.save(path, exif=exif)
    assert (read(root).records[0].height, read(root).records[0].width) == (128, 96)


def test_whole():
    assert [whole_number(value) for value in (7, 7.0, "7", " 7 ", -1)] == [7, 7, 7, 7, -1]
    assert [
        whole_number(value)
        for value in (7.5, "7.5", "x", None, True, float("nan"), float("inf"), 2**63, "9" * 30, [7])
    ] == [None] * 10
