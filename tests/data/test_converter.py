"""Conversion with real files and processes: what is stored, what is noticed, and what an interruption leaves."""
from __future__ import annotations

import contextlib
import fcntl
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.config import load_config
from src.data.converter import ensure_mindrecord
from src.data.masks import box_mask
from src.data.records import logger
from src.data.shards import ShardReader, load_labels, load_manifest, unpack_objects, verify_shards
from src.data.sources import read_source
from src.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
CLASSES = "coco_classes=[background,square,disc]"
CONVERT = "import sys; from src.config import load_config; from src.data.converter import ensure_mindrecord;" \
          "from src.errors import run_main; run_main(lambda: print(ensure_mindrecord(load_config(sys.argv[1:]))[0]))"


def config_of(root, folder, *words):
    """A conversion by itself: what it finds without the check before it, which is tested in test_checks.py."""
    return load_config([f"coco_root={root}", CLASSES, f"mindrecord_dir={folder}", "check_data=off", *words])


def process_of(*words):
    return subprocess.Popen([sys.executable, "-c", CONVERT, *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_rows_hold_pictures_as_they_are_and_objects(shared, tmp_path):
    config = load_config([f"coco_root={shared}/data/coco", f"mindrecord_dir={tmp_path}/m"])
    folder, manifest = ensure_mindrecord(config)
    records = [record for record in read_source(config).records if (~record.crowd).any()]
    assert manifest.pictures == len(records) == 89 and manifest.objects == 794 and manifest.has_masks and len(manifest.class_names) == 81
    reader = ShardReader(folder)
    for row, record in enumerate(records):
        objects, picture = reader.read(row)
        with open(record.path, "rb") as file:
            assert bytes(picture) == file.read()
        real = ~record.crowd
        assert np.array_equal(objects.boxes, record.boxes[real]) and np.array_equal(objects.labels, record.labels[real])
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
    held = sum(file.stat().st_size for file in [root / "annotations/instances_train2017.json", *(root / "train2017").iterdir()])
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 1.05 * held


def test_default_folder_follows_source_and_settings(coco_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = coco_folder()
    words = [f"coco_root={root}", CLASSES]
    first, manifest = ensure_mindrecord(load_config(words))
    assert str(first) == os.path.join("mindrecord", manifest.digest)
    stamp = (first / "manifest.json").stat().st_mtime_ns
    again, _ = ensure_mindrecord(load_config([*words, "img_width=640", "batch_size=1"]))      # not of the conversion's business
    assert again == first and (first / "manifest.json").stat().st_mtime_ns == stamp
    others = [ensure_mindrecord(load_config([*words, word]))[0] for word in ("max_instance_count=2", "keep_empty=True")]
    path = root / "annotations/instances_train2017.json"
    path.write_text(path.read_text() + "\n")
    others.append(ensure_mindrecord(load_config(words))[0])
    assert len({first, *others}) == 4
    # a picture that changes is converted anew
    Image.new("RGB", (128, 96), (9, 9, 9)).save(root / "train2017/000001.jpg")
    latest, _ = ensure_mindrecord(load_config(words))
    assert latest == others[-1] and bytes(ShardReader(latest).read(0)[1]) == (root / "train2017/000001.jpg").read_bytes()
    assert not [name for name in os.listdir("mindrecord") if name.endswith(".partial")]


def test_a_named_folder_with_other_data_is_refused(coco_folder, tmp_path):
    root, folder = coco_folder(), tmp_path / "m"
    ensure_mindrecord(config_of(root, folder))
    with pytest.raises(DataError, match=f"mindrecord_dir={folder}.*differs in max_instance_count; delete that folder"):
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
        for item in items[:3]:                                 # picture 10: crowds alone
            item["iscrowd"] = 1
        content["annotations"] = items = [item for item in items if item["image_id"] != 20]        # picture 20: nothing
        template = next(item for item in items if item["image_id"] == 30)
        for number in range(150):                              # picture 30: 153 objects
            items.append({**template, "id": 1000 + number, "bbox": [1, 1, 2 + number / 10, 3], "category_id": 3,
                          "segmentation": [[1, 1, 3 + number / 10, 1, 3 + number / 10, 4, 1, 4]]})
    root = coco_folder(change=change)
    _, manifest = ensure_mindrecord(config_of(root, tmp_path / "m"))
    said = capfd.readouterr().err
    assert manifest.pictures == 4 and manifest.objects == 128 + 9
    for part in ("pictures without objects left out: 2", "crowds left out: 3", "max_instance_count=128 left out (the smallest): 25"):
        assert part in said and said.count(part) == 1
    reader = ShardReader(tmp_path / "m")
    objects, _ = reader.read(0)
    areas = (objects.boxes[:, 2:] - objects.boxes[:, :2]).prod(1)
    assert reader.rows["image_id"].tolist() == [30, 40, 50, 60] and len(areas) == 128
    assert areas[3:].min() == pytest.approx(3 * (2 + 2.5)) and (np.diff(areas[3:]) > 0).all()      # the smallest went, order is kept
    _, manifest = ensure_mindrecord(config_of(root, tmp_path / "e", "keep_empty=True"))
    reader = ShardReader(tmp_path / "e")
    assert reader.rows["image_id"].tolist() == [10, 20, 30, 40, 50, 60] and reader.rows["objects"].tolist()[:2] == [0, 0]
    assert len(reader.read(1)[0].labels) == 0


def test_what_cannot_be_learned_from(coco_folder, tmp_path):
    for name, change in (("none", lambda content: content.update(annotations=[])), ("no", lambda content: content.pop("annotations"))):
        with pytest.raises(DataError, match="instances_train2017.json"):
            ensure_mindrecord(config_of(coco_folder(name=name, change=change), tmp_path / name / "m"))


@pytest.mark.parametrize("spoil, words", [
    (lambda path: path.unlink(), "No such file"), (lambda path: path.write_bytes(b"hello"), "not a picture"),
    (lambda path: path.write_bytes(b""), "not a picture"), (lambda path: path.write_bytes(path.read_bytes()[:-300]), "cannot be decoded"),
    (lambda path: Image.new("RGB", (50, 60)).save(path), "its annotations say 128x96")])
def test_a_bad_picture_is_named_with_its_id(coco_folder, tmp_path, spoil, words):
    root = coco_folder()
    spoil(root / "train2017/000004.jpg")
    with pytest.raises(DataError) as error:
        ensure_mindrecord(config_of(root, tmp_path / "m"))
    for part in (words, "train2017/000004.jpg", "image 40"):
        assert part in str(error.value)
    assert not (tmp_path / "m").exists() and not (tmp_path / "m.partial").exists() and "\n" not in str(error.value)


def large_data(coco_folder, copies=40):
    """A data set of 40 * copies pictures, which are links to 40 files: enough for a conversion to be caught in its middle."""
    def change(content):
        pictures, annotations = content["images"], content["annotations"]
        content["images"] = [{**picture, "id": picture["id"] + 1000 * copy} for copy in range(copies) for picture in pictures]
        content["annotations"] = [{**item, "id": item["id"] + 1000 * copy, "image_id": item["image_id"] + 1000 * copy}
                                  for copy in range(copies) for item in annotations]
    return coco_folder(pictures=40, change=change)


def whole_folder(folder):
    """Every file but MindSpore's index, and the rows' order."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".db"}, ShardReader(folder).rows["image_id"].tolist()


def kill_and_go_on(root, folder, expected, moment):
    """SIGKILL a conversion by two processes when about the fraction `moment` of its shards is there; start again; compare. How many were kept."""
    words = [f"coco_root={root}", CLASSES, f"mindrecord_dir={folder}", "check_data=off", "shard_mb=0.3", "num_parallel_workers=2"]
    partial = folder.with_name(folder.name + ".partial")
    shards = sum(name.endswith(".mindrecord") for name in expected[0])
    process, deadline = process_of(*words), time.time() + 120
    while process.poll() is None and len(list(partial.glob("*.done"))) < moment * shards:
        assert time.time() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not folder.exists(), "it was whole before it was killed"
    with contextlib.closing(_quiet_lock(folder)):               # which is free when the last of its processes is gone
        marks = {path: path.stat().st_mtime_ns for path in partial.glob("*.mindrecord.done")}
        kept = {path.stem: path.with_suffix("").stat().st_mtime_ns for path in marks}
    ensure_mindrecord(load_config([*words, "num_parallel_workers=1"]))
    assert whole_folder(folder) == expected and not partial.exists()
    assert all((folder / name).stat().st_mtime_ns == stamp for name, stamp in kept.items())
    return len(kept)


def _quiet_lock(folder):
    file = open(folder.with_name(folder.name + ".lock"), "w")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def undisturbed(root, folder):
    ensure_mindrecord(config_of(root, folder, "shard_mb=0.3", "num_parallel_workers=1"))
    return whole_folder(folder)


def test_a_killed_conversion_goes_on_to_the_same_bytes(coco_folder, tmp_path):
    root = large_data(coco_folder)
    expected = undisturbed(root, tmp_path / "whole")
    assert len(expected[1]) == 1600 and len(expected[0]) > 20
    kept = [kill_and_go_on(root, tmp_path / f"m{number}", expected, moment) for number, moment in enumerate((0.2, 0.6))]
    assert kept[0] >= 3 and kept[1] >= 8


@pytest.mark.slow
def test_killed_at_ten_random_moments(coco_folder, tmp_path):
    root = large_data(coco_folder)
    expected = undisturbed(root, tmp_path / "whole")
    for number, moment in enumerate(np.random.default_rng().uniform(0, 0.8, 10)):
        kill_and_go_on(root, tmp_path / f"m{number}", expected, moment)


def test_a_conversion_killed_again_and_again_ends_the_same(coco_folder, tmp_path):
    """The picture at its middle is a pipe that nobody writes to, so that the process stands there when it is killed."""
    root, folder = coco_folder(pictures=40), tmp_path / "m"
    picture = root / "train2017/000020.jpg"
    data = picture.read_bytes()
    words = [f"coco_root={root}", CLASSES, f"mindrecord_dir={folder}", "check_data=off", "shard_mb=0.05"]
    ensure_mindrecord(load_config([*words, f"mindrecord_dir={tmp_path}/n"]))
    picture.unlink()
    os.mkfifo(picture)
    for _ in range(2):
        process = process_of(*words, "num_parallel_workers=1")
        handle, deadline = None, time.time() + 60
        try:
            while handle is None:
                assert process.poll() is None and time.time() < deadline
                with contextlib.suppress(OSError):             # which is raised until the process has opened the pipe to read
                    handle = os.open(picture, os.O_WRONLY | os.O_NONBLOCK)
                time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        os.close(handle)
        assert not folder.exists() and len(list((tmp_path / "m.partial").glob("*.done"))) >= 2
    picture.unlink()
    picture.write_bytes(data)
    _, manifest = ensure_mindrecord(load_config(words))
    assert manifest.pictures == 40 and not (tmp_path / "m.partial").exists()
    assert whole_folder(folder) == whole_folder(tmp_path / "n")


def interrupted(root, folder, *words):
    """Leave the first shards of a conversion behind, by a picture that is not one; the picture is mended again."""
    picture = root / "train2017/000030.jpg"
    data = picture.read_bytes()
    picture.write_bytes(bytes(len(data)))
    with pytest.raises(DataError, match="000030.jpg of image 300"):
        ensure_mindrecord(config_of(root, folder, "shard_mb=0.05", "num_parallel_workers=1", *words))
    picture.write_bytes(data)
    partial = folder.with_name(folder.name + ".partial")
    assert len(list(partial.glob("*.done"))) >= 2
    return partial


def test_what_an_interrupted_conversion_left_is_kept_only_if_it_fits(coco_folder, tmp_path, caplog):
    root, folder = coco_folder(pictures=40), tmp_path / "m"
    words = ["shard_mb=0.05", "num_parallel_workers=1"]
    ensure_mindrecord(config_of(root, tmp_path / "n", *words))
    expected = whole_folder(tmp_path / "n")
    # a damaged shard is named and written again
    partial = interrupted(root, folder)
    shard = partial / "train-0001.mindrecord"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    ensure_mindrecord(config_of(root, folder, *words))
    assert f"shard {shard} of the interrupted conversion is damaged" in caplog.text and "going on with" in caplog.text
    assert whole_folder(folder) == expected
    # another setting, another annotation file: anew
    caplog.clear()
    partial = interrupted(root, tmp_path / "o", "max_instance_count=2")
    ensure_mindrecord(config_of(root, tmp_path / "o", *words))
    assert f"{partial} holds an interrupted conversion of other data or settings" in caplog.text and "going on" not in caplog.text
    assert whole_folder(tmp_path / "o") == expected
    partial = interrupted(root, tmp_path / "p")
    path = root / "annotations/instances_train2017.json"
    path.write_text(path.read_text().replace('"category_id": 3', '"category_id": 7'))
    caplog.clear()
    _, manifest = ensure_mindrecord(config_of(root, tmp_path / "p", *words))
    assert "starting anew" in caplog.text and set(load_labels(tmp_path / "p", manifest).tolist()) == {2}


def test_any_number_of_processes_gives_the_same_bytes(coco_folder, tmp_path):
    root = coco_folder(pictures=40)
    ensure_mindrecord(config_of(root, tmp_path / "one", "shard_mb=0.05", "num_parallel_workers=1"))
    ensure_mindrecord(config_of(root, tmp_path / "three", "shard_mb=0.05", "num_parallel_workers=3"))
    assert whole_folder(tmp_path / "one") == whole_folder(tmp_path / "three") and len(list((tmp_path / "one").iterdir())) > 10
    verify_shards(tmp_path / "one", load_manifest(tmp_path / "one"))
    labels = load_labels(tmp_path / "one", load_manifest(tmp_path / "one"))
    reader = ShardReader(tmp_path / "one")
    assert labels.tolist() == [label for row in range(40) for label in reader.read(row)[0].labels]


def test_a_picture_that_several_processes_cannot_store_is_named(coco_folder, tmp_path):
    root = coco_folder(pictures=40)
    (root / "train2017/000033.jpg").write_bytes(b"hello")
    with pytest.raises(DataError, match="000033.jpg of image 330: not a picture"):
        ensure_mindrecord(config_of(root, tmp_path / "m", "shard_mb=0.05", "num_parallel_workers=2"))
    assert not (tmp_path / "m").exists()


def test_a_disk_that_is_too_small_is_said_before_anything_is_written(coco_folder, tmp_path):
    """A file of 10 TB, nearly all of it a hole."""
    root = coco_folder()
    os.truncate(root / "train2017/000004.jpg", 10 ** 13)
    with pytest.raises(DataError, match=r"needs about 10200.0 GB, and its disk has .* GB left: free some, or set mindrecord_dir"):
        ensure_mindrecord(config_of(root, tmp_path / "m"))
    assert not (tmp_path / "m").exists() and not (tmp_path / "m.partial").exists()


def test_two_processes_at_once_convert_once(coco_folder, tmp_path):
    words = [f"coco_root={coco_folder(pictures=30)}", CLASSES, f"mindrecord_dir={tmp_path}/m"]
    processes = [process_of(*words) for _ in range(2)]
    ends = [process.communicate(timeout=120) for process in processes]
    assert [out.strip() for out, _ in ends] == [f"{tmp_path}/m"] * 2
    assert sum("converted 30 pictures" in err for _, err in ends) == 1


def test_an_error_is_one_line_and_exit_code_2(coco_folder, tmp_path):
    root = coco_folder()
    (root / "train2017/000002.jpg").unlink()
    process = process_of(f"coco_root={root}", CLASSES, f"mindrecord_dir={tmp_path}/m")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1 or process.returncode == 2
    assert process.returncode == 2 and "000002.jpg" in err and "Traceback" not in err


def test_a_txt_file_with_exotic_pictures_converts(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    exif = Image.Exif()
    exif[274] = 6
    pictures = {"grey.jpg": ("L", {}), "cmyk.jpg": ("CMYK", {}), "alpha.png": ("RGBA", {}), "palette.png": ("P", {}),
                "turned.jpg": ("RGB", {"exif": exif})}
    for name, (mode, options) in pictures.items():
        Image.new("RGB", (60, 40), (200, 30, 60)).convert(mode).save(folder / name, **options)
    rows = [f"{name} 1,2,30,35,1;1,2,30,2,30,35,1,35" for name in pictures]
    (tmp_path / "rows.txt").write_text("\n".join(rows))
    config = load_config(["dataset=other", f"IMAGE_DIR={folder}", f"ANNO_PATH={tmp_path}/rows.txt", CLASSES,
                          f"mindrecord_dir={tmp_path}/m"])
    _, manifest = ensure_mindrecord(config)
    reader = ShardReader(tmp_path / "m")
    assert manifest.pictures == 5 and manifest.has_masks and reader.rows["image_id"].tolist() == [1, 2, 3, 4, 5]
    assert reader.rows["height"].tolist() == [40, 40, 40, 40, 60]
    assert bytes(reader.read(2)[1]) == (folder / "alpha.png").read_bytes()


def test_a_picture_kept_in_memory_is_checked_without_decoding():
    """The header check must stay cheap: conversion handles 800 pictures a second."""
    from src.data.transforms import check_header
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)).save(buffer, "JPEG")
    start = time.process_time()
    for _ in range(50):
        check_header(buffer.getvalue(), "x", (480, 640))
    assert (time.process_time() - start) / 50 < 0.001
    assert logger.name == "maskrcnn.data"
