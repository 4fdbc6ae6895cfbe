"""Conversion by several processes, killed, interrupted and continued: always the same rows, in the same
order, in the same bytes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from typing import Dict, List, NamedTuple

import numpy as np
import pytest

from src.config import load_config
from src.data.mindrecord.manifest import load_labels, load_manifest, verify_shards
from src.data.mindrecord.shard_reader import ShardReader
from src.dataset import ensure_mindrecord
from src.errors import DataError
from tests.data.mindrecord.converting import CLASSES, config_of, process_of


def large_data(coco_folder, copies=40):
    """A data set of 40 * copies pictures that share 40 files: its conversion takes long enough to be killed
    before it ends.
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


class Content(NamedTuple):
    """What is compared of two conversions.

    Attributes:
        files: the bytes of every file but MindSpore's indices.
        image_ids: of the rows, in their order.
    """

    files: Dict[str, bytes]
    image_ids: List[int]


def content_of(folder):
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".db"}
    return Content(files, ShardReader(folder).rows["image_id"].tolist())


def kill_and_continue(root, folder, expected, fraction):
    """SIGKILL a conversion, convert again, and compare the result.

    Args:
        root: the data.
        folder: of the conversion, by two processes.
        expected: the Content of a conversion that was not killed.
        fraction: of the shards that should be finished when it is killed, roughly.

    Returns:
        The number of finished shards that were kept.
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
    shards = sum(name.endswith(".mindrecord") for name in expected.files)
    process = process_of(*words)
    deadline = time.time() + 120
    while process.poll() is None and len(list(partial.glob("*.done"))) < fraction * shards:
        assert time.time() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not folder.exists(), "it was whole before it was killed"
    with contextlib.closing(wait_for_processes(folder)):
        kept = {
            path.stem: path.with_suffix("").stat().st_mtime_ns for path in partial.glob("*.mindrecord.done")
        }
    ensure_mindrecord(load_config([*words, "num_parallel_workers=1"]))
    assert content_of(folder) == expected
    assert not partial.exists()
    assert all((folder / name).stat().st_mtime_ns == modified for name, modified in kept.items())
    return len(kept)


def wait_for_processes(folder):
    """Lock the conversion's lock file, which is free when the last of its processes has ended."""
    file = open(folder.with_name(folder.name + ".lock"), "w")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def uninterrupted(root, folder):
    """The Content of a conversion in one go."""
    ensure_mindrecord(config_of(root, folder, "shard_mb=0.3", "num_parallel_workers=1"))
    return content_of(folder)


def test_a_killed_conversion_is_continued_to_the_same_bytes(coco_folder, tmp_path):
    root = large_data(coco_folder)
    expected = uninterrupted(root, tmp_path / "whole")
    assert len(expected.image_ids) == 1600
    assert len(expected.files) > 20
    assert kill_and_continue(root, tmp_path / "early", expected, 0.2) >= 3
    assert kill_and_continue(root, tmp_path / "late", expected, 0.6) >= 8


@pytest.mark.slow
def test_killed_at_ten_random_moments(coco_folder, tmp_path):
    root = large_data(coco_folder)
    expected = uninterrupted(root, tmp_path / "whole")
    for number, fraction in enumerate(np.random.default_rng().uniform(0, 0.8, 10)):
        kill_and_continue(root, tmp_path / f"m{number}", expected, fraction)


