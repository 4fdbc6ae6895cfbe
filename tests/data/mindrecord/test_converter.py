"""What a conversion stores, notices and refuses. Its processes and interruptions: test_shard_writer.py."""

from __future__ import annotations

import io
import os
import time

import numpy as np
import pytest
from PIL import Image

from src.config import load_config
from src.data.annotations.sources import read_source
from src.data.images.box_masks import box_mask
from src.data.images.decode import check_header
from src.data.mindrecord.converter import ensure_mindrecord
from src.data.mindrecord.row_format import unpack_objects
from src.data.mindrecord.shard_reader import ShardReader
from src.errors import DataError
from tests.data.mindrecord.converting import CLASSES, config_of, process_of


def test_rows_hold_pictures_as_they_are_and_objects(shared, tmp_path):
    config = load_config([f"coco_root={shared}/data/coco", f"mindrecord_dir={tmp_path}/m"])
    folder, manifest = ensure_mindrecord(config)
    records = [record for record in read_source(config).records if (~record.crowd).any()]
    assert (
        manifest.pictures == len(records) == 89
        and manifest.objects == 794
        and manifest.has_masks
        and len(manifest.class_names) == 81
    )
    reader = ShardReader(folder)
    for row, record in enumerate(records):
        objects, picture = reader.read(row)
        with open(record.path, "rb") as file:
            assert bytes(picture) == file.read()
        real = ~record.crowd
        assert np.array_equal(objects.boxes, record.boxes[real]) and np.array_equal(
            objects.labels, record.labels[real]
        )
        assert (objects.name, objects.height, objects.width) == (record.path, record.height, record.width)
        assert reader.rows[row]["image_id"] == record.image_id and reader.rows[row]["objects"] == real.sum()
        for mine, index in zip(objects.segmentations, np.flatnonzero(real)):
            assert all(np.array_equal(a, b) for a, b in zip(mine, record.segmentations[index]))


def test_mindspore_reads_the_same_rows(coco_folder, tmp_path):
    from mindspore.mindrecord import FileReader

    folder, manifest = ensure_mindrecord(config_of(coco_folder(pictures=40), tmp_path / "m"))
    files = FileReader([str(folder / shard["file"]) for shard in manifest.shards])
    reader = ShardReader(folder)
    seen = 0
    for number, row in enumerate(files.get_next()):
        seen += 1
        objects, picture = reader.read(number)
        assert row["image_id"] == 10 * (number + 1) and row["picture"] == bytes(picture)
        assert np.array_equal(unpack_objects(row["annotation"]).boxes, objects.boxes)
    files.close()
    assert seen == manifest.pictures == 40


def test_rle_is_stored_by_its_crop(shared, tmp_path):
    words = [f"coco_root={shared}/data/nuclei", "train_data_type=train2018", "coco_classes=auto"]
    config = load_config([*words, f"mindrecord_dir={tmp_path}/m", "max_instance_count=512"])
    folder, manifest = ensure_mindrecord(config)
    assert manifest.class_names == ("background", "nucleus") and manifest.objects == 1654
    record = read_source(config).records[0]
    objects, _ = ShardReader(folder).read(0)
    for mine, whole, box in zip(objects.segmentations, record.segmentations, record.boxes):
        assert np.prod(mine["size"]) < 360 * 360 / 4
        assert np.array_equal(box_mask(mine, box, 360, 360, 112), box_mask(whole, box, 360, 360, 112))


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
    stamp = (first / "manifest.json").stat().st_mtime_ns
    again, _ = ensure_mindrecord(
        load_config([*words, "img_width=640", "batch_size=1"])
    )  # not of the conversion's business
    assert again == first and (first / "manifest.json").stat().st_mtime_ns == stamp
    others = [
        ensure_mindrecord(load_config([*words, word]))[0]
        for word in ("max_instance_count=2", "keep_empty=True")
    ]
    path = root / "annotations/instances_train2017.json"
    path.write_text(path.read_text() + "\n")
    others.append(ensure_mindrecord(load_config(words))[0])
    assert len({first, *others}) == 4
    # a picture that changes is converted anew
    Image.new("RGB", (128, 96), (9, 9, 9)).save(root / "train2017/000001.jpg")
    latest, _ = ensure_mindrecord(load_config(words))
    assert (
        latest == others[-1]
        and bytes(ShardReader(latest).read(0)[1]) == (root / "train2017/000001.jpg").read_bytes()
    )
    assert not [name for name in os.listdir("mindrecord") if name.endswith(".partial")]


def test_a_named_folder_with_other_data_is_refused(coco_folder, tmp_path):
    root, folder = coco_folder(), tmp_path / "m"
    ensure_mindrecord(config_of(root, folder))
    with pytest.raises(
        DataError, match=f"mindrecord_dir={folder}.*differs in max_instance_count; delete that folder"
    ):
        ensure_mindrecord(config_of(root, folder, "max_instance_count=5"))
    with pytest.raises(DataError, match="differs in coco_classes"):
        ensure_mindrecord(config_of(root, folder, "coco_classes=[background,disc,square]"))
    with pytest.raises(DataError, match="differs in the annotation file's content"):
        ensure_mindrecord(config_of(coco_folder(pictures=5, name="other"), folder))
    (root / "train2017/new.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match="differs in the picture files"):
        ensure_mindrecord(config_of(root, folder))
    # shards are enough: the pictures may go
    os.rename(root / "train2017", root / "gone")
    assert ensure_mindrecord(config_of(root, folder))[1].pictures == 6
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match="thesis.txt"):
        ensure_mindrecord(config_of(root, strange))
    assert (strange / "thesis.txt").read_text() == "mine"
    with pytest.raises(DataError, match="cannot write"):
        ensure_mindrecord(config_of(root, "/dev/null/m"))


