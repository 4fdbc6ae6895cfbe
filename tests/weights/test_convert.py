"""Other projects' files, made of drawn weights, to this project's entries: equal tensors, class rows, and what the weights need."""

from __future__ import annotations

import pickle
import re

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor
from safetensors.numpy import load_file, save_file

from src.config import COCO_CLASSES, load_config
from src.engine.weight_converter import convert
from src.errors import CheckpointError, ConfigError
from src.weights.checkpoint import read_checkpoint
from src.weights.convert import load_weights
from src.weights.loading import config_from_checkpoint
from src.weights.torchvision import from_torchvision
from tests.parity import drawing_functions
from tests.weights import foreign

CLASSES = ("background", "square", "disc", "star")


@pytest.fixture(scope="module")
def state():
    """torchvision's names, 81 classes, narrow."""
    return foreign.draw(foreign.torchvision_shapes())


def expected(state):
    """This project's names, written out by hand for every kind of layer; its mask logits are a matrix."""
    leaf = {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    }
    table = (
        ("backbone.body.", "backbone."),
        ("downsample", "down_sample"),
        ("backbone.fpn.inner_blocks.", "fpn.lateral."),
        ("backbone.fpn.layer_blocks.", "fpn.output."),
        ("rpn.head.conv.0.0", "rpn.conv"),
        ("rpn.head.cls_logits", "rpn.cls"),
        ("rpn.head.bbox_pred", "rpn.reg"),
        ("roi_heads.box_head.fc6", "box_head.fc.0"),
        ("roi_heads.box_head.fc7", "box_head.fc.1"),
        ("roi_heads.box_predictor.cls_score", "box_head.cls"),
        ("roi_heads.box_predictor.bbox_pred", "box_head.reg"),
        ("roi_heads.mask_head.", "mask_head.conv."),
        ("roi_heads.mask_predictor.conv5_mask.", "mask_head.up_"),
        ("roi_heads.mask_predictor.mask_fcn_logits.", "mask_head.logits_"),
    )
    entries = {}
    for name, array in state.items():
        for theirs, ours in table:
            name = name.replace(theirs, ours)
        name = re.sub(r"^((?:fpn\.\w+|mask_head\.conv)\.\d)\.0\.", r"\1.", name)
        if ".bn" in name or "down_sample.1" in name:
            owner, _, last = name.rpartition(".")
            name = f"{owner}.{leaf[last]}"
        entries[name] = array.reshape(len(array), -1) if name == "mask_head.logits_weight" else array
    return entries


def same(got, wanted):
    assert set(got) == set(wanted)
    for name, array in wanted.items():
        np.testing.assert_array_equal(got[name], array, err_msg=name)


def without_background(entries):
    """Expected entries where the background has no box and no mask: zeros in its place."""
    entries = {name: array.copy() for name, array in entries.items()}
    for leaf, count in ((".reg.weight", 4), (".reg.bias", 4), (".logits_weight", 1), (".logits_bias", 1)):
        entries[("box_head" if "reg" in leaf else "mask_head") + leaf][:count] = 0
    return entries


def backbone(entries):
    return {name: array for name, array in entries.items() if name.startswith("backbone.")}


def write(path, state, **beside):
    if path.suffix == ".pkl":
        path.write_bytes(pickle.dumps({"model": state, "__author__": "Detectron2 Model Zoo", **beside}))
    elif path.suffix == ".safetensors":
        save_file({name: np.ascontiguousarray(array) for name, array in state.items()}, str(path))
    elif path.suffix == ".ckpt":
        ms.save_checkpoint(
            [{"name": name, "data": Tensor(array)} for name, array in state.items()], str(path)
        )
    else:
        torch = pytest.importorskip("torch", reason="PyTorch writes .pth files")
        tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in state.items()}
        torch.save({"state_dict": tensors, **beside} if beside else tensors, path)
    return path


