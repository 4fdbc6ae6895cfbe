"""Entries into a network, strictly."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor

from src.errors import CheckpointError
from src.maskrcnn.build import build_network
from src.weights.loading import load_backbone, load_network
from src.weights.pretrained import PretrainedWeights, load_pretrained
from tests.small_network import small_config
from tests.weights.small_net import Net, values


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
    start = PretrainedWeights("r50_fpn.ckpt", entries)
    assert load_pretrained(network, start, config) == ("backbone and pyramid from r50_fpn.ckpt",)
    for name, value in network.parameters_and_names():
        assert (value.asnumpy() == 0.5).all() == name.startswith(("backbone.", "fpn.")), name
    left_out = entries.pop("fpn.output.1.weight")
    with pytest.raises(CheckpointError, match="1 missing: fpn.output.1.weight"):
        load_pretrained(network, start, config)
    entries["fpn.output.1.weight"] = left_out
    # a pyramid with norms, a network without
    with pytest.raises(
        CheckpointError, match="8 missing: fpn.lateral.0.bias.*32 not known here: fpn.lateral_norm.0"
    ):
        load_pretrained(build_network(small_config(), loads_weights=True), start, small_config())


def test_half_precision_weights_are_widened():
    entries = {
        name: Parameter(Tensor(value.astype(np.float16)), name=name)
        for name, value in values(Net(0.5)).items()
    }
    network = Net()
    load_network(network, entries, "half.ckpt")
    assert network.rpn.weight.dtype == ms.float32 and (network.rpn.weight.asnumpy() == 0.5).all()


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
            name_in_file=lambda name: f"over there {name}",
        )
