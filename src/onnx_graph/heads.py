"""The second stage: box head, final detections and mask head, as `BoxHead`, `DetectionGenerator` and `MaskHead` have them."""

from __future__ import annotations

import math

import numpy as np

from . import boxes as box_nodes
from .roi_align import roi_align


def box_head(layers, pooled, config):
    """(class logits [R, C], deltas [R, 4C]) of pooled [R, channels, s, s]."""
    graph, x = layers.graph, pooled
    graph.part = "box_head"
    for i in range(config.rcnn_num_convs):
        x = layers.conv(x, f"box_head.convs.{i}", 1, config.rcnn_norm, f"box_head.norms.{i}", relu=True)
    x = graph("Flatten", x)
    for i in range(config.rcnn_num_layers):
        x = layers.dense(x, f"box_head.fc.{i}", relu=True)
    return layers.dense(x, "box_head.cls"), layers.dense(x, "box_head.reg")


def detections(layers, features, rois, valid, per_picture, config, limit):
    """Boxes float32 [B, D, 4], scores float32 [B, D], labels int64 [B, D] and found bool [B, D] of proposals [B, P, 4], valid bool [B, P].

    Every (RoI, class) pair is a candidate of its own. Each class is moved to a place of its own, so that one NMS does the work of one a
    class (see `DetectionGenerator`, also for the places).
    """
    graph, classes, wanted = layers.graph, config.num_classes, config.test_max_per_img
    graph.part = "box_align"
    flat, flags = graph("Reshape", rois, [-1, 4]), graph.flat(valid)
    pooled, slots = roi_align(graph, features, flat, flags, per_picture, config.roi_layer["out_size"], config)
    logits, deltas = box_head(layers, pooled, config)
    graph.part = "detections"
    scores = graph("Slice", graph("Softmax", logits, axis=-1), [1], [classes], [1])
    scores = graph(
        "Mul", scores, graph("Unsqueeze", graph.cast(graph("Gather", flags, slots), "float32"), [1])
    )
    count, where = graph.length(flags), graph("Unsqueeze", slots, [1])
    canvas = graph.filled(graph("Concat", count, [classes - 1], axis=0), np.float32(0))
    scores = graph("Reshape", graph("ScatterND", canvas, where, scores), [-1, per_picture * (classes - 1)])
    candidates = min(config.test_nms_pre, per_picture * (classes - 1))
    scores, pair = box_nodes.best(graph, scores, candidates)
    label = graph("Add", graph("Mod", pair, classes - 1), 1)
    first = graph("Mul", graph("Unsqueeze", graph.arange(graph.length(valid)), [1]), per_picture)
    slot = graph("Add", graph("Div", pair, classes - 1), first)
    row = graph(
        "Gather",
        graph("ScatterND", graph.filled(count, np.int64(0)), where, graph.arange(graph.length(slots))),
        slot,
    )
    moves = graph(
        "Gather", graph("Reshape", deltas, [-1, 4]), graph("Add", graph("Mul", row, classes), label)
    )
    boxes = box_nodes.decode(
        graph, graph("Gather", flat, slot), moves, config.rcnn_target_means, config.rcnn_target_stds
    )
    boxes = box_nodes.clip(graph, boxes, limit)
    usable = graph(
        "And",
        graph("Greater", scores, float(config.test_score_thr)),
        box_nodes.at_least(graph, boxes, config.test_min_bbox_size),
    )
    columns = math.ceil(math.sqrt(classes))
    x = graph("Mul", graph.cast(graph("Mod", label, columns), "float32"), np.float32(config.img_width + 1.0))
    y = graph("Mul", graph.cast(graph("Div", label, columns), "float32"), np.float32(config.img_height + 1.0))
    place = graph("Concat", *(graph("Unsqueeze", one, [2]) for one in (x, y, x, y)), axis=2)
    kept = box_nodes.suppress(
        graph,
        graph("Add", boxes, place),
        graph("Where", usable, scores, -1.0),
        config.test_iou_thr,
        wanted,
        0.0,
        -1.0,
    )
    scores, index = box_nodes.best(graph, kept, min(wanted, candidates))
    boxes, label = graph.pick(boxes, index), graph.pick(label, index)
    if candidates < wanted:
        scores, label = (graph("Pad", array, [0, 0, 0, wanted - candidates]) for array in (scores, label))
        boxes = graph("Pad", boxes, [0, 0, 0, 0, wanted - candidates, 0])
    found = graph("Greater", scores, 0.0)
    boxes = graph("Mul", boxes, graph("Unsqueeze", graph.cast(found, "float32"), [2]))
    return boxes, graph("Relu", scores), graph("Mul", label, graph.cast(found, "int64")), found