def test_the_drawn_names_and_shapes_are_torchvisions(shared):
    """The table of this test folder, at R50's size, has the 307 names of the reference."""
    shapes = foreign.torchvision_shapes((3, 4, 6, 3), (256, 512, 1024, 2048), 64, 256, 256, 1024, 256)
    assert sorted(shapes) == sorted(str(name) for name in np.load(shared / "reference/parity.npz")["names"])


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors", ".pkl", ".ckpt"])
def test_torchvision_from_every_kind_of_file(tmp_path, state, suffix):
    weights = load_weights(write(tmp_path / f"model{suffix}", state), load_config())
    same(weights.entries, expected(state))
    assert weights.whole and weights.found.startswith("torchvision, a whole model with 80 classes")
    config = weights.config
    assert (config.roi_align_aligned, config.anchor_round, config.norm_eps, config.norm) == (
        False,
        True,
        1e-5,
        "frozen",
    )
    assert (config.resize, config.resize_short, config.resize_long, config.channel_order) == (
        "short_side",
        800,
        1333,
        "RGB",
    )
    assert (config.img_height, config.img_width, config.padding) == (1344, 1344, "mean")
    assert (config.resnet_block, config.fpn_out_channels, config.rcnn_fc_out_channels) == (
        (2, 1, 1, 1),
        32,
        24,
    )


def test_torchvisions_older_spelling_and_a_training_programs_wrappings(tmp_path, state):
    old = {f"module.{name}": array for name, array in foreign.renamed(state, foreign.TORCHVISION_OLD).items()}
    old["module.backbone.body.bn1.num_batches_tracked"] = np.int64(3).reshape(())
    same(
        load_weights(
            write(tmp_path / "old.pth", old, epoch=3, optimizer={"state": {}, "lr": 0.1}), load_config()
        ).entries,
        expected(state),
    )


def test_of_91_category_ids_the_81_classes_that_coco_uses_are_kept(tmp_path):
    state = foreign.draw(foreign.torchvision_shapes(classes=91))
    weights = load_weights(write(tmp_path / "coco.pth", state), load_config())
    used = [i for i in range(91) if i not in foreign.COCO_UNUSED]
    for name, array in expected(state).items():
        if name in (
            "box_head.cls.weight",
            "box_head.cls.bias",
            "mask_head.logits_weight",
            "mask_head.logits_bias",
        ):
            array = array[used]
        elif name.startswith("box_head.reg"):
            array = array.reshape(91, 4, -1)[used].reshape(324, *array.shape[1:])
        np.testing.assert_array_equal(weights.entries[name], array, err_msg=name)
    assert weights.config.norm_eps == 0 and weights.config.coco_classes == COCO_CLASSES
    # 1 person, 13 stop sign, 90 toothbrush (COCO's annotation files)
    scores = state["roi_heads.box_predictor.cls_score.weight"]
    for name, category in (("person", 1), ("stop sign", 13), ("toothbrush", 90)):
        np.testing.assert_array_equal(
            weights.entries["box_head.cls.weight"][COCO_CLASSES.index(name)], scores[category]
        )


@pytest.mark.parametrize("suffix", [".pkl", ".pth"])
def test_detectron2(tmp_path, state, suffix):
    theirs = foreign.renamed(foreign.background_last(state), foreign.DETECTRON2)
    theirs.update(
        {
            f"proposal_generator.anchor_generator.cell_anchors.{i}": np.zeros((3, 4), np.float32)
            for i in range(5)
        }
    )
    weights = load_weights(write(tmp_path / f"model_final{suffix}", theirs), load_config())
    same(weights.entries, without_background(expected(state)))
    config = weights.config
    assert weights.found.startswith("detectron2, a whole model with 80 classes")
    assert (config.channel_order, config.img_mean, config.img_std) == (
        "BGR",
        (103.53, 116.28, 123.675),
        (1.0, 1.0, 1.0),
    )
    assert (config.stride_in_1x1, config.roi_align_aligned, config.anchor_round, config.norm_eps) == (
        True,
        True,
        False,
        1e-5,
    )


