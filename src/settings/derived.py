"""Keys that follow from other keys: computed where the user wrote nothing, checked where the user wrote something."""

from __future__ import annotations

import math

from ..errors import ConfigError


def finalize(values, written):
    """The complete values: ranges checked, derived keys computed. Raises ConfigError naming both keys of a contradiction."""
    values = dict(values)
    _check_ranges(values)
    _check_canvas(values)

    def derive(name, value, origin):
        if name in written and values[name] != value:
            raise ConfigError(
                f"{name}={_plain(values[name])} contradicts {origin}, which gives {_plain(value)}: "
                "leave it out or change the other"
            )
        values[name] = value

    height, width, strides = values["img_height"], values["img_width"], values["anchor_strides"]
    shapes = tuple((math.ceil(height / stride), math.ceil(width / stride)) for stride in strides)
    _check_augmentation(values)
    if values["large_scale_jitter"] is not None:
        derive("expand_ratio", 0.0, "large_scale_jitter (which has its own way to make objects small)")
    derive("feature_shapes", shapes, "img_height, img_width and anchor_strides")
    derive(
        "num_anchors",
        len(values["anchor_scales"]) * len(values["anchor_ratios"]),
        "anchor_scales and anchor_ratios",
    )
    derive(
        "num_bboxes",
        values["num_anchors"] * sum(h * w for h, w in values["feature_shapes"]),
        "the canvas and the anchors",
    )
    derive("fpn_num_outs", len(strides), "anchor_strides")
    derive("roi_align_featmap_strides", strides[:4], "anchor_strides")
    derive("num_gts", values["max_instance_count"], "max_instance_count")
    derive("mask_shape", (2 * values["roi_layer"]["mask_out_size"],) * 2, "roi_layer.mask_out_size")
    derive(
        "resnet_in_channels",
        (values["resnet_in_channels"][0],) + values["resnet_out_channels"][:3],
        "resnet_out_channels",
    )
    derive("fpn_in_channels", values["resnet_out_channels"], "resnet_out_channels")
    for name in ("rpn_in_channels", "roi_align_out_channels", "rcnn_in_channels"):
        derive(name, values["fpn_out_channels"], f"fpn_out_channels={values['fpn_out_channels']}")
    derive("activate_num_classes", 2, "the RPN (object or not)")
    derive(
        "rpn_cls_out_channels",
        1 if values["use_sigmoid_cls"] else 2,
        f"use_sigmoid_cls={values['use_sigmoid_cls']}",
    )
    derive(
        "num_bboxes_stage2",
        values["rpn_proposal_max_num"],
        f"rpn_proposal_max_num={values['rpn_proposal_max_num']}",
    )
    derive(
        "roi_sample_num",
        values["num_expected_pos_stage2"] + values["num_expected_neg_stage2"],
        "num_expected_pos_stage2 + num_expected_neg_stage2",
    )
    if values["early_stop"] is not None and values["eval_interval"] is None:
        raise ConfigError(
            f"early_stop={values['early_stop']} needs evaluations while training: set eval_interval (1, say)"
        )
    if values["amp_level"] != "auto":
        compute = "float32" if values["amp_level"] == "O0" else "float16"
        if values["compute_type"] not in ("auto", compute):
            raise ConfigError(
                f"compute_type={values['compute_type']} contradicts amp_level={values['amp_level']}, which computes in {compute}: "
                "leave one of them out"
            )
        values["compute_type"] = compute
    if values["coco_classes"] != "auto":
        _check_classes(values["coco_classes"])
        derive(
            "num_classes",
            len(values["coco_classes"]),
            f"coco_classes ({len(values['coco_classes'])} names with the background)",
        )
    return values


