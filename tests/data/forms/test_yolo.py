"""YOLO data sets, written by hand from Ultralytics' documentation and Roboflow's exports."""

import pytest

from src.config import load_config
from src.data.check.data_check import check_data
from src.data_settings import data_check_settings
from src.errors import DataError

from .labels import found, pixels, read_form, write_picture

NAMES = "names: [cat, dog]\n"
SQUARE = "0 .25 .25 .5 .25 .5 .5 .25 .5\n"  # of a picture of 80x60: x 20 to 40, y 15 to 30


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def write_pair(root, folder, name, rows):
    write_picture(root / "images" / folder / f"{name}.png")
    write(root / "labels" / folder / f"{name}.txt", rows)


def test_boxes_and_polygons(tmp_path):
    write(tmp_path / "data.yaml", "path: .\ntrain: images/train\nval: images/val\n" + NAMES)
    write_pair(tmp_path, "train", "a", SQUARE + "1 0.5 0.5 0.25 0.5\n\n")
    write_picture(tmp_path / "images/train/b c.png")  # a picture without objects
    write_pair(tmp_path, "train", "empty", "")
    write_pair(tmp_path, "val", "v", SQUARE)
    source, findings = read_form(tmp_path, "yolo")
    first, second, third = source.records
    assert source.class_names == ("background", "cat", "dog")
    assert source.has_masks
    assert first.labels.tolist() == [1, 2]
    # the box's centre is (40, 30), its size 20 by 30
    assert first.boxes.tolist() == [[20, 15, 40, 30], [30, 15, 50, 45]]
    assert pixels(first, 0)[15:30, 20:40].all()
    assert pixels(first, 0).sum() == 20 * 15
    assert [len(second.labels), len(third.labels)] == [0, 0]
    assert found(findings) == {"box_as_mask": ["labels/train/a.txt: line 2"]}
    assert len(read_form(tmp_path, "yolo", split="val")[0].records) == 1


def test_the_longest_names_that_files_have(tmp_path):
    """255 bytes in most file systems: with another ending the name is too long for any file."""
    long = "a" * 251
    write(tmp_path / f"{long}.txt", SQUARE)
    write_picture(tmp_path / f"{long}.png")
    write(tmp_path / f"{'b' * 251}.txt", SQUARE)
    write(tmp_path / "classes.txt", "cat\ndog\n")
    source, findings = read_form(tmp_path, "auto")
    assert [len(record.labels) for record in source.records] == [1]
    assert found(findings) == {"label_picture_missing": [f"{'b' * 251}.txt"]}


def test_boxes_alone(tmp_path):
    write(tmp_path / "data.yaml", "train: images\nval: images\n" + NAMES)
    write_pair(tmp_path, ".", "a", "1 0.5 0.5 0.25 0.5")
    source, findings = read_form(tmp_path, "yolo")
    assert not source.has_masks
    assert source.records[0].boxes.tolist() == [[30, 15, 50, 45]]
    assert not findings.counts


