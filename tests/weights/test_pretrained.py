"""Training from a model with the same or other classes, or from a backbone of another project."""

from __future__ import annotations

import pickle

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.config import load_config
from src.engine.weight_converter import convert
from src.errors import CheckpointError, ConfigError
from src.maskrcnn.build import build_network
from src.weights.checkpoint_file import save_checkpoint
from src.weights.checkpoint_settings import network_settings
from src.weights.pretrained import load_pretrained, open_pretrained
from tests.small_network import WORDS, draw_weights, small_config
from tests.weights import foreign
from tests.weights.small_net import values

CLASS_LAYERS = {
    "box_head.cls.weight",
    "box_head.cls.bias",
    "box_head.reg.weight",
    "box_head.reg.bias",
    "mask_head.logits_weight",
    "mask_head.logits_bias",
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """(path, its weights) of a small model with the classes square, disc, star."""
    path = tmp_path_factory.mktemp("weights") / "mask_rcnn-1_1.ckpt"
    network = draw_weights(build_network(small_config()))
    save_checkpoint(path, network, network_settings(small_config(), "gn"), 1, 1)
    return path, values(network)


def started(path, *words):
    """(the network that training starts with, its weights before, the printed lines, the configuration)."""
    config, start = open_pretrained(
        load_config([*(word for word in WORDS if "coco_classes" not in word), f"pre_trained={path}", *words])
    )
    network = build_network(config, loads_weights=True)
    network.init_parameters_data()
    before = values(network)
    return network, before, load_pretrained(network, start, config), config


@pytest.mark.parametrize(
    "words", [(), ("coco_classes=[background, square, disc, star]",), ("pretrain_epoch_size=1",)]
)
def test_the_same_classes_load_everything(checkpoint, words):
    network, _, lines, config = started(checkpoint[0], *words)
    assert (
        lines == (f"model from {checkpoint[0]}",)
        and config.coco_classes == ("background", "square", "disc", "star")
        and config.norm == "gn"
    )
    for name, value in values(network).items():
        np.testing.assert_array_equal(value, checkpoint[1][name])


@pytest.mark.parametrize(
    "names", ["background, cat", "background, square, disc, star, moon", "background, disc, square, star"]
)
def test_other_classes_load_all_but_the_class_layers_and_name_them(checkpoint, names):
    network, before, lines, config = started(checkpoint[0], f"coco_classes=[{names}]")
    assert config.num_classes == len(names.split(","))
    for name, value in values(network).items():
        np.testing.assert_array_equal(
            value, before[name] if name in CLASS_LAYERS else checkpoint[1][name], err_msg=name
        )
    said = " ".join(lines)
    assert (
        "all but the class layers" in said
        and "its 3 classes" in said
        and all(name in said for name in CLASS_LAYERS)
    )


def test_classes_that_the_data_names_stay_open_until_then(checkpoint):
    config, start = open_pretrained(
        load_config(
            [
                *(word for word in WORDS if "coco_classes" not in word),
                f"pre_trained={checkpoint[0]}",
                "coco_classes=auto",
            ]
        )
    )
    assert config.coco_classes == "auto" and start.settings["coco_classes"] == [
        "background",
        "square",
        "disc",
        "star",
    ]


def test_continued_training_needs_the_models_own_classes(checkpoint):
    with pytest.raises(ConfigError, match="coco_classes=.*cat.* contradicts .*mask_rcnn-1_1.ckpt.*disc"):
        started(checkpoint[0], "coco_classes=[background, cat]", "pretrain_epoch_size=1")


def test_other_classes_do_not_allow_another_network(checkpoint):
    with pytest.raises(ConfigError, match="rpn_feat_channels=16 contradicts .*mask_rcnn-1_1.ckpt"):
        started(checkpoint[0], "coco_classes=[background, cat]", "rpn_feat_channels=16")


@pytest.mark.parametrize(("project", "eps"), [("mindcv", 1e-5), ("modelzoo", 1e-4)])
def test_a_mindspore_classifier_is_a_backbone_as_it_is(tmp_path, project, eps):
    state = foreign.draw(foreign.torchvision_shapes((1, 1, 1, 1)))
    entries = {
        **foreign.mindspore_classifier(state, project),
        "moments.conv1.weight": np.zeros(2, np.float32),
        "global_step": np.int32(3).reshape(1),
    }
    ms.save_checkpoint(
        [{"name": name, "data": Tensor(array)} for name, array in entries.items()],
        str(tmp_path / "resnet50.ckpt"),
    )
    classes = "coco_classes=[background, square, disc, star]"
    network, _, lines, config = started(tmp_path / "resnet50.ckpt", classes, "norm=frozen")
    assert config.norm_eps == eps and ("pad_mode 'same'" in lines[1]) == (project == "modelzoo")
    np.testing.assert_array_equal(
        network.backbone.layer2[0].down_sample[0].weight.asnumpy(),
        state["backbone.body.layer2.0.downsample.0.weight"],
    )
    np.testing.assert_array_equal(
        network.backbone.layer3[0].bn2.moving_variance.asnumpy(),
        state["backbone.body.layer3.0.bn2.running_var"],
    )
    assert started(tmp_path / "resnet50.ckpt", classes, "norm=frozen", "norm_eps=0.001")[3].norm_eps == 0.001
    with pytest.raises(
        CheckpointError,
        match="resnet50.ckpt does not fit.*2 missing.*backbone.layer4.1.conv1.weight|resnet50.ckpt.*missing",
    ):
        started(tmp_path / "resnet50.ckpt", classes, "norm=frozen", "resnet_block=[1,1,1,2]")


def test_a_converted_backbone_brings_what_it_needs(tmp_path):
    state = foreign.draw(foreign.torchvision_shapes((1, 1, 1, 1)))
    names = {
        name: foreign.rename(name, foreign.DETECTRON2) for name in state if name.startswith("backbone.body.")
    }
    tensors = {
        theirs[len("backbone.bottom_up.") :]: state[name] for name, theirs in names.items()
    }  # as its ImageNet models are named
    (tmp_path / "R-50.pkl").write_bytes(pickle.dumps({"model": tensors, "__author__": "torchvision"}))
    convert(load_config(), tmp_path / "R-50.pkl", tmp_path / "r50.ckpt")
    classes = "coco_classes=[background, square, disc, star]"
    network, _, lines, config = started(tmp_path / "r50.ckpt", classes, "norm=frozen")
    assert lines == (f"backbone from {tmp_path / 'r50.ckpt'}",) and (
        config.channel_order,
        config.stride_in_1x1,
    ) == ("BGR", True)
    np.testing.assert_array_equal(
        network.backbone.layer4[0].conv3.weight.asnumpy(), state["backbone.body.layer4.0.conv3.weight"]
    )
    with pytest.raises(ConfigError, match="channel_order=RGB contradicts .*r50.ckpt.*BGR"):
        started(tmp_path / "r50.ckpt", classes, "norm=frozen", "channel_order=RGB")
    entries = foreign.mindspore_classifier(state, "modelzoo")
    ms.save_checkpoint(
        [{"name": name, "data": Tensor(array)} for name, array in entries.items()], str(tmp_path / "zoo.ckpt")
    )
    convert(load_config(), tmp_path / "zoo.ckpt", tmp_path / "zoo50.ckpt")
    _, _, lines, config = started(tmp_path / "zoo50.ckpt", classes, "norm=frozen")
    assert "pad_mode 'same'" in lines[1] and config.norm_eps == 1e-4
