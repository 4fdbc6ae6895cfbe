"""convert_data.py as users run it: layouts, splits, joined sources, wrong words."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from PIL import Image

from tests.data.forms.writers.scenes import draw_scenes
from tests.engine.labels.conversions import convert, error_of, files_in
from tests.small_job import run


def coco(path):
    return json.loads(path.read_text(encoding="utf-8"))


NAMES = [f"{number:03d} é" for number in (1, 2, 3)]
LAYOUTS = {
    "coco": ["annotations/instances_train.json", *(f"train/{name}.png" for name in NAMES)],
    "labelme": [f"train/{name}.{suffix}" for name in NAMES for suffix in ("json", "png")],
    "yolo": [
        "data.yaml",
        *(f"images/train/{name}.png" for name in NAMES),
        *(f"labels/train/{name}.txt" for name in NAMES),
    ],
    "txt": ["classes.txt", "train.txt", *(f"train/{name}.png" for name in NAMES)],
}


@pytest.mark.parametrize("target", sorted(LAYOUTS))
def test_layouts(target, tmp_path):
    draw_scenes(tmp_path / "drawn", 1)
    out, _ = convert(tmp_path, "drawn", "out", "--to", target)
    assert files_in(tmp_path / "out") == sorted(LAYOUTS[target])
    assert out[0] == "drawn: COCO JSON (annotations/instances_train.json)"
    assert "wrote out" in out and not (tmp_path / "out.partial").exists()
    picture = next((tmp_path / "out").rglob("001*.png"))
    assert picture.samefile(tmp_path / "drawn" / "train" / "001 é.png")  # a hard link


@pytest.mark.parametrize("pictures", ["copy", "none"])
def test_pictures_are_copied_or_left(pictures, tmp_path):
    draw_scenes(tmp_path / "drawn", 1)
    convert(tmp_path, "drawn", "out", "--to", "labelme", "--pictures", pictures)
    found = list((tmp_path / "out").rglob("*.png"))
    original = tmp_path / "drawn" / "train" / "001 é.png"
    content = coco(tmp_path / "out" / "train" / "001 é.json")
    opened = tmp_path / "out" / "train" / content["imagePath"]
    assert opened.read_bytes() == original.read_bytes()
    if pictures == "copy":
        assert len(found) == 3 and not opened.samefile(original)
    else:
        assert not found and opened.samefile(original)


def test_a_split_is_ready_for_training(tmp_path):
    draw_scenes(tmp_path / "drawn", 3, pictures=20)
    out, _ = convert(tmp_path, "drawn", "out", "--to", "coco", "--split", ".8/.2", "--seed", "1")
    assert any(line.startswith("train: 16 pictures (80.0%)") for line in out)
    names = {split: set(os.listdir(tmp_path / "out" / split)) for split in ("train", "val")}
    assert len(names["train"]) == 16 and len(names["val"]) == 4 and not names["train"] & names["val"]
    for split, pictures in names.items():
        content = coco(tmp_path / "out" / "annotations" / f"instances_{split}.json")
        assert {image["file_name"] for image in content["images"]} == pictures
        assert {one["image_id"] for one in content["annotations"]} <= {one["id"] for one in content["images"]}
    words = [
        "coco_root=out",
        "train_data_type=train",
        "val_data_type=val",
        "coco_classes=auto",
        "keep_empty=True",
    ]
    for split in ("train", "val"):
        run("check_data.py", tmp_path, *words, "--split", split)
    again, _ = convert(tmp_path, "drawn", "again", "--to", "coco", "--split", ".8/.2", "--seed", "1")
    assert set(os.listdir(tmp_path / "again" / "val")) == names["val"]


def test_near_duplicates_stay_together(tmp_path):
    """Of ten pictures each has a copy of lower quality."""
    draw_scenes(tmp_path / "drawn", 4, pictures=10, kinds=("polygon",))
    path = tmp_path / "drawn" / "annotations" / "instances_train.json"
    content = coco(path)
    folder = tmp_path / "drawn" / "train"
    for image in list(content["images"]):
        copy = {**image, "id": image["id"] + 1000, "file_name": image["file_name"].replace(".png", "_b.jpg")}
        Image.open(folder / image["file_name"]).convert("RGB").save(folder / copy["file_name"], quality=70)
        content["images"].append(copy)
    path.write_text(json.dumps(content))
    out, _ = convert(tmp_path, "drawn", "out", "--to", "yolo", "--split", "50/30/20")
    assert (
        "near-duplicates: 10 groups with 20 pictures, the largest of 2; each group stays in one split" in out
    )
    for split, count in (("train", 10), ("val", 6), ("test", 4)):
        names = {name.split(".")[0] for name in os.listdir(tmp_path / "out" / "images" / split)}
        assert len(names) == count and {f"{name}_b" for name in names if "_b" not in name} <= names
    out, _ = convert(tmp_path, "drawn", "apart", "--to", "yolo", "--split", ".5/.5", "--hash-distance", "-1")
    assert not any(line.startswith("near-duplicates") for line in out)


def test_two_sources_become_one(tmp_path):
    """Equal names and ids in both; a class renamed, two joined, one left out."""
    first = draw_scenes(tmp_path / "a", 10, kinds=("polygon",))
    second = draw_scenes(tmp_path / "b", 11, kinds=("polygon", "rle"))
    out, _ = convert(
        tmp_path, "a", "b", "both", "--to", "coco", "--classes", "cat=kitty,Zebra=kitty,dog/wolf="
    )
    content = coco(tmp_path / "both" / "annotations" / "instances_train.json")
    assert [one["name"] for one in content["categories"]] == ["kitty", "naïve é"]
    names = [image["file_name"] for image in content["images"]]
    assert names[:3] == [f"{name}.png" for name in NAMES] and names[3:] == [f"{name}_2.png" for name in NAMES]
    for key in ("images", "annotations"):
        ids = [one["id"] for one in content[key]]
        assert len(set(ids)) == len(ids)
    for folder, name in (("a", "003 é.png"), ("b", "003 é_2.png")):
        assert (tmp_path / "both" / "train" / name).samefile(tmp_path / folder / "train" / "003 é.png")
    old = [one["category_id"] for one in first["annotations"] + second["annotations"]]
    assert len(content["annotations"]) == sum(number != 21 for number in old)
    assert any(line.startswith("joined: 6 pictures of 2 sources, 2 classes: kitty, naïve é") for line in out)
    left_out = sum(number == 21 for number in old)
    assert f"{left_out} objects of the class dog/wolf are left out, as --classes says" in out
    assert "3 pictures have another name: two had the same one, or the form cannot hold it" in out


def test_a_class_map_in_a_file(tmp_path):
    draw_scenes(tmp_path / "drawn", 2)
    (tmp_path / "map.yaml").write_text("cat: 'a, b'\nZebra:\n", encoding="utf-8")
    convert(tmp_path, "drawn", "out", "--to", "txt", "--classes", "map.yaml")
    lines = (tmp_path / "out" / "classes.txt").read_text(encoding="utf-8").splitlines()
    assert lines == ["a, b", "naïve é", "dog/wolf"]


def test_splits_of_a_source_stay(tmp_path):
    draw_scenes(tmp_path / "drawn", 1, split="train")
    draw_scenes(tmp_path / "drawn", 2, split="val")
    convert(tmp_path, "drawn", "out", "--to", "labelme")
    assert {path.parent.name for path in (tmp_path / "out").rglob("*.json")} == {"train", "val"}
    convert(tmp_path, "out", "val alone", "--to", "txt", "--split-name", "val")
    assert files_in(tmp_path / "val alone")[:2] == ["classes.txt", "val.txt"]


def test_pictures_within_label_files_become_files(tmp_path):
    import base64

    draw_scenes(tmp_path / "drawn", 1)
    convert(tmp_path, "drawn", "labels", "--to", "labelme")
    shutil.rmtree(tmp_path / "drawn")
    for path in (tmp_path / "labels" / "train").glob("*.png"):
        label_file = path.with_suffix(".json")
        content = coco(label_file)
        content["imageData"] = base64.b64encode(path.read_bytes()).decode()
        label_file.write_text(json.dumps(content), encoding="utf-8")
        path.unlink()
    convert(tmp_path, "labels", "out", "--to", "coco")
    assert files_in(tmp_path / "out") == sorted(LAYOUTS["coco"])


def test_wrong_words_are_one_line(tmp_path):
    draw_scenes(tmp_path / "drawn", 1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept.txt").write_text("kept")
    (tmp_path / "file").write_text("")
    to = ("--to", "coco")
    assert "full: is not empty" in error_of(tmp_path, "drawn", "full", *to)
    assert "file: is a file" in error_of(tmp_path, "drawn", "file", *to)
    assert "drawn is in it" in error_of(tmp_path, "drawn", "drawn", *to, "--overwrite")
    assert "no class is called 'cta'" in error_of(tmp_path, "drawn", "out", *to, "--classes", "cta=dog")
    assert "'cat' is not OLD=NEW" in error_of(tmp_path, "drawn", "out", *to, "--classes", "cat")
    assert "the sum 1" in error_of(tmp_path, "drawn", "out", *to, "--split", ".8/.3")
    assert "--split-name ,x: names expected" in error_of(tmp_path, "drawn", "out", *to, "--split-name", ",x")
    assert "from 0 expected" in error_of(tmp_path, "drawn", "out", *to, "--split", ".8/.2", "--seed=-1")
    assert "too long" in error_of(tmp_path, "drawn", "o" * 300, *to)
    assert "no split nowhere" in error_of(tmp_path, "drawn", "out", *to, "--split-name", "nowhere")
    assert "missing" in error_of(tmp_path, "missing", "out", *to)
    assert "--images" in error_of(tmp_path, "drawn", "drawn", "out", *to, "--images", "drawn")
    assert "--pictures none" in error_of(tmp_path, "drawn", "out", "--to", "yolo", "--pictures", "none")
    (tmp_path / "drawn" / "train" / "001 é.png").unlink()
    assert "001 é.png: No such file" in error_of(tmp_path, "drawn", "out", *to)
    assert sorted(os.listdir(tmp_path)) == ["drawn", "file", "full"]
    out, lines = convert(tmp_path, "drawn", "out", *to, "--bad-pictures", "skip")
    assert len(os.listdir(tmp_path / "out" / "train")) == 2 and "1 pictures are missing" in "".join(lines)
    convert(tmp_path, "drawn", "full", *to, "--overwrite", "--pictures", "none")
    assert files_in(tmp_path / "full") == ["annotations/instances_train.json"]
