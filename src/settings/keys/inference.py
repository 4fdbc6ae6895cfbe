"""Inference: proposals, detections, masks."""

from __future__ import annotations

from .key import Key

KEYS = (
    Key("rpn_nms_across_levels", False, "one NMS over all levels", exported=True),
    Key("rpn_nms_pre", 1000, "best anchors a level before NMS", low=1, exported=True),
    Key("rpn_nms_post", 1000, "proposals a level after NMS", low=1, exported=True),
    Key("rpn_max_num", 1000, "proposals a picture", low=1, exported=True),
    Key("rpn_nms_thr", 0.7, "IoU of the proposals' NMS", low=0, high=1, exported=True),
    Key(
        "rpn_min_bbox_min_size",
        0,
        "drop proposals under this width or height, in pixels",
        kind=float,
        low=0,
        exported=True,
    ),
    Key(
        "test_score_thr", 0.05, "detections at or under this score are dropped", low=0, high=1, exported=True
    ),
    Key(
        "test_iou_thr",
        0.5,
        "IoU of the detections' NMS, which runs a class at a time",
        low=0,
        high=1,
        exported=True,
    ),
    Key("test_max_per_img", 100, "detections a picture", low=1, exported=True),
    Key(
        "test_nms_pre",
        2000,
        "best (RoI, class) pairs of a picture that enter the detections' NMS",
        low=1,
        exported=True,
    ),
    Key(
        "test_min_bbox_size",
        0,
        "drop detections under this width or height, in pixels",
        kind=float,
        low=0,
        exported=True,
    ),
    Key("mask_thr_binary", 0.5, "a pasted mask's pixel is set from this probability on", low=0, high=1),
    Key(
        "test_tta",
        (),
        "test-time augmentation, [flip, scales]: the network is also shown each picture mirrored; at 0.75 "
        "and, in four overlapping parts, at 1.5 times its size",
        kind=(str,),
        in_graph=False,
    ),
    Key(
        "test_tiles",
        None,
        "a picture with a longer side is also shown in tiles of so many pixels a side; what is found in them "
        "and in the whole picture is merged",
        kind=int,
        low=32,
        in_graph=False,
    ),
    Key(
        "test_tile_overlap",
        0.2,
        "how much neighbouring tiles overlap at least, as a share of their side",
        low=0,
        high=0.9,
        in_graph=False,
    ),
)
