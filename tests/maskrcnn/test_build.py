"""The network that the builder makes for a configuration and a device."""

from __future__ import annotations

import mindspore as ms
import pytest

from src.config import load_config
from src.errors import ConfigError
from src.maskrcnn import build
from src.maskrcnn.build import build_network
from src.maskrcnn.norms import BatchNorm, FrozenNorm, GroupNorm
from tests.small_network import WORDS, small_config


def test_the_default_network_has_44453813_parameters():
    """With 81 classes; 44,347,573 without the norms."""
    network = build_network(load_config())
    sizes = {parameter.name: parameter.size for parameter in network.get_parameters()}
    assert sum(sizes.values()) == 44453813
    norms = (".gamma", ".beta", ".moving_mean", ".moving_variance")
    assert sum(size for name, size in sizes.items() if not name.endswith(norms)) == 44347573


@pytest.mark.parametrize(
    ("norm", "loads", "kind"),
    [
        ("auto", True, FrozenNorm),
        ("auto", False, BatchNorm),
        ("gn", True, GroupNorm),
        ("frozen", False, FrozenNorm),
    ],
)
def test_norms(norm, loads, kind):
    config = load_config([word for word in WORDS if word != "norm=gn"] + [f"norm={norm}"])
    assert isinstance(build_network(config, loads_weights=loads).backbone.bn1, kind)


def test_the_graph_engine_gets_no_group_norm(monkeypatch):
    for graph_engine in (False, True):
        monkeypatch.setattr(build, "uses_graph_engine", lambda answer=graph_engine: answer)
        cells = build_network(small_config("fpn_norm=gn"), "Ascend").cells_and_names()
        assert {cell.composed for _, cell in cells if isinstance(cell, GroupNorm)} == {graph_engine}


def test_nothing_is_fixed_in_a_network_from_scratch():
    from_scratch, loaded = (
        {
            parameter.name
            for parameter in build_network(small_config(), loads_weights=loads).trainable_params()
        }
        for loads in (False, True)
    )
    assert "backbone.conv1.weight" in from_scratch
    assert not any(name.startswith(("backbone.conv1", "backbone.layer1")) for name in loaded)
    fixed = ("backbone.conv1", "backbone.bn1", "backbone.layer1")
    assert from_scratch - loaded == {name for name in from_scratch if name.startswith(fixed)}


def test_only_the_kernel_has_adaptive_sampling():
    words = ("roi_layer={sample_num: 0}",)
    assert build_network(small_config(*words)).box_align.pool is not None
    for other in ({"exported": True}, {"device": "Ascend"}):
        with pytest.raises(ConfigError, match="roi_layer.sample_num=0"):
            build_network(small_config(*words), **other)


def test_devices():
    on_cpu = build_network(small_config())
    on_ascend = build_network(small_config(), "Ascend")
    exported = build_network(small_config(), exported=True)
    assert (on_cpu.dynamic, on_cpu.dtype) == (True, ms.float32)
    assert (on_ascend.dynamic, on_ascend.dtype) == (False, ms.float16)
    assert (exported.dynamic, exported.dtype) == (False, ms.float32)
    pools = [type(network.box_align.pool).__name__ for network in (on_cpu, on_ascend, exported)]
    assert pools == ["KernelPool", "PackedPool", "PackedPool"]


@pytest.mark.parametrize(
    ("words", "dtype", "map_dtype"),
    [
        (["amp_level=O0"], ms.float32, ms.float32),
        (["amp_level=O2"], ms.float16, ms.float32),
        (["amp_level=O3"], ms.float16, ms.float16),
        (["compute_type=float16"], ms.float16, ms.float32),
    ],
)
def test_mixed_precision(words, dtype, map_dtype):
    network = build_network(small_config(*words))
    assert network.dtype == network.backbone.conv1.dtype == dtype
    assert network.backbone.bn1.map_dtype == map_dtype


def test_mixed_precision_contradictions():
    with pytest.raises(ConfigError, match="compute_type=float16 contradicts amp_level=O0"):
        small_config("amp_level=O0", "compute_type=float16")