def test_a_conversion_killed_again_and_again_ends_the_same(coco_folder, tmp_path):
    """A picture in the middle is a pipe that nobody writes to: the process waits there until it is killed."""
    root = coco_folder(pictures=40)
    folder = tmp_path / "m"
    picture = root / "train2017/000020.jpg"
    data = picture.read_bytes()
    words = [f"coco_root={root}", CLASSES, f"mindrecord_dir={folder}", "check_data=off", "shard_mb=0.05"]
    ensure_mindrecord(load_config([*words, f"mindrecord_dir={tmp_path}/n"]))
    picture.unlink()
    os.mkfifo(picture)
    for _ in range(2):
        process = process_of(*words, "num_parallel_workers=1")
        handle = None
        deadline = time.time() + 60
        try:
            while handle is None:
                assert process.poll() is None
                assert time.time() < deadline
                # opening fails until the process has opened the pipe to read
                with contextlib.suppress(OSError):
                    handle = os.open(picture, os.O_WRONLY | os.O_NONBLOCK)
                time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        os.close(handle)
        assert not folder.exists()
        assert len(list((tmp_path / "m.partial").glob("*.done"))) >= 2
    picture.unlink()
    picture.write_bytes(data)
    _, manifest = ensure_mindrecord(load_config(words))
    assert manifest.pictures == 40
    assert not (tmp_path / "m.partial").exists()
    assert content_of(folder) == content_of(tmp_path / "n")


def interrupted(root, folder, *words):
    """Interrupt a conversion by a broken picture, which is repaired again; the folder of its first shards."""
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
    root = coco_folder(pictures=40)
    folder = tmp_path / "m"
    words = ["shard_mb=0.05", "num_parallel_workers=1"]
    ensure_mindrecord(config_of(root, tmp_path / "n", *words))
    expected = content_of(tmp_path / "n")
    # a damaged shard is reported and written again
    partial = interrupted(root, folder)
    shard = partial / "train-0001.mindrecord"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    ensure_mindrecord(config_of(root, folder, *words))
    assert f"shard {shard} of the interrupted conversion is damaged" in caplog.text
    assert "going on with" in caplog.text
    assert content_of(folder) == expected
    # of another setting or another annotation file nothing is kept
    caplog.clear()
    partial = interrupted(root, tmp_path / "o", "max_instance_count=2")
    ensure_mindrecord(config_of(root, tmp_path / "o", *words))
    assert f"{partial} holds an interrupted conversion of other data or settings" in caplog.text
    assert "going on" not in caplog.text
    assert content_of(tmp_path / "o") == expected
    partial = interrupted(root, tmp_path / "p")
    path = root / "annotations/instances_train2017.json"
    path.write_text(path.read_text().replace('"category_id": 3', '"category_id": 7'))
    caplog.clear()
    _, manifest = ensure_mindrecord(config_of(root, tmp_path / "p", *words))
    assert "starting anew" in caplog.text
    assert set(load_labels(tmp_path / "p", manifest).tolist()) == {2}


def test_any_number_of_processes_gives_the_same_bytes(coco_folder, tmp_path):
    root = coco_folder(pictures=40)
    ensure_mindrecord(config_of(root, tmp_path / "one", "shard_mb=0.05", "num_parallel_workers=1"))
    ensure_mindrecord(config_of(root, tmp_path / "three", "shard_mb=0.05", "num_parallel_workers=3"))
    assert content_of(tmp_path / "one") == content_of(tmp_path / "three")
    assert len(list((tmp_path / "one").iterdir())) > 10
    verify_shards(tmp_path / "one", load_manifest(tmp_path / "one"))
    labels = load_labels(tmp_path / "one", load_manifest(tmp_path / "one"))
    reader = ShardReader(tmp_path / "one")
    assert labels.tolist() == [label for row in range(40) for label in reader.read(row).objects.labels]


def test_a_picture_that_several_processes_cannot_store_is_named(coco_folder, tmp_path):
    root = coco_folder(pictures=40)
    (root / "train2017/000033.jpg").write_bytes(b"hello")
    with pytest.raises(DataError, match="000033.jpg of image 330: not a picture"):
        ensure_mindrecord(config_of(root, tmp_path / "m", "shard_mb=0.05", "num_parallel_workers=2"))
    assert not (tmp_path / "m").exists()


def test_two_processes_at_once_convert_once(coco_folder, tmp_path):
    words = [f"coco_root={coco_folder(pictures=30)}", CLASSES, f"mindrecord_dir={tmp_path}/m"]
    processes = [process_of(*words) for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [out.strip() for out, _ in outputs] == [f"{tmp_path}/m"] * 2
    assert sum("converted 30 pictures" in err for _, err in outputs) == 1