def test_auto_and_written_class_names_meet(coco_folder, tmp_path):
    root = coco_folder()
    _, auto = ensure_mindrecord(config_of(root, tmp_path / "m", "coco_classes=auto"))
    _, written = ensure_mindrecord(config_of(root, tmp_path / "m"))
    assert written == auto and written.class_names == ("background", "square", "disc")


def test_leftovers_of_an_old_conversion_are_replaced(coco_folder, tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "train.mindrecord0").write_bytes(b"half")
    _, manifest = ensure_mindrecord(config_of(coco_folder(), folder))
    assert manifest.pictures == 6 and not (folder / "train.mindrecord0").exists()


def test_empty_crowds_and_surplus(coco_folder, tmp_path, capfd):
    def change(content):
        items = content["annotations"]
        for item in items[:3]:  # picture 10: crowds alone
            item["iscrowd"] = 1
        content["annotations"] = items = [
            item for item in items if item["image_id"] != 20
        ]  # picture 20: nothing
        template = next(item for item in items if item["image_id"] == 30)
        for number in range(150):  # picture 30: 153 objects
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
    said = capfd.readouterr().err
    assert manifest.pictures == 4 and manifest.objects == 128 + 9
    for part in (
        "pictures without objects left out: 2",
        "crowds left out: 3",
        "max_instance_count=128 left out (the smallest): 25",
    ):
        assert part in said and said.count(part) == 1
    reader = ShardReader(tmp_path / "m")
    objects, _ = reader.read(0)
    areas = (objects.boxes[:, 2:] - objects.boxes[:, :2]).prod(1)
    assert reader.rows["image_id"].tolist() == [30, 40, 50, 60] and len(areas) == 128
    assert (
        areas[3:].min() == pytest.approx(3 * (2 + 2.5)) and (np.diff(areas[3:]) > 0).all()
    )  # the smallest went, order is kept
    _, manifest = ensure_mindrecord(config_of(root, tmp_path / "e", "keep_empty=True"))
    reader = ShardReader(tmp_path / "e")
    assert reader.rows["image_id"].tolist() == [10, 20, 30, 40, 50, 60] and reader.rows["objects"].tolist()[
        :2
    ] == [0, 0]
    assert len(reader.read(1)[0].labels) == 0


def test_what_cannot_be_learned_from(coco_folder, tmp_path):
    for name, change in (
        ("none", lambda content: content.update(annotations=[])),
        ("no", lambda content: content.pop("annotations")),
    ):
        with pytest.raises(DataError, match="instances_train2017.json"):
            ensure_mindrecord(config_of(coco_folder(name=name, change=change), tmp_path / name / "m"))


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_bytes(b"hello"), "not a picture"),
        (lambda path: path.write_bytes(b""), "not a picture"),
        (lambda path: path.write_bytes(path.read_bytes()[:-300]), "cannot be decoded"),
        (lambda path: Image.new("RGB", (50, 60)).save(path), "its annotations say 128x96"),
    ],
)
def test_a_bad_picture_is_named_with_its_id(coco_folder, tmp_path, spoil, words):
    root = coco_folder()
    spoil(root / "train2017/000004.jpg")
    with pytest.raises(DataError) as error:
        ensure_mindrecord(config_of(root, tmp_path / "m"))
    for part in (words, "train2017/000004.jpg", "image 40"):
        assert part in str(error.value)
    assert (
        not (tmp_path / "m").exists()
        and not (tmp_path / "m.partial").exists()
        and "\n" not in str(error.value)
    )


def test_a_disk_that_is_too_small_is_said_before_anything_is_written(coco_folder, tmp_path):
    """A file of 10 TB, nearly all of it a hole."""
    root = coco_folder()
    os.truncate(root / "train2017/000004.jpg", 10**13)
    with pytest.raises(
        DataError,
        match=r"needs about 10200.0 GB, and its disk has .* GB left: free some, or set mindrecord_dir",
    ):
        ensure_mindrecord(config_of(root, tmp_path / "m"))
    assert not (tmp_path / "m").exists() and not (tmp_path / "m.partial").exists()


def test_an_error_is_one_line_and_exit_code_2(coco_folder, tmp_path):
    root = coco_folder()
    (root / "train2017/000002.jpg").unlink()
    process = process_of(f"coco_root={root}", CLASSES, f"mindrecord_dir={tmp_path}/m")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2 and "000002.jpg" in err and "Traceback" not in err


def test_a_txt_file_with_exotic_pictures_converts(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    exif = Image.Exif()
    exif[274] = 6
    pictures = {
        "grey.jpg": ("L", {}),
        "cmyk.jpg": ("CMYK", {}),
        "alpha.png": ("RGBA", {}),
        "palette.png": ("P", {}),
        "turned.jpg": ("RGB", {"exif": exif}),
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
    assert (
        manifest.pictures == 5 and manifest.has_masks and reader.rows["image_id"].tolist() == [1, 2, 3, 4, 5]
    )
    assert reader.rows["height"].tolist() == [40, 40, 40, 40, 60]
    assert bytes(reader.read(2)[1]) == (folder / "alpha.png").read_bytes()


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
