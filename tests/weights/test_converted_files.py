"""Converted files: what a checkpoint carries, torchvision's files, and what cannot be converted."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load_file

from src.config import load_config
from src.engine.weight_converter import convert
from src.errors import ConfigError
from src.weights.checkpoint_file import read_checkpoint
from src.weights.checkpoint_settings import config_from_checkpoint
from src.weights.convert import convert_weights
from src.weights.torchvision import from_torchvision
from tests.reference.make_parity import REFERENCE, draw_parameter
from tests.weights import foreign
from tests.weights.conversion import assert_same, backbone, expected, fails, write

CLASSES = ("background", "square", "disc", "star")


def test_a_caution_is_said_on_converting_and_travels(tmp_path, state, capsys):
    convert(
        load_config(),
        write(tmp_path / "zoo.ckpt", foreign.mindspore_classifier(state, "modelzoo")),
        tmp_path / "r50.ckpt",
    )
    assert "pad_mode 'same'" in capsys.readouterr().out
    entries, settings, _ = read_checkpoint(tmp_path / "r50.ckpt")
    assert_same({name: entry.asnumpy() for name, entry in entries.items()}, backbone(expected(state)))
    assert (
        settings["norm_eps"] == 1e-4
        and "pad_mode 'same'" in settings["caution"]
        and "coco_classes" not in settings
    )


def test_a_converted_checkpoint_carries_what_its_weights_need(tmp_path, state):
    theirs = foreign.renamed(foreign.background_last(state), foreign.DETECTRON2)
    convert(load_config(), write(tmp_path / "d2.pkl", theirs), tmp_path / "d2.ckpt")
    _, settings, _ = read_checkpoint(tmp_path / "d2.ckpt")
    config = config_from_checkpoint(load_config(), settings, "d2.ckpt")
    assert (config.channel_order, config.stride_in_1x1, config.img_std, config.norm) == (
        "BGR",
        True,
        (1.0, 1.0, 1.0),
        "frozen",
    )
    assert (config.img_height, config.img_width, config.resize) == (1344, 1344, "short_side")
    assert (
        config_from_checkpoint(load_config(["resize=fit", "img_height=768"]), settings, "d2.ckpt").img_height
        == 768
    )
    for word in ("channel_order=RGB", "stride_in_1x1=False", "img_std=[2,2,2]", "roi_align_aligned=False"):
        name = word.split("=")[0]
        with pytest.raises(ConfigError, match=rf"{name}=.* contradicts d2.ckpt"):
            config_from_checkpoint(load_config([word]), settings, "d2.ckpt")


def test_torchvisions_file_and_back_is_the_identity(tmp_path, state):
    convert(load_config(), write(tmp_path / "in.safetensors", state), tmp_path / "a.ckpt")
    torch = pytest.importorskip("torch", reason="PyTorch writes .pth files")
    written = convert(load_config(), tmp_path / "a.ckpt", tmp_path / "out", target="torchvision")
    assert [path.name for path in written] == ["out.safetensors", "out.pth"]
    assert_same(load_file(str(written[0])), state)
    assert_same(
        {name: tensor.numpy() for name, tensor in torch.load(written[1], weights_only=True).items()}, state
    )
    convert(load_config(), tmp_path / "out.safetensors", tmp_path / "b.ckpt")
    first = read_checkpoint(tmp_path / "a.ckpt")
    second = read_checkpoint(tmp_path / "b.ckpt")
    assert_same(
        {name: entry.asnumpy() for name, entry in second[0].items()},
        {name: entry.asnumpy() for name, entry in first[0].items()},
    )
    assert first[1] == second[1]


def test_other_classes_and_settings_come_back_from_a_safetensors_header(tmp_path, capsys):
    state = foreign.draw(foreign.torchvision_shapes(classes=4))
    words = [
        f"coco_classes=[{', '.join(CLASSES)}]",
        "norm_eps=0",
        "roi_align_aligned=True",
        "img_std=[1, 2, 3]",
    ]
    convert(load_config(words), write(tmp_path / "in.pkl", state), tmp_path / "a.ckpt")
    convert(load_config(), tmp_path / "a.ckpt", tmp_path / "out.safetensors", target="torchvision")
    said = capsys.readouterr().out
    for piece in (
        "num_classes=4",
        "image_std=[0.00392157, 0.00784314, 0.01176471]",
        "eps 0",
        "roi_align_aligned=True",
    ):
        assert piece in said
    config = convert_weights(tmp_path / "out.safetensors", load_config()).config
    assert (config.coco_classes, config.norm_eps, config.roi_align_aligned, config.img_std) == (
        CLASSES,
        0.0,
        True,
        (1.0, 2.0, 3.0),
    )


def test_bgr_weights_are_written_as_rgb(tmp_path, state):
    theirs = foreign.renamed(foreign.background_last(state), foreign.DETECTRON2)
    convert(load_config(["stride_in_1x1=False"]), write(tmp_path / "d2.pkl", theirs), tmp_path / "d2.ckpt")
    convert(load_config(), tmp_path / "d2.ckpt", tmp_path / "out.safetensors", target="torchvision")
    np.testing.assert_array_equal(
        load_file(str(tmp_path / "out.safetensors"))["backbone.body.conv1.weight"],
        state["backbone.body.conv1.weight"][:, ::-1],
    )


def test_what_cannot_be_converted_is_one_line_and_writes_nothing(tmp_path, state):
    out = tmp_path / "out.ckpt"

    def run(changed, name="model.safetensors", words=(), **keywords):
        return lambda: convert(load_config(words), write(tmp_path / name, changed), out, **keywords)

    fc7 = "roi_heads.box_head.fc7.weight"
    broken = {name: array for name, array in state.items() if name != "rpn.head.conv.0.0.bias"}
    broken[fc7] = broken[fc7][:, :7]
    broken["backbone.body.bn1.weight"] = np.zeros(8, np.int32)
    fails(
        run(broken),
        "model.safetensors does not fit",
        "1 missing: rpn.head.conv.0.0.bias",
        f"{fc7} is (24, 7), needed (24, 24)",
        "backbone.body.bn1.weight is int32",
    )
    fails(
        run({**state, "backbone.body.layer9.0.conv1.weight": state[fc7], "stranger": state[fc7]}),
        "entries without a place",
        "stranger",
    )
    fails(
        run(foreign.draw(foreign.torchvision_shapes(classes=4))),
        "4 classes with the background, but COCO has 81",
        "coco_classes=",
    )
    fails(run(state, words=["coco_classes=[background, cat]"]), "81 classes", "coco_classes has 2")
    fails(
        run({f"encoder.{i}": np.zeros(2, np.float32) for i in range(9)}),
        "encoder.0",
        "of no known project",
        "torchvision, detectron2, mmdet, mindcv",
    )
    fails(
        run(
            {
                name.replace("roi_head.", ""): array
                for name, array in foreign.renamed(state, foreign.MMDET).items()
            }
        ),
        "mmdetection 1.x",
    )
    fails(run(foreign.renamed(state, foreign.TORCHVISION_RESNET), target="torchvision"), "a backbone alone")
    theirs = foreign.renamed(foreign.background_last(state), foreign.DETECTRON2)
    fails(run(theirs, target="torchvision"), "torchvision has no Mask R-CNN with stride_in_1x1=True")
    fails(
        lambda: convert(load_config(), write(tmp_path / "model.pkl", state), tmp_path / "out.bin"),
        "out.bin",
        ".ckpt expected",
    )
    assert not out.exists() and not list(tmp_path.glob(".*"))


def test_the_references_weights_come_through_files_as_parity_loads_them(tmp_path):
    """ResNet-50 in full size: the converter writes exactly the weights that `tests.parity` compares.

    Converted back, they have the reference's names and shapes.
    """
    names = [str(name) for name in np.load(REFERENCE)["names"]]
    shapes = foreign.torchvision_shapes((3, 4, 6, 3), (256, 512, 1024, 2048), 64, 256, 256, 1024, 256)
    state = {name: draw_parameter(name, shapes[name], 1) for name in names}
    convert(load_config(), write(tmp_path / "drawn.safetensors", state), tmp_path / "drawn.ckpt")
    entries, settings, _ = read_checkpoint(tmp_path / "drawn.ckpt")
    assert_same({name: entry.asnumpy() for name, entry in entries.items()}, from_torchvision(state))
    assert settings["resnet_block"] == [3, 4, 6, 3] and settings["roi_layer"]["out_size"] == 7
    convert(load_config(), tmp_path / "drawn.ckpt", tmp_path / "out.safetensors", target="torchvision")
    assert_same(load_file(str(tmp_path / "out.safetensors")), state)
