"""What a conversion stores, and when it is made anew.

What it refuses: test_refused_conversions.py. Its processes and interruptions: test_shard_writer.py.
"""

from __future__ import annotations

import io
import os
import time

import numpy as np
import pytest
from PIL import Image

from src.config import load_config
from src.data.images.box_masks import box_mask
from src.data.images.decode import check_header
from src.data.mindrecord.row_format import unpack_objects
from src.data.mindrecord.shard_reader import ShardReader
from src.dataset import ensure_mindrecord, read_source
from tests.data.mindrecord.converting import CLASSES, config_of


def test_rows_hold_the_picture_files_and_their_objects(shared, tmp_path):
    config = load_config([f"coco_root={shared}/data/coco", f"mindrecord_dir={tmp_path}/m"])
    folder, manifest = ensure_mindrecord(config)
    records = [record for record in read_source(config).records if (~record.crowd).any()]
    assert manifest.pictures == len(records) == 89
    assert manifest.objects == 794
    assert manifest.has_masks
    assert len(manifest.class_names) == 81
    reader = ShardReader(folder)
    for row, record in enumerate(records):
        objects, picture = reader.read(row)
        with open(record.path, "rb") as file:
            assert bytes(picture) == file.read()
        kept = np.flatnonzero(~record.crowd)
        assert np.array_equal(objects.boxes, record.boxes[kept].astype(np.float32))
        assert np.array_equal(objects.labels, record.labels[kept])
        assert (objects.name, objects.height, objects.width) == (record.path, record.height, record.width)
        assert reader.rows[row]["image_id"] == record.image_id
        assert reader.rows[row]["objects"] == len(kept)
        for stored, index in zip(objects.segmentations, kept):
            assert all(
                np.array_equal(a, b.astype(np.float32)) for a, b in zip(stored, record.segmentations[index])
            )


def test_mindspore_reads_the_same_rows(coco_folder, tmp_path):
    from mindspore.mindrecord import FileReader

    folder, manifest = ensure_mindrecord(config_of(coco_folder(pictures=40), tmp_path / "m"))
    files = FileReader([str(folder / shard["file"]) for shard in manifest.shards])
    reader = ShardReader(folder)
    count = 0
    for number, row in enumerate(files.get_next()):
        count += 1
        objects, picture = reader.read(number)
        assert row["image_id"] == 10 * (number + 1)
        assert row["picture"] == bytes(picture)
        assert np.array_equal(unpack_objects(row["annotation"]).boxes, objects.boxes)
    files.close()
    assert count == manifest.pictures == 40


def test_an_rle_is_stored_cropped_to_its_box(shared, tmp_path):
    words = [f"coco_root={shared}/data/nuclei", "train_data_type=train2018", "coco_classes=auto"]
    config = load_config([*words, f"mindrecord_dir={tmp_path}/m", "max_instance_count=512"])
    folder, manifest = ensure_mindrecord(config)
    assert manifest.class_names == ("background", "nucleus")
    assert manifest.objects == 1654
    record = read_source(config).records[0]
    objects = ShardReader(folder).read(0).objects
    for stored, whole, box in zip(objects.segmentations, record.segmentations, record.boxes):
        assert np.prod(stored["size"]) < 360 * 360 / 4
        assert np.array_equal(box_mask(stored, box, 360, 360, 112), box_mask(whole, box, 360, 360, 112))


def test_shards_are_hardly_larger_than_what_they_hold(shared, tmp_path):
    """At most 1.05 times pictures and annotations, even of 15 MB."""
    root = shared / "data/coco"
    folder, _ = ensure_mindrecord(load_config([f"coco_root={root}", f"mindrecord_dir={tmp_path}/m"]))
    held = sum(
        file.stat().st_size
        for file in [root / "annotations/instances_train2017.json", *(root / "train2017").iterdir()]
    )
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 1.05 * held


