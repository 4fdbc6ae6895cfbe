"""Checkpoints: whole or not at all, strict, and with the network's settings inside."""
import json
import os
import subprocess
import sys

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn

from src.config import load_config
from src.engine.checkpoint import network_settings, read_checkpoint, rotate_checkpoints, save_checkpoint
from src.engine.loading import config_from_checkpoint, is_whole_model, load_backbone, load_network
from src.errors import CheckpointError, ConfigError


class Part(nn.Cell):
    def __init__(self, value):
        super().__init__()
        self.weight = Parameter(Tensor(np.full((2, 3), value, np.float32)))
        self.bias = Parameter(Tensor(np.full((3,), value, np.float32)))


class Net(nn.Cell):
    """Names as the real network has them: backbone.* and others."""

    def __init__(self, value=0.0):
        super().__init__()
        self.backbone, self.rpn = Part(value), Part(value)


@pytest.fixture
def config():
    return load_config(["img_mean=[1,2,3]", "coco_classes=[background, cat]"])


def values(network):
    return {name: parameter.asnumpy().copy() for name, parameter in network.parameters_dict().items()}


def test_round_trip_with_settings(tmp_path, config):
    path = tmp_path / "deep" / "mask_rcnn-1_2.ckpt"
    save_checkpoint(path, Net(1.5), config, "gn", 1, 2)
    entries, settings, epoch = read_checkpoint(path)
    network = Net()
    load_network(network, entries, path)
    assert all((value == 1.5).all() for value in values(network).values())
    assert epoch == 1 and is_whole_model(entries)
    loaded = config_from_checkpoint(load_config(), settings, path)
    assert loaded.img_mean == (1.0, 2.0, 3.0) and loaded.norm == "gn" and loaded.coco_classes == ("background", "cat") and loaded.num_classes == 2


def test_settings_contradiction_names_both(config):
    settings = json.loads(json.dumps(network_settings(config, "bn")))
    with pytest.raises(ConfigError, match=r"img_mean=\[4.0, 5.0, 6.0\] contradicts old.ckpt.*\[1, 2, 3\]|img_mean.*old.ckpt.*1.0, 2.0, 3.0"):
        config_from_checkpoint(load_config(["img_mean=[4,5,6]"]), settings, "old.ckpt")


def test_the_canvas_may_be_changed(config):
    settings = json.loads(json.dumps(network_settings(config, "bn")))
    assert config_from_checkpoint(load_config(["img_height=256", "img_width=256"]), settings, "x.ckpt").feature_shapes[0] == (64, 64)


@pytest.mark.parametrize("damage", ["cut", "bit", "text", "empty", "missing"])
def test_damaged_files_are_refused_by_name(tmp_path, config, damage):
    path = tmp_path / "weights.ckpt"
    save_checkpoint(path, Net(1.0), config, "bn", 1, 1)
    content = bytearray(path.read_bytes())
    place = content.find(b"backbone.weight") + 60
    if damage == "bit":
        content[place] ^= 1
    path.write_bytes({"cut": content[:-30], "bit": content, "text": b"hello", "empty": b"", "missing": content}[damage])
    if damage == "missing":
        path.unlink()
    with pytest.raises(CheckpointError, match="weights.ckpt") as error:
        read_checkpoint(path)
    assert "\n" not in str(error.value)


def test_strict_loading_lists_everything_and_loads_nothing(config):
    entries = {name: Parameter(Tensor(value), name=name) for name, value in values(Net(2.0)).items()}
    entries["rpn.stranger"] = entries.pop("rpn.bias")
    entries["backbone.weight"] = Parameter(Tensor(np.zeros((4, 4), np.float32)), name="backbone.weight")
    network = Net(0.0)
    with pytest.raises(CheckpointError) as error:
        load_network(network, entries, "w.ckpt")
    for piece in ("w.ckpt", "missing: rpn.bias", "not known here: rpn.stranger", "backbone.weight is (4, 4), needed (2, 3)"):
        assert piece in str(error.value)
    assert all((value == 0).all() for value in values(network).values())


def test_a_backbone_may_bring_its_classifier_and_optimiser(config):
    extra = ("fc.weight", "classifier.bias", "end_point.weight", "moments.backbone.weight", "global_step", "learning_rate")
    entries = {"weight": np.ones((2, 3), np.float32), "bias": np.ones(3, np.float32), **{name: np.zeros(2, np.float32) for name in extra}}
    entries = {name: Parameter(Tensor(value), name=name) for name, value in entries.items()}
    network = Net(0.0)
    load_backbone(network, entries, "r50.ckpt")
    assert (network.backbone.weight.asnumpy() == 1).all() and (network.rpn.weight.asnumpy() == 0).all()
    entries["layer9.weight"] = entries["weight"]
    with pytest.raises(CheckpointError, match="not known here: backbone.layer9.weight"):
        load_backbone(Net(), entries, "r50.ckpt")


def test_a_failed_write_leaves_the_last_good_one(tmp_path, config):
    path = tmp_path / "mask_rcnn-1_1.ckpt"
    save_checkpoint(path, Net(1.0), config, "bn", 1, 1)
    good = path.read_bytes()
    script = ("import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))\n"
              "sys.path[:0] = sys.argv[2:]\n"
              "from tests.engine.test_checkpoint import Net\nfrom src.engine.checkpoint import save_checkpoint\nfrom src.config import load_config\n"
              "from src.errors import run_main\nrun_main(lambda: save_checkpoint(sys.argv[1], Net(2.0), load_config(), 'bn', 1, 1))")
    done = subprocess.run([sys.executable, "-c", script, str(path), os.getcwd()], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stderr
    assert "could not be written" in done.stderr and str(path) in done.stderr
    assert path.read_bytes() == good and [item.name for item in tmp_path.iterdir()] == [path.name]


def test_rotation_keeps_the_newest_by_epoch_and_step(tmp_path):
    names = ["mask_rcnn-1_10.ckpt", "mask_rcnn-2_9.ckpt", "mask_rcnn-10_1.ckpt", "mask_rcnn-2_10.ckpt", "other.ckpt"]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    rotate_checkpoints(tmp_path, 2)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["mask_rcnn-10_1.ckpt", "mask_rcnn-2_10.ckpt", "other.ckpt"]


def test_half_precision_weights_are_widened():
    entries = {name: Parameter(Tensor(value.astype(np.float16)), name=name) for name, value in values(Net(0.5)).items()}
    network = Net()
    load_network(network, entries, "half.ckpt")
    assert network.rpn.weight.dtype == ms.float32 and (network.rpn.weight.asnumpy() == 0.5).all()