def test_detectron2s_own_statistics_and_the_users_words_win(tmp_path, state):
    theirs = foreign.renamed(foreign.background_last(state), foreign.DETECTRON2)
    theirs.update(
        pixel_mean=np.float32([123.675, 116.28, 103.53]).reshape(3, 1, 1),
        pixel_std=np.float32([58.395, 57.12, 57.375]).reshape(3, 1, 1),
    )
    config = load_weights(
        write(tmp_path / "r50.pkl", theirs),
        load_config(["channel_order=RGB", "stride_in_1x1=False", "roi_layer={sample_num: 0}"]),
    ).config
    assert config.roi_layer["sample_num"] == 0 and config.roi_layer["out_size"] == 7
    assert config.img_mean == pytest.approx((123.675, 116.28, 103.53)) and config.img_std == pytest.approx(
        (58.395, 57.12, 57.375)
    )
    assert (config.channel_order, config.stride_in_1x1) == ("RGB", False)


CAFFE = "model = dict(backbone=dict(style='caffe'))\nimg_norm_cfg = dict(mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], to_rgb=False)"
PYTORCH = "model = dict(backbone=dict(style='pytorch'), data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True))"


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        (CAFFE, ("BGR", (103.53, 116.28, 123.675), (1.0, 1.0, 1.0), True)),
        (PYTORCH, ("RGB", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375), False)),
        (None, ("RGB", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375), False)),
    ],
)
def test_mmdetection(tmp_path, state, text, settings):
    theirs = foreign.renamed(foreign.background_last(state), foreign.MMDET)
    meta = {"CLASSES": tuple(f"c{i}" for i in range(80))} if text == CAFFE else {}
    weights = load_weights(
        write(tmp_path / "mask_rcnn.pth", theirs, meta={**meta, **({"config": text} if text else {})}),
        load_config(),
    )
    same(weights.entries, without_background(expected(state)))
    config = weights.config
    assert (config.channel_order, config.img_mean, config.img_std, config.stride_in_1x1) == settings
    assert config.roi_align_aligned and not config.anchor_round
    assert config.coco_classes == (("background", *meta["CLASSES"]) if meta else COCO_CLASSES)


@pytest.mark.parametrize(
    ("project", "suffix", "eps"),
    [
        ("mindcv", ".ckpt", 1e-5),
        ("modelzoo", ".ckpt", 1e-4),
        ("torchvision", ".pth", 1e-5),
        ("torchvision", ".safetensors", 1e-5),
    ],
)
def test_backbones(tmp_path, state, project, suffix, eps):
    if project == "torchvision":
        theirs = {
            **foreign.renamed(state, foreign.TORCHVISION_RESNET),
            "fc.weight": np.zeros((10, 64), np.float32),
            "fc.bias": np.zeros(10, np.float32),
        }
    else:
        theirs = {
            **foreign.mindspore_classifier(state, project),
            "moments.conv1.weight": np.zeros(3, np.float32),
        }
    weights = load_weights(write(tmp_path / f"resnet50{suffix}", theirs), load_config())
    same(weights.entries, backbone(expected(state)))
    assert not weights.whole and weights.config.norm_eps == eps and weights.config.resize == "fit"
    assert ("pad_mode 'same'" in weights.caution) == (project == "modelzoo")


def test_a_caution_is_said_on_converting_and_travels(tmp_path, state, capsys):
    convert(
        load_config(),
        write(tmp_path / "zoo.ckpt", foreign.mindspore_classifier(state, "modelzoo")),
        tmp_path / "r50.ckpt",
    )
    assert "pad_mode 'same'" in capsys.readouterr().out
    entries, settings, _ = read_checkpoint(tmp_path / "r50.ckpt")
    same({name: entry.asnumpy() for name, entry in entries.items()}, backbone(expected(state)))
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