def test_default_folder_follows_source_and_settings(coco_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = coco_folder()
    words = [f"coco_root={root}", CLASSES]
    first, manifest = ensure_mindrecord(load_config(words))
    assert str(first) == os.path.join("mindrecord", manifest.digest)
    modified = (first / "manifest.json").stat().st_mtime_ns
    # settings that do not change the rows
    again, _ = ensure_mindrecord(load_config([*words, "img_width=640", "batch_size=1"]))
    assert again == first
    assert (first / "manifest.json").stat().st_mtime_ns == modified
    others = [
        ensure_mindrecord(load_config([*words, word])).folder
        for word in ("max_instance_count=2", "keep_empty=True")
    ]
    path = root / "annotations/instances_train2017.json"
    path.write_text(path.read_text() + "\n")
    others.append(ensure_mindrecord(load_config(words)).folder)
    assert len({first, *others}) == 4
    # a picture that changes is converted anew
    Image.new("RGB", (128, 96), (9, 9, 9)).save(root / "train2017/000001.jpg")
    latest, _ = ensure_mindrecord(load_config(words))
    assert latest == others[-1]
    assert bytes(ShardReader(latest).read(0).picture) == (root / "train2017/000001.jpg").read_bytes()
    assert not [name for name in os.listdir("mindrecord") if name.endswith(".partial")]


def test_class_names_that_auto_finds_are_those_that_are_written(coco_folder, tmp_path):
    root = coco_folder()
    _, auto = ensure_mindrecord(config_of(root, tmp_path / "m", "coco_classes=auto"))
    _, written = ensure_mindrecord(config_of(root, tmp_path / "m"))
    assert written == auto
    assert written.class_names == ("background", "square", "disc")


def test_files_of_an_old_conversion_are_replaced(coco_folder, tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "train.mindrecord0").write_bytes(b"half")
    _, manifest = ensure_mindrecord(config_of(coco_folder(), folder))
    assert manifest.pictures == 6
    assert not (folder / "train.mindrecord0").exists()


def test_crowds_empty_pictures_and_surplus_objects_are_left_out(coco_folder, tmp_path, capfd):
    def change(content):
        items = content["annotations"]
        # picture 10: only crowds
        for item in items[:3]:
            item["iscrowd"] = 1
        # picture 20: nothing
        items = [item for item in items if item["image_id"] != 20]
        content["annotations"] = items
        # picture 30: 153 objects
        template = next(item for item in items if item["image_id"] == 30)
        for number in range(150):
            items.append(
                {
                    **template,
                    "id": 1000 + number,
                    "bbox": [1, 1, 2 + number / 10, 3],
                    "category_id": 3,
                    "segmentation": [[1, 1, 3 + number / 10, 1, 3 + number / 10, 4, 1, 4]],
                }
            )

    root = coco_folder(change=change)
    _, manifest = ensure_mindrecord(config_of(root, tmp_path / "m"))
    message = capfd.readouterr().err
    assert manifest.pictures == 4
    assert manifest.objects == 128 + 9
    for part in (
        "pictures without objects left out: 2",
        "crowds left out: 3",
        "max_instance_count=128 left out (the smallest): 25",
    ):
        assert message.count(part) == 1
    reader = ShardReader(tmp_path / "m")
    boxes = reader.read(0).objects.boxes
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    assert reader.rows["image_id"].tolist() == [30, 40, 50, 60]
    assert len(areas) == 128
    # the smallest are left out, and the others keep their order
    assert areas[3:].min() == pytest.approx(3 * (2 + 2.5))
    assert (np.diff(areas[3:]) > 0).all()
    _, manifest = ensure_mindrecord(config_of(root, tmp_path / "e", "keep_empty=True"))
    reader = ShardReader(tmp_path / "e")
    assert reader.rows["image_id"].tolist() == [10, 20, 30, 40, 50, 60]
    assert reader.rows["objects"].tolist()[:2] == [0, 0]
    assert len(reader.read(1).objects.labels) == 0


def test_a_txt_file_with_pictures_of_all_modes_converts(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    exif = Image.Exif()
    # the tag Orientation: to be rotated by a quarter
    exif[274] = 6
    pictures = {
        "grey.jpg": ("L", {}),
        "cmyk.jpg": ("CMYK", {}),
        "alpha.png": ("RGBA", {}),
        "palette.png": ("P", {}),
        "rotated.jpg": ("RGB", {"exif": exif}),
    }
    for name, (mode, options) in pictures.items():
        Image.new("RGB", (60, 40), (200, 30, 60)).convert(mode).save(folder / name, **options)
    rows = [f"{name} 1,2,30,35,1;1,2,30,2,30,35,1,35" for name in pictures]
    (tmp_path / "rows.txt").write_text("\n".join(rows))
    config = load_config(
        [
            "dataset=other",
            f"IMAGE_DIR={folder}",
            f"ANNO_PATH={tmp_path}/rows.txt",
            CLASSES,
            f"mindrecord_dir={tmp_path}/m",
        ]
    )
    _, manifest = ensure_mindrecord(config)
    reader = ShardReader(tmp_path / "m")
    assert manifest.pictures == 5
    assert manifest.has_masks
    assert reader.rows["image_id"].tolist() == [1, 2, 3, 4, 5]
    assert reader.rows["height"].tolist() == [40, 40, 40, 40, 60]
    assert bytes(reader.read(2).picture) == (folder / "alpha.png").read_bytes()


def test_a_picture_kept_in_memory_is_checked_without_decoding():
    """The header check must stay cheap: conversion handles 800 pictures a second."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)).save(
        buffer, "JPEG"
    )
    start = time.process_time()
    for _ in range(50):
        check_header(buffer.getvalue(), "x", (480, 640))
    assert (time.process_time() - start) / 50 < 0.001