LAYOUTS = {
    "roboflow": ("train: ../train/images\nval: ../valid/images\n", "train/images", "train/labels"),
    "list of folders": ("train: [one/images, two/images]\nval: x\n", "two/images", "two/labels"),
    "list in a file": ("train: lists/train.txt\nval: x\n", "images/train", "labels/train"),
    "path of another computer": ("path: /content/set\ntrain: images/train\n", "images/train", "labels/train"),
    "path from the folder around": ("path: set\ntrain: images/train\n", "images/train", "labels/train"),
    "absolute": ("train: /home/me/set/images/train\n", "images/train", "labels/train"),
    "windows": ("train: .\\images\\train\r\n", "images/train", "labels/train"),
    "beside": ("train: train\nval: val\n", "train", "train"),
    "twice images": ("train: images/x/images\n", "images/x/images", "images/x/labels"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path, layout):
    text, pictures, labels = LAYOUTS[layout]
    root = tmp_path / "set"
    write(root / "data.yaml", text + NAMES)
    (root / "one/images").mkdir(parents=True)
    write(root / "lists/train.txt", "/home/me/images/train/é 1.png\r\n\n")
    write_picture(root / pictures / "é 1.png")
    write(root / labels / "é 1.txt", "\ufeff" + SQUARE.replace("\n", "\r\n"))
    for place in (root, root / "data.yaml"):
        source, findings = read_form(place, "yolo")
        assert [record.boxes.tolist() for record in source.records] == [[[20, 15, 40, 30]]]
        assert not findings.counts


def test_names_by_index_and_without_types(tmp_path):
    names = "names:\n  0: no\n  2: 007\n  1: 'Zebra'\n"
    write(tmp_path / "data.yaml", "train: images\n" + names)
    write_pair(tmp_path, ".", "a", SQUARE + SQUARE.replace("0", "2", 1))
    source, findings = read_form(tmp_path, "yolo")
    assert source.class_names == ("background", "no", "Zebra", "007")
    assert source.records[0].labels.tolist() == [1, 3]
    assert not findings.counts


def test_a_list_of_classes_instead_of_yaml(tmp_path):
    write(tmp_path / "classes.txt", "cat\ndog\n")
    write_pair(tmp_path, "train", "a", SQUARE)
    write_pair(tmp_path, "val", "b", SQUARE)
    for split in ("train", "val"):
        source, _ = read_form(tmp_path, "auto", split=split)
        assert source.class_names == ("background", "cat", "dog")
        assert len(source.records) == 1


def test_the_working_folder_itself(tmp_path, monkeypatch):
    write(tmp_path / "classes.txt", "cat\ndog\n")
    write(tmp_path / "labels/a.txt", "1 0.5 0.5 0.25 0.5")
    write_picture(tmp_path / "images/a.png")
    monkeypatch.chdir(tmp_path)
    assert read_form(".", "auto")[0].records[0].boxes.tolist() == [[30, 15, 50, 45]]


def test_darknets_list_of_classes(tmp_path):
    """CVAT's "YOLO 1.1": labels beside the pictures, and classes in obj.names."""
    write(tmp_path / "obj.names", "cat\ndog\n")
    write(tmp_path / "obj.data", "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\n")
    write(tmp_path / "train.txt", "data/obj_train_data/a.png\n")
    write(tmp_path / "obj_train_data/a.txt", "1 0.5 0.5 0.25 0.5 \n")
    write_picture(tmp_path / "obj_train_data/a.png")
    source, findings = read_form(tmp_path, "auto")
    assert source.class_names == ("background", "cat", "dog")
    assert source.records[0].labels.tolist() == [2]
    assert source.records[0].boxes.tolist() == [[30, 15, 50, 45]]
    assert not findings.counts


def test_no_names_are_one_line(tmp_path):
    write_pair(tmp_path, ".", "a", SQUARE)
    source, findings = read_form(tmp_path, "auto")
    assert list(findings.counts) == ["label_file_form"]
    assert source.class_names == ("background", "class_0")


BAD_ROWS = {
    "0 nan .5 .1 .1": "finite",
    "0 .5 .5 .1": "3 numbers after the class",
    "0 .5 .5 .1 .1 .9": "5 numbers after the class",
    "0 .1 .1 .2 .2 .3 .3 .4": "7 numbers after the class",
    "0 20 30 40 50": "shares of the picture",
    "cat .5 .5 .1 .1": "numbers expected",
    "0": "0 numbers after the class",
    "1e999 .5 .5 .1 .1": None,
}


@pytest.mark.parametrize("row", BAD_ROWS)
def test_bad_rows_are_left_out(tmp_path, row):
    write(tmp_path / "data.yaml", "train: images\n" + NAMES)
    write_pair(tmp_path, ".", "a", SQUARE + row)
    source, findings = read_form(tmp_path, "yolo")
    assert len(source.records[0].labels) == 1
    kind = "label_shape" if BAD_ROWS[row] else "category_unlisted"
    assert found(findings) == {kind: ["labels/a.txt: line 2"]}
    assert (BAD_ROWS[row] or "class inf") in findings.listed[kind][0].detail


def test_a_class_out_of_range_ends_the_training(tmp_path):
    write(tmp_path / "data.yaml", "train: images\n" + NAMES)
    write_pair(tmp_path, ".", "a", SQUARE.replace("0", "2", 1))
    check = check_data(
        data_check_settings(load_config(["dataset=auto", f"coco_root={tmp_path}"])), quiet=True
    )
    assert check.exit_code == 2
    assert "labels/a.txt: line 1: class 2; data.yaml has 0: cat, 1: dog" in check.first_fatal()


BAD_CONFIGS = {
    "names: [cat\ntrain: images": "label_file_syntax",
    "names: cat\ntrain: images": "label_file_form",
    "names: [cat, [dog]]\ntrain: images": "label_file_form",
    "names: [cat, cat]\ntrain: images": "category_twice",
    "names: {a: cat, 0: dog}\ntrain: images": "label_file_form",
    "nc: 3\nnames: [cat, dog]\ntrain: images": "label_file_form",
    "a: &a [x, x]\nnames: [*a, cat]\ntrain: images": "label_file_syntax",
    "names:\ntrain: images": "label_file_form",
}


@pytest.mark.parametrize("text", BAD_CONFIGS)
def test_bad_configs_are_one_finding(tmp_path, text):
    write(tmp_path / "data.yaml", text)
    write_pair(tmp_path, ".", "a", SQUARE)
    _, findings = read_form(tmp_path, "yolo")
    assert found(findings) == {BAD_CONFIGS[text]: ["data.yaml"]}


def test_missing_pictures_and_labels_are_named(tmp_path):
    write(tmp_path / "data.yaml", "train: [images, nowhere, list.txt]\n" + NAMES)
    write_pair(tmp_path, ".", "a", SQUARE)
    write(tmp_path / "labels" / "gone.txt", SQUARE)
    write(tmp_path / "list.txt", "images/a.png\n../../etc/x.png\n")
    _, findings = read_form(tmp_path, "yolo")
    places = ["labels/gone.txt", "data.yaml: train: nowhere", "list.txt: line 2"]
    assert found(findings)["label_picture_missing"] == places


@pytest.mark.parametrize(
    ("content", "place", "detail"),
    [
        # é of Latin-1 is no UTF-8, whose byte after 0xe9 has to be a continuation
        (b"images/a.png\nimages/\xe9.png\n", "list.txt: line 2", "invalid continuation byte at byte 20"),
        # UTF-16 with half a character at its end
        (b"\xff\xfei\0m\0a", "list.txt: line 1", "not UTF-16 text (truncated data at byte 6)"),
    ],
)
def test_a_list_that_cannot_be_read_says_why(tmp_path, content, place, detail):
    write(tmp_path / "data.yaml", "train: [images, list.txt]\n" + NAMES)
    write_pair(tmp_path, ".", "a", SQUARE)
    (tmp_path / "list.txt").write_bytes(content)
    _, findings = read_form(tmp_path, "yolo")
    assert found(findings) == {"label_file_syntax": [place]}
    said = findings.listed["label_file_syntax"][0].detail
    assert said.startswith("the list of pictures: ") and detail in said


def test_pictures_without_any_labels_are_one_line(tmp_path):
    write(tmp_path / "data.yaml", "train: images\n" + NAMES)
    write_picture(tmp_path / "images" / "a.png")
    with pytest.raises(DataError, match="none of 1 pictures has labels"):
        read_form(tmp_path, "yolo")


def test_pictures_in_another_folder(tmp_path):
    write(tmp_path / "labels" / "classes.txt", "cat")
    write(tmp_path / "labels" / "sub" / "a.txt", SQUARE)
    write_picture(tmp_path / "pictures" / "sub" / "a.png")
    words = (f"IMAGE_DIR={tmp_path / 'pictures'}", f"ANNO_PATH={tmp_path / 'labels'}")
    source, findings = read_form(tmp_path, "yolo", *words)
    assert source.records[0].boxes.tolist() == [[20, 15, 40, 30]]
    assert not findings.counts


def test_key_points_are_passed_over(tmp_path):
    write(tmp_path / "data.yaml", "train: images\nkpt_shape: [2, 2]\n" + NAMES)
    write_pair(tmp_path, ".", "a", "1 0.5 0.5 0.25 0.5 .1 .1 .2 .2")
    source, _ = read_form(tmp_path, "yolo")
    assert source.records[0].boxes.tolist() == [[30, 15, 50, 45]]