def test_out_and_in_is_the_identity(tmp_path, state):
    convert(load_config(), write(tmp_path / "in.safetensors", state), tmp_path / "a.ckpt")
    torch = pytest.importorskip("torch", reason="PyTorch writes .pth files")
    written = convert(load_config(), tmp_path / "a.ckpt", tmp_path / "out", target="torchvision")
    assert [path.name for path in written] == ["out.safetensors", "out.pth"]
    same(load_file(str(written[0])), state)
    same({name: tensor.numpy() for name, tensor in torch.load(written[1], weights_only=True).items()}, state)
    convert(load_config(), tmp_path / "out.safetensors", tmp_path / "b.ckpt")
    first, second = read_checkpoint(tmp_path / "a.ckpt"), read_checkpoint(tmp_path / "b.ckpt")
    same(
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
    config = load_weights(tmp_path / "out.safetensors", load_config()).config
    assert (config.coco_classes, config.norm_eps, config.roi_align_aligned, config.img_std) == (
        CLASSES,
        0.0,
        True,
        (1.0, 2.0, 3.0),
    )


def test_bgr_goes_out_as_rgb(tmp_path, state):
    theirs = foreign.renamed(foreign.background_last(state), foreign.DETECTRON2)
    convert(load_config(["stride_in_1x1=False"]), write(tmp_path / "d2.pkl", theirs), tmp_path / "d2.ckpt")
    convert(load_config(), tmp_path / "d2.ckpt", tmp_path / "out.safetensors", target="torchvision")
    np.testing.assert_array_equal(
        load_file(str(tmp_path / "out.safetensors"))["backbone.body.conv1.weight"],
        state["backbone.body.conv1.weight"][:, ::-1],
    )


def fails(run, *pieces):
    with pytest.raises((CheckpointError, ConfigError)) as error:
        run()
    assert "\n" not in str(error.value)
    for piece in pieces:
        assert piece in str(error.value)


def test_what_cannot_be_converted_is_one_line_and_writes_nothing(tmp_path, state):
    out = tmp_path / "out.ckpt"

    def run(changed, name="model.safetensors", words=(), **keywords):
        return lambda: convert(load_config(words), write(tmp_path / name, changed), out, **keywords)

    fc7 = "roi_heads.box_head.fc7.weight"
    broken = {name: array for name, array in state.items() if name != "rpn.head.conv.0.0.bias"}
    broken[fc7], broken["backbone.body.bn1.weight"] = broken[fc7][:, :7], np.zeros(8, np.int32)
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


def test_a_named_scheme_is_not_guessed_about(tmp_path, state):
    path = write(tmp_path / "model.pkl", state)
    same(load_weights(path, load_config(), "torchvision").entries, expected(state))
    fails(lambda: load_weights(path, load_config(), "detectron2"), "without a place", "detectron2's names")


def test_the_references_weights_come_through_files_as_parity_loads_them(shared, tmp_path):
    """R50 at its full size: what `tests.parity` compares stage by stage is, bit for bit, what the converter writes; and it goes out again
    under the reference's names and shapes."""
    names = [str(name) for name in np.load(shared / "reference/parity.npz")["names"]]
    shapes = foreign.torchvision_shapes((3, 4, 6, 3), (256, 512, 1024, 2048), 64, 256, 256, 1024, 256)
    draw_parameter = drawing_functions().draw_parameter
    state = {name: draw_parameter(name, shapes[name], 1) for name in names}
    convert(load_config(), write(tmp_path / "drawn.safetensors", state), tmp_path / "drawn.ckpt")
    entries, settings, _ = read_checkpoint(tmp_path / "drawn.ckpt")
    same({name: entry.asnumpy() for name, entry in entries.items()}, from_torchvision(state))
    assert settings["resnet_block"] == [3, 4, 6, 3] and settings["roi_layer"]["out_size"] == 7
    convert(load_config(), tmp_path / "drawn.ckpt", tmp_path / "out.safetensors", target="torchvision")
    same(load_file(str(tmp_path / "out.safetensors")), state)