def mask_head(layers, x, classes, config):
    """Mask logits [R, 2s, 2s] of pooled [R, channels, s, s] for the class int64 [R] of each.

    As in `MaskHead`, the transposed convolution is a 1x1 convolution to a cell's four sub-pixels, which are put in their places at the end.
    """
    graph, side, width, weights = (
        layers.graph,
        config.roi_layer["mask_out_size"],
        config.rcnn_mask_out_channels,
        layers.weights,
    )
    graph.part = "mask_head"
    halves = config.rcnn_mask_norm != "gn" and side % 2 == 0
    maps = half_rows(graph, x, side) if halves else [x]
    for i in range(4):
        name, norm = f"mask_head.conv.{i}", f"mask_head.norms.{i}"
        if halves:
            maps = conv_of_half_rows(layers, *maps, *layers.folded(name, config.rcnn_mask_norm, norm))
        else:
            maps = [layers.conv(maps[0], name, 1, config.rcnn_mask_norm, norm, relu=True)]
    row = graph("Reshape", graph("Gather", weights["mask_head.logits_weight"], classes), [-1, 1, 1, width])
    up = weights["mask_head.up_weight"].transpose(2, 3, 1, 0).reshape(4 * width, width, 1, 1)
    for i, x in enumerate(maps):
        x = graph("Relu", layers.convolve(x, up, np.tile(weights["mask_head.up_bias"], 4)))
        x = graph("MatMul", row, graph("Reshape", x, [-1, 4, width, side * side // len(maps)]))
        maps[i] = graph("Reshape", x, [-1, 2, 2, side // len(maps), 1, side])
    x = (
        graph("Concat", *maps, axis=4) if len(maps) > 1 else maps[0]
    )  # [R, sub-row, sub-column, row of a half, half, column]
    x = graph("Reshape", graph("Transpose", x, perm=[0, 3, 4, 1, 5, 2]), [-1, 2 * side, 2 * side])
    return graph(
        "Add", x, graph("Reshape", graph("Gather", weights["mask_head.logits_bias"], classes), [-1, 1, 1])
    )


def half_rows(graph, x, side):
    """[even rows, odd rows], each [R, C, side / 2, side], of x [R, C, side, side]."""
    channels = graph("Reshape", x, [0, 0, side // 2, 2 * side])
    return graph("Split", channels, [side, side], axis=3, outputs=2)


def conv_of_half_rows(layers, even, odd, weight, bias):
    """[even rows, odd rows] of relu(a 3x3 convolution) of a map that is given so; weight [out, in, 3, 3], bias [out].

    Winograd's F(2, 3) (Lavin & Gray 2016) down the rows: two rows of the answer take 4 products a column of the kernel, not 6. Its input and
    output transforms are sums of halves, which cost little; the answer differs by rounding alone.
    """
    graph, g = layers.graph, weight.astype(np.float64)

    def shifted(x, taps, channels=weight.shape[1]):
        """x's rows mixed: taps for the row above, itself and the row below, or for itself alone."""
        kernel = np.tile(np.array(taps, np.float32).reshape(1, 1, -1, 1), (channels, 1, 1, 1))
        return graph(
            "Conv",
            x,
            kernel,
            group=channels,
            kernel_shape=list(kernel.shape[2:]),
            pads=[len(taps) // 2, 0, len(taps) // 2, 0],
        )

    def product(x, kernel, offset=None):
        given = (x, kernel[:, :, None].astype(np.float32)) + (
            () if offset is None else (offset.astype(np.float32),)
        )
        return graph("Conv", *given, kernel_shape=[1, 3], pads=[0, 1, 0, 1])

    first, last = (
        product(shifted(odd, [1, -1, 0]), g[:, :, 0], bias),
        product(shifted(even, [0, -1, 1]), g[:, :, 2], bias),
    )
    plus = product(graph("Add", even, odd), (g[:, :, 0] + g[:, :, 1] + g[:, :, 2]) / 2)
    minus = product(graph("Add", shifted(even, [-1]), odd), (g[:, :, 0] - g[:, :, 1] + g[:, :, 2]) / 2)
    return [
        graph("Relu", graph("Add", first, graph("Add", plus, minus))),
        graph("Relu", graph("Add", last, graph("Add", shifted(minus, [-1], weight.shape[0]), plus))),
    ]


def masks(layers, features, boxes, labels, found, config):
    """Mask probabilities [B, D, 2s, 2s] of final boxes [B, D, 4], labels int64 [B, D], found bool [B, D]; zeros where not found."""
    graph, count, side = layers.graph, config.test_max_per_img, config.mask_shape[0]
    graph.part = "mask_align"
    flags = graph.flat(found)
    pooled, slots = roi_align(
        graph,
        features,
        graph("Reshape", boxes, [-1, 4]),
        flags,
        count,
        config.roi_layer["mask_out_size"],
        config,
    )
    logits = mask_head(layers, pooled, graph("Gather", graph.flat(labels), slots), config)
    graph.part = "masks"
    real = graph("Reshape", graph.cast(graph("Gather", flags, slots), "float32"), [-1, 1, 1])
    canvas = graph.filled(graph("Concat", graph.length(flags), [side, side], axis=0), np.float32(0))
    filled = graph(
        "ScatterND", canvas, graph("Unsqueeze", slots, [1]), graph("Mul", graph("Sigmoid", logits), real)
    )
    return graph("Reshape", filled, [-1, count, side, side])
