"""Rules that the network and its ONNX form share; no MindSpore here, as writing and running ONNX files needs none."""

import math

# |dw| and |dh| are limited so that exp() cannot overflow: a box grows by 1000/16 at most (Detectron's limit).
MAX_LOG_RATIO = math.log(1000.0 / 16)


def norm_groups(channels):
    """How many groups a group norm has: 32 (Wu & He 2018), or fewer so that the channels divide and a group has at least 4 of them."""
    return next(
        groups
        for groups in (32, 16, 8, 4, 2, 1)
        if channels % groups == 0 and channels // groups >= 4 or groups == 1
    )
