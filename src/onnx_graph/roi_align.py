"""RoIAlign of the real rows of padded RoIs, each from its own level of the pyramid, as `RoIAlign` has it."""

from __future__ import annotations

import math

import numpy as np

from .boxes import areas

GROUP = 16  # channels; 8 to 32 are alike, see docs/performance.md


def real_rows(graph, flags):
    """int64 [R], R >= 1: where bool [N] is true, or 0 where it is nowhere: not every runtime's convolution takes zero rows."""
    none = graph(
        "Equal", graph("ReduceSum", graph.cast(flags, "int32"), [0], keepdims=1), np.array([0], np.int32)
    )
    first = graph("Equal", graph.arange(graph.length(flags)), 0)
    return graph.true_places(graph("Or", flags, graph("And", first, none)))


def levels(graph, rois, finest):
    """int32 [R], 0 for P2 to 3 for P5, of rois [R, 4]."""
    side = graph("Add", graph("Sqrt", graph("Relu", areas(graph, rois))), 1e-6)
    powers = finest * np.array([2, 4, 8], np.float32)
    reached = graph("GreaterOrEqual", graph("Unsqueeze", side, [1]), powers)
    return graph("ReduceSum", graph.cast(reached, "int32"), [1], keepdims=0)


def roi_align(graph, features, rois, flags, per_picture, size, config):
    """(pooled float32 [R, C, size, size], slots int64 [R]): the real ones of rois [N, 4] in canvas pixels, a level after the other.

    features: P2 to P5; flags: which of them are real, bool [N]; per_picture: how many of the N a picture has.
    """
    rows = real_rows(graph, flags)
    rois, picture = graph("Gather", rois, rows), graph("Div", rows, per_picture)
    level, channels = levels(graph, rois, config.roi_align_finest_scale), config.fpn_out_channels
    pooled, order = [], []
    for i, stride in enumerate(config.roi_align_featmap_strides):
        here = graph.true_places(graph("Equal", level, np.int32(i)))
        order.append(here)
        setting = dict(
            mode="avg",
            output_height=size,
            output_width=size,
            sampling_ratio=config.roi_layer["sample_num"],
            spatial_scale=1.0 / stride,
            coordinate_transformation_mode="half_pixel" if config.roi_align_aligned else "output_half_pixel",
        )
        pooled.append(
            pool(
                graph,
                features[i],
                graph("Gather", rois, here),
                graph("Gather", picture, here),
                channels,
                setting,
            )
        )
    pooled = graph("Transpose", graph("Concat", *pooled, axis=1), perm=[1, 0, 2])
    return graph("Reshape", pooled, [-1, channels, size, size]), graph(
        "Gather", rows, graph("Concat", *order, axis=0)
    )


def pool(graph, feature, rois, picture, channels, setting):
    """RoiAlign of one level in groups of channels: float32 [groups, R, the group's channels x size x size].

    The operator takes a RoI's channels one after the other, each from another map, and so finds no map in the cache. Given a group of
    channels as if it were a picture, and all RoIs for each group in turn, it stays with a few maps: more than twice as fast.
    """
    together = math.gcd(channels, GROUP)
    groups = channels // together
    feature = graph("Reshape", feature, [-1, together, 0, 0])
    batch = graph(
        "Add", graph("Mul", graph("Unsqueeze", picture, [0]), groups), np.arange(groups).reshape(-1, 1)
    )
    pooled = graph("RoiAlign", feature, graph("Tile", rois, [groups, 1]), graph.flat(batch), **setting)
    # all sides written out, as a level may have no RoI
    shape = graph(
        "Concat",
        [groups],
        graph.length(rois),
        [together * setting["output_height"] * setting["output_width"]],
        axis=0,
    )
    return graph("Reshape", pooled, shape, allowzero=1)
