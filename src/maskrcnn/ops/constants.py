"""Rules that the MindSpore network and its ONNX form (`src/onnx_graph`) share.

This module does not import MindSpore, because writing and running ONNX files needs none.
"""

from __future__ import annotations

import math

# |dw| and |dh| are limited to this, so that exp() cannot overflow: a side grows 1000/16 times at most
# (Detectron's limit).
MAX_LOG_RATIO = math.log(1000.0 / 16)


def norm_groups(channels: int) -> int:
    """The number of groups of a group norm: 32 (Wu & He 2018), or fewer for few channels.

    It divides the number of channels, and a group has at least 4 channels.
    """
    for groups in (32, 16, 8, 4, 2):
        if channels % groups == 0 and channels // groups >= 4:
            return groups
    return 1
