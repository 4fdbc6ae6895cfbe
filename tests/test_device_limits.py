"""What is refused on a device, and how boxes are suppressed there."""

from __future__ import annotations

import mindspore as ms
import pytest

from src import device_limits
from src.config import load_config
from src.device_limits import check_device_limits, is_ascend_910, nms_sizes, soc_version, uses_matrix_nms
from src.engine.training.build_step import loss_scale_of
from src.errors import ConfigError
from src.maskrcnn.build import build_network
from tests.small_network import small_config

ACROSS = "rpn_proposal_nms_across_levels=True"


@pytest.fixture
def ascend_910(monkeypatch):
    """As MindSpore answers on an Ascend 910, which is not here."""
    monkeypatch.setattr(device_limits, "soc_version", lambda: "ascend910")


def test_boxes_of_an_nms():
    """P5 of the default canvas has 24 x 40 cells, P6 12 x 20 of them, with 3 anchors each."""
    assert nms_sizes(load_config()) == {
        "rpn_proposal_nms_pre": 2000,
        "rpn_nms_pre": 1000,
        "test_nms_pre": 2000,
    }
    sizes = nms_sizes(load_config([ACROSS, "rpn_nms_pre=5000", "test_nms_pre=100000"]))
    levels_of_5000 = 3 * 24 * 40  # P2 to P4 have more than 5000
    assert levels_of_5000 < 5000
    assert sizes == {
        "rpn_proposal_nms_across_levels": 4 * 2000 + 3 * 12 * 20,
        "rpn_nms_pre": 5000,
        "test_nms_pre": 1000 * 80,
    }


def test_the_cpu_has_no_limit_and_no_chip():
    check_device_limits(load_config([ACROSS, "rpn_nms_pre=100000", "test_nms_pre=100000"]), "CPU")
    assert soc_version() == "" and not is_ascend_910()


def test_the_operator_up_to_2864_boxes_and_the_matrix_beyond():
    for words, matrix in (
        ([], False),
        (["rpn_nms_pre=2864"], False),
        (["rpn_nms_pre=2865"], True),
        ([ACROSS], True),
        (["nms=matrix"], True),
    ):
        config = load_config(words)
        check_device_limits(config, "Ascend")
        assert uses_matrix_nms(config, "Ascend") == matrix
        assert uses_matrix_nms(config, "CPU") == (config.nms == "matrix")


@pytest.mark.parametrize(
    ("words", "boxes", "limit"),
    [
        (["nms=operator", "test_nms_pre=3000"], 3000, "NMSWithMask takes 2864"),
        (["nms=operator", ACROSS], 8720, "NMSWithMask takes 2864"),
        (["test_nms_pre=20000"], 20000, "the matrix of IoUs takes 12000"),
    ],
)
def test_more_boxes_are_refused_in_one_line(words, boxes, limit):
    key, value = words[-1].split("=")
    with pytest.raises(ConfigError, match=f"^{key}={value}: {boxes} boxes .*{limit}") as raised:
        check_device_limits(load_config(words), "Ascend")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("word", ["shapes=dynamic", "cpu_kernels=on"])
def test_the_cpus_forms_are_refused_on_ascend(word):
    """MindSpore's Ascend backend stops in the first, and would be handed the CPU's code by the second."""
    with pytest.raises(ConfigError, match=f"^{word}: .*=auto"):
        build_network(small_config(word), "Ascend")
    build_network(small_config(word), "CPU")


def test_the_original_chip_has_the_matrix(ascend_910):
    assert uses_matrix_nms(load_config(), "Ascend")
    assert not uses_matrix_nms(load_config(["nms=operator"]), "Ascend")
    network = build_network(small_config(), "Ascend")
    parts = (network.train_proposals, network.test_proposals, network.detections)
    assert all(part.nms.matrix is not None for part in parts)


def test_the_ways_of_a_built_network():
    for words, device, kernel, matrix in (
        ([], "CPU", True, False),
        (["nms=operator"], "CPU", False, False),
        (["nms=matrix"], "CPU", False, True),
        ([], "Ascend", False, False),
    ):
        nms = build_network(small_config(*words), device).detections.nms
        assert (nms.kernel is not None, nms.matrix is not None) == (kernel, matrix)


def test_bfloat16_is_for_atlas_a2(monkeypatch):
    config = load_config(["compute_type=bfloat16"])
    with pytest.raises(ConfigError, match="^compute_type=bfloat16: the CPU does not compute in it"):
        check_device_limits(config, "CPU")
    check_device_limits(config, "Ascend")
    monkeypatch.setattr(device_limits, "soc_version", lambda: "ascend910")
    with pytest.raises(ConfigError, match="^compute_type=bfloat16: Ascend 910 does not compute in it"):
        check_device_limits(config, "Ascend")


def test_bfloat16_needs_no_loss_scale():
    """Its least normal number is float32's, 1.2e-38; float16's is 6.1e-5."""
    assert loss_scale_of(load_config(), ms.bfloat16) == 1
    assert loss_scale_of(load_config(), ms.float16) == 1024
