"""Checkpoint files: complete or not at all, and with the network's settings inside."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from src.config import load_config
from src.errors import CheckpointError
from src.weights.checkpoint_file import read_checkpoint, read_training, rotate_checkpoints, save_checkpoint
from src.weights.checkpoint_settings import config_from_checkpoint, network_settings
from src.weights.loading import is_whole_model, load_network
from tests.conftest import ROOT
from tests.weights.small_net import Net, values


@pytest.fixture
def config():
    return load_config(["img_mean=[1,2,3]", "coco_classes=[background, cat]"])


def test_round_trip_with_settings(tmp_path, config):
    path = tmp_path / "deep" / "mask_rcnn-1_2.ckpt"
    save_checkpoint(path, Net(1.5), network_settings(config, "gn"), 1, 2)
    entries, settings, epoch = read_checkpoint(path)
    network = Net()
    load_network(network, entries, path)
    assert all((value == 1.5).all() for value in values(network).values())
    assert epoch == 1 and is_whole_model(entries)
    loaded = config_from_checkpoint(load_config(), settings, path)
    assert (
        loaded.img_mean == (1.0, 2.0, 3.0)
        and loaded.norm == "gn"
        and loaded.coco_classes == ("background", "cat")
        and loaded.num_classes == 2
    )


@pytest.mark.parametrize(
    "damage", ["cut", "bit", "text", "empty", "missing", "without its checksum", "more behind it", "checksum"]
)
def test_damaged_files_are_refused_by_name(tmp_path, config, damage):
    path = tmp_path / "weights.ckpt"
    save_checkpoint(path, Net(1.0), network_settings(config, "bn"), 1, 1)
    content = bytearray(path.read_bytes())
    place = content.find(b"backbone.weight") + 60
    if damage == "bit":
        content[place] ^= 1
    path.write_bytes(
        {
            "cut": content[:-30],
            "bit": content,
            "text": b"hello",
            "empty": b"",
            "missing": content,
            "without its checksum": content[:-17],
            "more behind it": content + b"x",
            "checksum": content[:-1] + bytes([content[-1] ^ 1]),
        }[damage]
    )
    if damage == "missing":
        path.unlink()
    with pytest.raises(CheckpointError, match="weights.ckpt") as error:
        read_checkpoint(path)
    assert "\n" not in str(error.value)


def test_a_failed_write_leaves_the_last_good_one(tmp_path, config):
    path = tmp_path / "mask_rcnn-1_1.ckpt"
    save_checkpoint(path, Net(1.0), network_settings(config, "bn"), 1, 1)
    good = path.read_bytes()
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))\n"
        "from tests.weights.small_net import Net\n"
        "from src.weights.checkpoint_file import save_checkpoint\n"
        "from src.weights.checkpoint_settings import network_settings\n"
        "from src.config import load_config\n"
        "from src.engine.entry import run_main\n"
        "settings = network_settings(load_config(), 'bn')\n"
        "run_main(lambda: save_checkpoint(sys.argv[1], Net(2.0), settings, 1, 1))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "could not be written" in done.stderr and str(path) in done.stderr
    assert path.read_bytes() == good and [item.name for item in tmp_path.iterdir()] == [path.name]


def test_rotation_keeps_the_newest_by_epoch_and_step(tmp_path):
    names = [
        "mask_rcnn-1_10.ckpt",
        "mask_rcnn-2_9.ckpt",
        "mask_rcnn-10_1.ckpt",
        "mask_rcnn-2_10.ckpt",
        "other.ckpt",
    ]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    rotate_checkpoints(tmp_path, 2)
    assert sorted(item.name for item in tmp_path.iterdir()) == [
        "mask_rcnn-10_1.ckpt",
        "mask_rcnn-2_10.ckpt",
        "other.ckpt",
    ]


def test_a_folder_in_the_place_of_a_checkpoint_says_what_it_holds(tmp_path):
    with pytest.raises(CheckpointError, match="is a folder without a .ckpt file"):
        read_checkpoint(tmp_path)
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for name in (
        "mask_rcnn-9_4.ckpt",
        "mask_rcnn-10_4.ckpt",
        "mask_rcnn-10_12.ckpt",
        "best.ckpt",
        "latest.ckpt",
    ):
        (folder / name).touch()
    for path in (folder, tmp_path):  # the work folder too
        with pytest.raises(CheckpointError) as caught:
            read_checkpoint(path)
        line = str(caught.value)
        assert f"its newest, {folder / 'mask_rcnn-10_12.ckpt'}" in line and line.startswith(
            f"checkpoint {path}: "
        )
        assert all(
            name in line for name in ("best.ckpt", "latest.ckpt", "mask_rcnn-9_4.ckpt", "mask_rcnn-10_4.ckpt")
        )
    with pytest.raises(CheckpointError, match="is a folder"):
        read_training(folder)


def test_a_folder_of_other_names_has_a_newest_file_too(tmp_path):
    for age, name in enumerate(("b.ckpt", "a.ckpt", *(f"c{i}.ckpt" for i in range(8)))):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    with pytest.raises(CheckpointError, match=r"its newest, \S+/b.ckpt, beside .* and 4 more$"):
        read_checkpoint(tmp_path)
