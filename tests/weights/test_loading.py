"""From a checkpoint's entries to a network: strict, with the settings that the weights need, and into other classes."""

import json
import pickle

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor

from src.config import load_config
from src.engine.weight_converter import convert
from src.errors import CheckpointError, ConfigError
from src.maskrcnn.build import build_network
from src.weights.checkpoint import network_settings, save_checkpoint
from src.weights.loading import (
    Start,
    config_from_checkpoint,
    load_backbone,
    load_network,
    load_start,
    open_start,
)
from tests.small_network import WORDS, draw_weights, small_config
from tests.weights import foreign
from tests.weights.test_checkpoint import Net, values

CLASS_LAYERS = {
    "box_head.cls.weight",
    "box_head.cls.bias",
    "box_head.reg.weight",
    "box_head.reg.bias",
    "mask_head.logits_weight",
    "mask_head.logits_bias",
}


def trained_config():
    return load_config(["img_mean=[1,2,3]", "coco_classes=[background, cat]"])


def test_settings_contradiction_names_both():
    settings = json.loads(json.dumps(network_settings(trained_config(), "bn")))
    with pytest.raises(
        ConfigError,
        match=r"img_mean=\[4.0, 5.0, 6.0\] contradicts old.ckpt.*\[1, 2, 3\]|img_mean.*old.ckpt.*1.0, 2.0, 3.0",
    ):
        config_from_checkpoint(load_config(["img_mean=[4,5,6]"]), settings, "old.ckpt")


def test_the_canvas_may_be_changed():
    settings = json.loads(json.dumps(network_settings(trained_config(), "bn")))
    assert config_from_checkpoint(
        load_config(["img_height=256", "img_width=256"]), settings, "x.ckpt"
    ).feature_shapes[0] == (64, 64)


def test_strict_loading_lists_everything_and_loads_nothing():
    entries = {name: Parameter(Tensor(value), name=name) for name, value in values(Net(2.0)).items()}
    entries["rpn.stranger"] = entries.pop("rpn.bias")
    entries["backbone.weight"] = Parameter(Tensor(np.zeros((4, 4), np.float32)), name="backbone.weight")
    network = Net(0.0)
    with pytest.raises(CheckpointError) as error:
        load_network(network, entries, "w.ckpt")
    for piece in (
        "w.ckpt",
        "missing: rpn.bias",
        "not known here: rpn.stranger",
        "backbone.weight is (4, 4), needed (2, 3)",
    ):
        assert piece in str(error.value)
    assert all((value == 0).all() for value in values(network).values())


def test_a_backbone_may_bring_its_classifier_and_optimiser():
    extra = (
        "fc.weight",
        "classifier.bias",
        "end_point.weight",
        "moments.backbone.weight",
        "global_step",
        "learning_rate",
    )
    entries = {
        "weight": np.ones((2, 3), np.float32),
        "bias": np.ones(3, np.float32),
        **{name: np.zeros(2, np.float32) for name in extra},
    }
    entries = {name: Parameter(Tensor(value), name=name) for name, value in entries.items()}
    network = Net(0.0)
    load_backbone(network, entries, "r50.ckpt")
    assert (network.backbone.weight.asnumpy() == 1).all() and (network.rpn.weight.asnumpy() == 0).all()
    entries["layer9.weight"] = entries["weight"]
    with pytest.raises(CheckpointError, match="not known here: backbone.layer9.weight"):
        load_backbone(Net(), entries, "r50.ckpt")


def test_a_backbone_may_bring_its_pyramid_whole():
    config = small_config("fpn_norm=bn")
    network = build_network(config, loads_weights=True)
    entries = {
        name: Parameter(Tensor(np.full(value.shape, 0.5, np.float32)), name=name)
        for name, value in network.parameters_and_names()
        if name.startswith(("backbone.", "fpn."))
    }
    start = Start("r50_fpn.ckpt", entries)
    assert load_start(network, start, config) == ("backbone and pyramid from r50_fpn.ckpt",)
    for name, value in network.parameters_and_names():
        assert (value.asnumpy() == 0.5).all() == name.startswith(("backbone.", "fpn.")), name
    left_out = entries.pop("fpn.output.1.weight")
    with pytest.raises(CheckpointError, match="1 missing: fpn.output.1.weight"):
        load_start(network, start, config)
    entries["fpn.output.1.weight"] = left_out
    # a pyramid with norms, a network without
    with pytest.raises(
        CheckpointError, match="8 missing: fpn.lateral.0.bias.*32 not known here: fpn.lateral_norm.0"
    ):
        load_start(build_network(small_config(), loads_weights=True), start, small_config())


def test_half_precision_weights_are_widened():
    entries = {
        name: Parameter(Tensor(value.astype(np.float16)), name=name)
        for name, value in values(Net(0.5)).items()
    }
    network = Net()
    load_network(network, entries, "half.ckpt")
    assert network.rpn.weight.dtype == ms.float32 and (network.rpn.weight.asnumpy() == 0.5).all()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """(path, its weights) of a small model with the classes square, disc, star."""
    path, network = (
        tmp_path_factory.mktemp("weights") / "mask_rcnn-1_1.ckpt",
        draw_weights(build_network(small_config())),
    )
    save_checkpoint(path, network, small_config(), "gn", 1, 1)
    return path, values(network)


def started(path, *words):
    """(the network that training starts with, its weights before, the lines that are said, the configuration)."""
    config, start = open_start(
        load_config([*(word for word in WORDS if "coco_classes" not in word), f"pre_trained={path}", *words])
    )
    network = build_network(config, loads_weights=True)
    network.init_parameters_data()
    before = values(network)
    return network, before, load_start(network, start, config), config


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
def test_other_classes_load_all_but_the_class_layers_and_say_which(checkpoint, names):
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
    config, start = open_start(
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


def test_going_on_with_a_model_wants_its_own_classes(checkpoint):
    with pytest.raises(ConfigError, match="coco_classes=.*cat.* contradicts .*mask_rcnn-1_1.ckpt.*disc"):
        started(checkpoint[0], "coco_classes=[background, cat]", "pretrain_epoch_size=1")


def test_other_classes_are_no_excuse_for_another_network(checkpoint):
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


def test_arrays_load_as_parameters_do():
    entries = values(Net(0.5))
    network = Net()
    load_network(network, entries, "arrays")
    assert all((value == 0.5).all() for value in values(network).values())
    with pytest.raises(CheckpointError, match="not of a float type: over there backbone.bias is int64"):
        load_network(
            network,
            {**entries, "backbone.bias": np.zeros(3, np.int64)},
            "arrays",
            called=lambda name: f"over there {name}",
        )
