"""Training: anchors and RoIs are assigned and sampled, proposals are chosen."""

from __future__ import annotations

from .key import Key

KEYS = (
    # assignment and sampling of anchors
    Key("neg_iou_thr", 0.3, "an anchor under this IoU with every object is negative", low=0, high=1),
    Key("pos_iou_thr", 0.7, "an anchor of at least this IoU with an object is positive", low=0, high=1),
    Key("min_pos_iou", 0.3, "floor under an object's best anchor, which is positive too", low=0, high=1),
    Key(
        "num_bboxes",
        245520,
        "anchors of a picture",
        derived=lambda values: values["num_anchors"] * sum(h * w for h, w in values["feature_shapes"]),
        derived_from="the canvas and the anchors",
    ),
    Key(
        "num_gts",
        128,
        "slots for ground-truth objects",
        derived=lambda values: values["max_instance_count"],
        derived_from="max_instance_count",
    ),
    Key("num_expected_neg", 256, "anchors sampled a picture in all", low=1),
    Key("num_expected_pos", 128, "at most this many of them positive", low=1),
    # proposals
    Key(
        "activate_num_classes",
        2,
        "classes of the RPN",
        derived=lambda values: 2,
        derived_from="the RPN (object or not)",
    ),
    Key("use_sigmoid_cls", True, "objectness by a sigmoid (else a softmax of two)", network=True),
    Key("rpn_head_use_sigmoid", True, "another name of use_sigmoid_cls", alias="use_sigmoid_cls"),
    Key("rpn_head_weight", 1.0, "weight of the whole RPN loss", low=0),
    # assignment and sampling of RoIs
    Key(
        "num_mask_rois",
        None,
        "positive RoIs a picture that the mask branch learns from; not set: all of them",
        kind=int,
        low=1,
    ),
    Key("neg_iou_thr_stage2", 0.5, "a RoI under this IoU is background", low=0, high=1),
    Key("pos_iou_thr_stage2", 0.5, "a RoI of at least this IoU takes the object's class", low=0, high=1),
    Key("min_pos_iou_stage2", 0.5, "floor under an object's best RoI", low=0, high=1),
    Key(
        "num_bboxes_stage2",
        2000,
        "proposals that the second stage samples from",
        derived=lambda values: values["rpn_proposal_max_num"],
        derived_from="rpn_proposal_max_num={rpn_proposal_max_num}",
    ),
    Key("num_expected_pos_stage2", 128, "at most this many sampled RoIs positive", low=1),
    Key("num_expected_neg_stage2", 512, "at most this many sampled RoIs background", low=1),
    Key("num_expected_total_stage2", 512, "RoIs sampled a picture in all", low=1),
    # proposals in training
    Key("rpn_proposal_nms_across_levels", False, "one NMS over all levels (training)"),
    Key("rpn_proposal_nms_pre", 2000, "best anchors a level before NMS (training)", low=1),
    Key("rpn_proposal_nms_post", 2000, "proposals a level after NMS (training)", low=1),
    Key("rpn_proposal_max_num", 2000, "proposals a picture (training)", low=1),
    Key("rpn_proposal_nms_thr", 0.7, "IoU of the proposals' NMS (training)", low=0, high=1),
    Key(
        "rpn_proposal_min_bbox_size",
        0,
        "drop proposals under this width or height, in pixels (training)",
        kind=float,
        low=0,
    ),
)
