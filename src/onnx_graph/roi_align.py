"""RoIAlign as ONNX nodes: of valid RoIs only, each from its level of the pyramid, as `RoIAlign` does it."""

from __future__ import annotations

import math
from typing import Any, Mapping, NamedTuple, Sequence

import numpy as np

from ..config import Config
from .boxes import box_areas
from .graph import Graph

CHANNELS_PER_GROUP = 16  # 8 to 32 are equally fast, see docs/performance.md


class PooledRoIs(NamedTuple):
    """The pooled features of R valid RoIs, level by level.

    Attributes:
        features: float32 [R, C, size, size].
        roi_index: int64 [R], the row of each in the N padded RoIs.
    """

    features: str
    roi_index: str


def roi_align(
    graph: Graph,
    features: Sequence[str],
    rois: str,
    valid: str,
    rois_per_picture: int,
    size: int,
    config: Config,
) -> PooledRoIs:
    """Pool the valid ones of the padded RoIs of a batch.

    Args:
        features: P2 to P5.
        rois: float32 [N, 4] in canvas pixels.
        valid: bool [N], which of them are real.
        rois_per_picture: how many of the N belong to each picture.
        size: cells of the pooled maps on each side.
    """
    rows = valid_rows(graph, valid)
    rois = graph("Gather", rois, rows)
    picture = graph("Div", rows, rois_per_picture)
    level = roi_levels(graph, rois, config.roi_align_finest_scale)
    channels = config.fpn_out_channels
    pooled = []
    order = []
    for i, stride in enumerate(config.roi_align_featmap_strides):
        in_level = graph.nonzero(graph("Equal", level, np.int32(i)))
        order.append(in_level)
        attributes = {
            "mode": "avg",
            "output_height": size,
            "output_width": size,
            "sampling_ratio": config.roi_layer["sample_num"],
            "spatial_scale": 1.0 / stride,
            "coordinate_transformation_mode": (
                "half_pixel" if config.roi_align_aligned else "output_half_pixel"
            ),
        }
        level_rois = graph("Gather", rois, in_level)
        level_pictures = graph("Gather", picture, in_level)
        pooled.append(pool_level(graph, features[i], level_rois, level_pictures, channels, attributes))
    joined = graph("Transpose", graph("Concat", *pooled, axis=1), perm=[1, 0, 2])
    pooled_features = graph("Reshape", joined, [-1, channels, size, size])
    return PooledRoIs(pooled_features, graph("Gather", rows, graph("Concat", *order, axis=0)))


def valid_rows(graph: Graph, valid: str) -> str:
    """int64 [R], the indices where bool [N] is true; index 0 if it is true nowhere.

    R is at least 1, because some runtimes cannot compute a convolution of 0 rows.
    """
    count = graph("ReduceSum", graph.cast(valid, "int32"), [0], keepdims=1)
    is_none_valid = graph("Equal", count, np.array([0], np.int32))
    is_first = graph("Equal", graph.arange(graph.row_count(valid)), 0)
    return graph.nonzero(graph("Or", valid, graph("And", is_first, is_none_valid)))


def roi_levels(graph: Graph, rois: str, finest_scale: float) -> str:
    """int32 [R], 0 for P2 to 3 for P5, of rois [R, 4]."""
    side = graph("Add", graph("Sqrt", graph("Relu", box_areas(graph, rois))), 1e-6)
    scales = finest_scale * np.array([2, 4, 8], np.float32)
    is_reached = graph("GreaterOrEqual", graph("Unsqueeze", side, [1]), scales)
    return graph("ReduceSum", graph.cast(is_reached, "int32"), [1], keepdims=0)


def pool_level(
    graph: Graph, feature: str, rois: str, picture: str, channels: int, attributes: Mapping[str, Any]
) -> str:
    """RoiAlign of one level in groups of channels.

    ONNX Runtime pools all channels of one RoI before the next RoI. Each channel is another map, so no map
    stays in the processor's cache. Here each group of channels is treated as a picture of its own, and all
    RoIs are pooled from one group before the next. This is more than twice as fast.

    Args:
        feature: [B, C, H, W].
        rois: [R, 4].
        picture: int64 [R], the picture of each RoI.
        channels: C.
        attributes: of the operator.

    Returns:
        float32 [groups, R, channels of a group * size * size].
    """
    group_channels = math.gcd(channels, CHANNELS_PER_GROUP)
    groups = channels // group_channels
    feature = graph("Reshape", feature, [-1, group_channels, 0, 0])
    first_group = graph("Mul", graph("Unsqueeze", picture, [0]), groups)
    group_index = graph("Add", first_group, np.arange(groups).reshape(-1, 1))
    tiled_rois = graph("Tile", rois, [groups, 1])
    pooled = graph("RoiAlign", feature, tiled_rois, graph.flatten(group_index), **attributes)
    values = group_channels * attributes["output_height"] * attributes["output_width"]
    # -1 is not possible here, because a level may have no RoI
    shape = graph("Concat", [groups], graph.row_count(rois), [values], axis=0)
    return graph("Reshape", pooled, shape, allowzero=1)
