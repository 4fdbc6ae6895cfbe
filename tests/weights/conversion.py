"""Writing other projects' files, and the entries that are expected of them."""

from __future__ import annotations

import pickle
import re

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor
from safetensors.numpy import save_file

from src.errors import CheckpointError, ConfigError


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


def assert_same(got, wanted):
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


def fails(run, *pieces):
    with pytest.raises((CheckpointError, ConfigError)) as error:
        run()
    assert "\n" not in str(error.value)
    for piece in pieces:
        assert piece in str(error.value)
