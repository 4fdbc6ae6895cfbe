"""Conversion by several processes, killed, interrupted and gone on with: the same rows, in the same order, in
the same bytes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time

import numpy as np
import pytest

from src.config import load_config
from src.data.mindrecord.converter import ensure_mindrecord
from src.data.mindrecord.manifest import load_labels, load_manifest, verify_shards
from src.data.mindrecord.shard_reader import ShardReader
from src.errors import DataError
from tests.data.mindrecord.converting import CLASSES, config_of, process_of


def large_data(coco_folder, copies=40):
    """A data set of 40 * copies pictures, which are links to 40 files: enough for a conversion to be caught
    in its middle.
    """

    def change(content):
        pictures, annotations = content["images"], content["annotations"]
        content["images"] = [
            {**picture, "id": picture["id"] + 1000 * copy} for copy in range(copies) for picture in pictures
        ]
        content["annotations"] = [
            {**item, "id": item["id"] + 1000 * copy, "image_id": item["image_id"] + 1000 * copy}
            for copy in range(copies)
            for item in annotations
        ]

    return coco_folder(pictures=40, change=change)


def whole_folder(folder):
    """Every file but MindSpore's index, and the rows' order."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".db"}, ShardReader(
        folder
    ).rows["image_id"].tolist()


def kill_and_go_on(root, folder, expected, moment):
    """SIGKILL a conversion by two processes when about the fraction `moment` of its shards is there.

    Start again; compare. How many were kept.
    """
    words = [
        f"coco_root={root}",
        CLASSES,
        f"mindrecord_dir={folder}",
        "check_data=off",
        "shard_mb=0.3",
        "num_parallel_workers=2",
    ]
    partial = folder.with_name(folder.name + ".partial")
    shards = sum(name.endswith(".mindrecord") for name in expected[0])
    process, deadline = process_of(*words), time.time() + 120
    while process.poll() is None and len(list(partial.glob("*.done"))) < moment * shards:
        assert time.time() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not folder.exists(), "it was whole before it was killed"
    with contextlib.closing(_quiet_lock(folder)):  # which is free when the last of its processes is gone
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
    kept = [
        kill_and_go_on(root, tmp_path / f"m{number}", expected, moment)
        for number, moment in enumerate((0.2, 0.6))
    ]
    assert kept[0] >= 3 and kept[1] >= 8


@pytest.mark.slow
def test_killed_at_ten_random_moments(coco_folder, tmp_path):
    root = large_data(coco_folder)
    expected = undisturbed(root, tmp_path / "whole")
    for number, moment in enumerate(np.random.default_rng().uniform(0, 0.8, 10)):
        kill_and_go_on(root, tmp_path / f"m{number}", expected, moment)


def test_a_conversion_killed_again_and_again_ends_the_same(coco_folder, tmp_path):
    """The picture at its middle is a pipe that nobody writes to, so that the process stands there when it is
    killed.
    """
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
                with contextlib.suppress(
                    OSError
                ):  # which is raised until the process has opened the pipe to read
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
    """Leave the first shards of a conversion behind, by a picture that is not one.

    The picture is mended again.
    """
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
    assert (
        f"shard {shard} of the interrupted conversion is damaged" in caplog.text
        and "going on with" in caplog.text
    )
    assert whole_folder(folder) == expected
    # another setting, another annotation file: anew
    caplog.clear()
    partial = interrupted(root, tmp_path / "o", "max_instance_count=2")
    ensure_mindrecord(config_of(root, tmp_path / "o", *words))
    assert (
        f"{partial} holds an interrupted conversion of other data or settings" in caplog.text
        and "going on" not in caplog.text
    )
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
    assert (
        whole_folder(tmp_path / "one") == whole_folder(tmp_path / "three")
        and len(list((tmp_path / "one").iterdir())) > 10
    )
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


def test_two_processes_at_once_convert_once(coco_folder, tmp_path):
    words = [f"coco_root={coco_folder(pictures=30)}", CLASSES, f"mindrecord_dir={tmp_path}/m"]
    processes = [process_of(*words) for _ in range(2)]
    ends = [process.communicate(timeout=120) for process in processes]
    assert [out.strip() for out, _ in ends] == [f"{tmp_path}/m"] * 2
    assert sum("converted 30 pictures" in err for _, err in ends) == 1