def _plain(value):
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _check_augmentation(values):
    scales, sides, strengths = values["large_scale_jitter"], values["multi_scale"], values["color_jitter"]
    if scales is not None:
        if len(scales) != 2 or scales[0] > scales[1]:
            raise ConfigError(
                f"large_scale_jitter={list(scales)}: the lowest and the highest scale expected, e.g. [0.1, 2.0]"
            )
        if sides is not None:
            raise ConfigError(
                "large_scale_jitter and multi_scale both choose a picture's size: leave one out"
            )
    longest = min(values["img_height"], values["img_width"])
    if sides is not None and max(sides) > longest:
        raise ConfigError(
            f"multi_scale={list(sides)}: a short side of {max(sides)} never fits img_height={values['img_height']} "
            f"img_width={values['img_width']}; at most {longest}"
        )
    if strengths is not None and (len(strengths) != 4 or strengths[3] > 0.5):
        raise ConfigError(
            f"color_jitter={list(strengths)}: four strengths expected, the last (hue) at most 0.5, e.g. [0.4, 0.4, 0.4, 0.1]"
        )


def _check_classes(names):
    if len(names) < 2:
        raise ConfigError(f"coco_classes={list(names)}: 'background' and at least one class expected")
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ConfigError(f"coco_classes: '{doubled[0]}' stands there twice")
    if names[0] != "background":
        raise ConfigError(f"coco_classes: the first name is '{names[0]}'; it has to be 'background'")


def _check_canvas(values):
    strides = values["anchor_strides"]
    if (
        len(strides) != 5
        or any(big != 2 * small for small, big in zip(strides, strides[1:]))
        or strides[0] != 4
    ):
        raise ConfigError(
            f"anchor_strides={list(strides)}: a ResNet's pyramid has the five strides 4, 8, 16, 32, 64"
        )
    for name in ("img_width", "img_height"):
        if values[name] % 32:
            raise ConfigError(
                f"{name}={values[name]}: a multiple of 32 expected; the nearest is {max(32, round(values[name] / 32) * 32)}"
            )
    for name in ("resnet_block", "resnet_in_channels", "resnet_out_channels"):
        if len(values[name]) != 4:
            raise ConfigError(f"{name}={list(values[name])}: four stages expected")
    for value in values["resnet_out_channels"]:
        if value % 4:
            raise ConfigError(
                f"resnet_out_channels={list(values['resnet_out_channels'])}: multiples of 4 expected "
                "(a block's inner width is a quarter)"
            )
    for name, count in (
        ("img_mean", 3),
        ("img_std", 3),
        ("rpn_target_means", 4),
        ("rpn_target_stds", 4),
        ("rcnn_target_means", 4),
        ("rcnn_target_stds", 4),
    ):
        if len(values[name]) != count:
            raise ConfigError(f"{name}={list(values[name])}: {count} numbers expected")
    if values["roi_layer"]["type"] != "RoIAlign":
        raise ConfigError(f"roi_layer.type={values['roi_layer']['type']}: RoIAlign expected")
    for name, low in (("out_size", 1), ("mask_out_size", 1), ("sample_num", 0)):
        if values["roi_layer"][name] < low:
            raise ConfigError(f"roi_layer.{name}={values['roi_layer'][name]}: at least {low} expected")


