"""The network up to RoIAlign: anchors, ResNet, FPN, RPN, RoIAlign."""

from __future__ import annotations

import math

from .key import Key


def _feature_shapes(values):
    height = values["img_height"]
    width = values["img_width"]
    return tuple(
        (math.ceil(height / stride), math.ceil(width / stride)) for stride in values["anchor_strides"]
    )


KEYS = (
    # anchors
    Key(
        "feature_shapes",
        ((192, 320), (96, 160), (48, 80), (24, 40), (12, 20)),
        "feature map sizes of P2 to P6",
        derived=_feature_shapes,
        derived_from="img_height, img_width and anchor_strides",
    ),
    Key("anchor_scales", (8,), "anchor side over its level's stride", kind=(float,), above=0, network=True),
    Key("anchor_ratios", (0.5, 1.0, 2.0), "anchor height over width", above=0, network=True),
    Key("anchor_strides", (4, 8, 16, 32, 64), "stride of each pyramid level, in pixels", network=True),
    Key(
        "num_anchors",
        3,
        "anchors at a location",
        derived=lambda values: len(values["anchor_scales"]) * len(values["anchor_ratios"]),
        derived_from="anchor_scales and anchor_ratios",
    ),
    Key(
        "anchor_round",
        False,
        "round base anchors to whole pixels (torchvision's published weights)",
        network=True,
    ),
    # ResNet
    Key("resnet_block", (3, 4, 6, 3), "bottleneck blocks in each stage", low=1, length=4, network=True),
    Key(
        "resnet_in_channels",
        (64, 256, 512, 1024),
        "channels into each stage; the first is the stem's width",
        low=1,
        length=4,
        derived=lambda values: values["resnet_in_channels"][:1] + values["resnet_out_channels"][:3],
        derived_from="resnet_out_channels",
        network=True,
    ),
    Key(
        "resnet_out_channels",
        (256, 512, 1024, 2048),
        "channels out of each stage; a block's inner width is a quarter",
        low=1,
        length=4,
        network=True,
    ),
    Key(
        "stride_in_1x1",
        False,
        "a block's stride is in its first 1x1 convolution (Caffe2's ResNet, detectron2) instead of its 3x3",
        network=True,
    ),
    Key(
        "norm",
        "auto",
        "'frozen' (folded into its convolution), 'bn', 'sync_bn', 'gn'; 'auto': frozen when weights are "
        "loaded, else bn",
        choices=("auto", "frozen", "bn", "sync_bn", "gn"),
    ),
    Key("norm_eps", 1e-05, "epsilon of the norms", low=0, network=True),
    Key(
        "fold_norms",
        True,
        "frozen norms are folded into the convolutions' weights; False: computed after them, slower, "
        "rounding as torchvision",
    ),
    Key(
        "freeze_at",
        2,
        "fixed stages (batch norms too) when weights are loaded: 0 none, 1 stem, 2 stem and first "
        "stage, ... 5 the trunk",
        low=0,
        high=5,
    ),
    # FPN
    Key(
        "fpn_in_channels",
        (256, 512, 1024, 2048),
        "channels of C2 to C5",
        derived=lambda values: values["resnet_out_channels"],
        derived_from="resnet_out_channels",
    ),
    Key("fpn_out_channels", 256, "channels of every pyramid level", low=1, network=True),
    Key(
        "fpn_norm",
        "none",
        "norm of the pyramid's convolutions: 'none', 'bn', 'sync_bn', 'gn'",
        choices=("none", "bn", "sync_bn", "gn"),
        network=True,
    ),
    Key(
        "fpn_num_outs",
        5,
        "pyramid levels",
        derived=lambda values: len(values["anchor_strides"]),
        derived_from="anchor_strides",
    ),
    # RPN
    Key(
        "rpn_in_channels",
        256,
        "channels that the RPN takes",
        derived=lambda values: values["fpn_out_channels"],
        derived_from="fpn_out_channels={fpn_out_channels}",
    ),
    Key("rpn_feat_channels", 256, "channels of the RPN's 3x3 convolution", low=1, network=True),
    Key("rpn_loss_cls_weight", 1.0, "weight of the objectness loss within the RPN loss", low=0),
    Key("rpn_loss_reg_weight", 1.0, "weight of the box loss within the RPN loss", low=0),
    Key(
        "rpn_cls_out_channels",
        1,
        "objectness channels an anchor: 1 with a sigmoid, 2 with a softmax",
        derived=lambda values: 1 if values["use_sigmoid_cls"] else 2,
        derived_from="use_sigmoid_cls={use_sigmoid_cls}",
    ),
    Key("rpn_target_means", (0.0, 0.0, 0.0, 0.0), "means of the RPN's box deltas", length=4, network=True),
    Key(
        "rpn_target_stds",
        (1.0, 1.0, 1.0, 1.0),
        "standard deviations of the RPN's box deltas",
        above=0,
        length=4,
        network=True,
    ),
    Key("rpn_smooth_l1_beta", 1 / 9, "where the RPN's smooth L1 turns from square to line", low=0),
    # RoIAlign
    Key(
        "roi_layer",
        {"type": "RoIAlign", "out_size": 7, "mask_out_size": 14, "sample_num": 2},
        "RoIAlign's output sizes and samples a cell side (0: as many as it is cells wide, CPU kernels only)",
        network=True,
    ),
    Key(
        "roi_align_out_channels",
        256,
        "channels that RoIAlign gives",
        derived=lambda values: values["fpn_out_channels"],
        derived_from="fpn_out_channels={fpn_out_channels}",
    ),
    Key(
        "roi_align_featmap_strides",
        (4, 8, 16, 32),
        "strides of the levels that RoIs are taken from",
        derived=lambda values: values["anchor_strides"][:4],
        derived_from="anchor_strides",
    ),
    Key(
        "roi_align_finest_scale",
        56,
        "RoIs up to twice this side come from P2, to four times from P3, ...",
        low=1,
        network=True,
    ),
    Key(
        "roi_sample_num",
        640,
        "padded RoI slots a picture",
        derived=lambda values: values["num_expected_pos_stage2"] + values["num_expected_neg_stage2"],
        derived_from="num_expected_pos_stage2 + num_expected_neg_stage2",
    ),
    Key("roi_align_aligned", True, "half-pixel-correct RoIAlign", network=True),
)
