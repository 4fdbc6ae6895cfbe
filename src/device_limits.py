"""The Ascend chip of this process, and what a device's operators take: more is refused before long work."""

from __future__ import annotations

from typing import Dict

import mindspore as ms
from mindspore._c_expression import MSContext

from .config import Config
from .errors import ConfigError

# CANN 8.1 lists NMSWithMask for up to this many boxes.
OPERATOR_MAX_BOXES = 2864
# Of these a matrix of float32 is 0.6 GB for each picture, and about five of them are held.
MATRIX_MAX_BOXES = 12000


def soc_version() -> str:
    """MindSpore's name of the chip: "ascend910", "ascend910b" (Atlas A2) and others; "" on the CPU."""
    if ms.get_context("device_target") != "Ascend":
        return ""
    return MSContext.get_instance().get_ascend_soc_version()


def is_ascend_910() -> bool:
    """Whether the chip is the Ascend 910 (910A, 910 ProA ...).

    CANN 8.1 has TopK, NMSWithMask and MaxPool for it in float16 only, its matrix unit takes float16 only, and
    a float16 that overflows becomes 65,504 instead of infinite.
    """
    return soc_version() == "ascend910"


def uses_graph_engine() -> bool:
    """Whether graphs go whole to CANN's graph engine (jit_level O2). Call it once the device is set."""
    # Unless it is set, MindSpore takes O2 on Ascend 910 and O0 on later chips.
    level = ms.get_context("jit_level") or ("O2" if is_ascend_910() else "O0")
    return ms.get_context("device_target") == "Ascend" and level == "O2"


def check_device_limits(config: Config, device: str) -> None:
    """Refuse what the device ('CPU' or 'Ascend') cannot compute.

    Raises:
        ConfigError: More boxes enter an NMS than it takes, a form of the network is the CPU's alone, or the
            device does not compute in the type.
    """
    if config.compute_type == "bfloat16" and (device != "Ascend" or is_ascend_910()):
        chip = "Ascend 910" if device == "Ascend" else "the CPU"
        raise ConfigError(
            f"compute_type=bfloat16: {chip} does not compute in it, Atlas A2 does; compute_type=auto follows "
            "the device"
        )
    if device != "Ascend":
        return
    for key, value in (("shapes", "dynamic"), ("cpu_kernels", "on")):
        if config[key] == value:
            raise ConfigError(f"{key}={value}: the CPU alone can do that; {key}=auto follows the device")
    matrix = uses_matrix_nms(config, device)
    limit = MATRIX_MAX_BOXES if matrix else OPERATOR_MAX_BOXES
    for key, boxes in nms_sizes(config).items():
        if boxes > limit:
            way_out = "a lower number" if matrix else "a lower number or nms=auto"
            raise ConfigError(
                f"{key}={config[key]}: {boxes} boxes would enter one NMS, and on Ascend "
                f"{'the matrix of IoUs' if matrix else 'NMSWithMask'} takes {limit}; {way_out} "
                "(*_nms_across_levels=False keeps the levels apart)"
            )


def uses_matrix_nms(config: Config, device: str) -> bool:
    """Whether `MatrixNMS` is used instead of MindSpore's operator; the key `nms`, with auto resolved."""
    if config.nms != "auto":
        return config.nms == "matrix"
    if device != "Ascend":
        return False
    return is_ascend_910() or max(nms_sizes(config).values()) > OPERATOR_MAX_BOXES


def nms_sizes(config: Config) -> Dict[str, int]:
    """{key: how many boxes of a picture enter one NMS because of it}."""
    sizes = {}
    for prefix in ("rpn_proposal_", "rpn_"):
        levels = [
            min(config[f"{prefix}nms_pre"], config.num_anchors * height * width)
            for height, width in config.feature_shapes
        ]
        if config[f"{prefix}nms_across_levels"]:
            sizes[f"{prefix}nms_across_levels"] = sum(levels)
        else:
            sizes[f"{prefix}nms_pre"] = max(levels)
    sizes["test_nms_pre"] = min(config.test_nms_pre, config.rpn_max_num * (config.num_classes - 1))
    return sizes