# name: (lowest, highest); None is no bound
_RANGES = {
    **dict.fromkeys(("crop_ratio", "copy_paste_ratio", "repeat_factor_threshold"), (0, 1)),
    "crop_min_side": (1e-3, 1),
    "large_scale_jitter": (0.01, 10),
    "multi_scale": (32, None),
    "color_jitter": (0, None),
    **dict.fromkeys(
        (
            "flip_ratio",
            "expand_ratio",
            "neg_iou_thr",
            "pos_iou_thr",
            "min_pos_iou",
            "neg_iou_thr_stage2",
            "pos_iou_thr_stage2",
            "min_pos_iou_stage2",
            "rpn_proposal_nms_thr",
            "rpn_nms_thr",
            "test_score_thr",
            "test_iou_thr",
            "mask_thr_binary",
            "momentum",
            "warmup_ratio",
            "ema_decay",
        ),
        (0, 1),
    ),
    **dict.fromkeys(("img_width", "img_height"), (64, None)),
    **dict.fromkeys(
        (
            "max_instance_count",
            "resnet_block",
            "resnet_in_channels",
            "resnet_out_channels",
            "fpn_out_channels",
            "rpn_feat_channels",
            "num_expected_neg",
            "num_expected_pos",
            "num_expected_pos_stage2",
            "num_expected_neg_stage2",
            "num_expected_total_stage2",
            "num_mask_rois",
            "rcnn_num_layers",
            "rcnn_conv_out_channels",
            "rcnn_fc_out_channels",
            "rcnn_mask_out_channels",
            "rpn_proposal_nms_pre",
            "rpn_proposal_nms_post",
            "rpn_proposal_max_num",
            "rpn_nms_pre",
            "rpn_nms_post",
            "rpn_max_num",
            "test_max_per_img",
            "test_nms_pre",
            "test_batch_size",
            "total_epoch",
            "epoch_size",
            "batch_size",
            "log_interval",
            "save_checkpoint_epochs",
            "keep_checkpoint_max",
            "num_parallel_workers",
            "base_step",
            "max_steps",
            "save_checkpoint_steps",
            "resize_short",
            "resize_long",
            "roi_align_finest_scale",
        ),
        (1, None),
    ),
    **dict.fromkeys(
        (
            "anchor_scales",
            "anchor_ratios",
            "rpn_target_stds",
            "rcnn_target_stds",
            "img_std",
            "loss_scale",
            "clip_grad_norm",
            "shard_mb",
        ),
        (1e-9, None),
    ),
    **dict.fromkeys(
        (
            "rcnn_num_convs",
            "base_lr",
            "weight_decay",
            "warmup_step",
            "pretrain_epoch_size",
            "norm_eps",
            "rpn_smooth_l1_beta",
            "rcnn_smooth_l1_beta",
            "rpn_proposal_min_bbox_size",
            "rpn_min_bbox_min_size",
            "test_min_bbox_size",
            "rpn_loss_cls_weight",
            "rpn_loss_reg_weight",
            "rpn_head_weight",
            "rcnn_loss_cls_weight",
            "rcnn_loss_reg_weight",
            "rcnn_loss_mask_fb_weight",
            "check_sync_steps",
            "save_checkpoint_minutes",
        ),
        (0, None),
    ),
    **dict.fromkeys(
        (
            "accumulate_steps",
            "base_batch",
            "loss_scale_window",
            "eval_interval",
            "early_stop",
            "picture_interval",
            "profile",
        ),
        (1, None),
    ),
    **dict.fromkeys(("clip_grad_value", "lr_gamma", "lr_milestones"), (1e-9, None)),
    "seed": (0, 2**32 - 1),
    "freeze_at": (0, 5),
    "num_classes": (2, None),
    "gt_mask_size": (28, 512),
}


def _check_ranges(values):
    if not values["compile_cache"]:
        raise ConfigError("compile_cache=: 'auto', 'off' or a folder expected")
    for name, (low, high) in _RANGES.items():
        value = values[name]
        for item in value if isinstance(value, tuple) else (value,):
            if not isinstance(item, (str, type(None))) and (item < low or (high is not None and item > high)):
                bound = (
                    f"{low} to {high}"
                    if high is not None
                    else f"at least {'more than 0' if low == 1e-9 else low}"
                )
                raise ConfigError(
                    f"{name}={_plain(value)}: {bound.replace('at least more', 'more')} expected"
                )
    for low, high in (
        ("neg_iou_thr", "pos_iou_thr"),
        ("neg_iou_thr_stage2", "pos_iou_thr_stage2"),
        ("pretrain_epoch_size", "epoch_size"),
        ("resize_short", "resize_long"),
    ):
        if values[low] > values[high]:
            raise ConfigError(f"{low}={values[low]} is over {high}={values[high]}")
