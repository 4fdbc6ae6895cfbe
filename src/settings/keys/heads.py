"""The second stage: box head and mask head."""

from __future__ import annotations

from .key import Key

KEYS = (
    Key("rcnn_num_layers", 2, "fully connected layers of the box head", low=1, network=True),
    Key(
        "rcnn_in_channels",
        256,
        "channels that the box and mask heads take",
        derived=lambda values: values["fpn_out_channels"],
        derived_from="fpn_out_channels={fpn_out_channels}",
    ),
    Key(
        "rcnn_num_convs",
        0,
        "3x3 convolutions before them (4, with rcnn_num_layers=1: the 4conv1fc head)",
        low=0,
        network=True,
    ),
    Key("rcnn_conv_out_channels", 256, "channels of those convolutions", low=1, network=True),
    Key(
        "rcnn_norm", "gn", "norm of those convolutions", choices=("none", "bn", "sync_bn", "gn"), network=True
    ),
    Key("rcnn_fc_out_channels", 1024, "width of the box head", low=1, network=True),
    Key("rcnn_mask_out_channels", 256, "width of the mask head", low=1, network=True),
    Key(
        "rcnn_mask_norm",
        "none",
        "norm of the mask head's 3x3 convolutions",
        choices=("none", "bn", "sync_bn", "gn"),
        network=True,
    ),
    Key("rcnn_loss_cls_weight", 1, "weight of the class loss", kind=float, low=0),
    Key("rcnn_loss_reg_weight", 1, "weight of the box loss", kind=float, low=0),
    Key("rcnn_loss_mask_fb_weight", 1, "weight of the mask loss", kind=float, low=0),
    Key(
        "rcnn_target_means",
        (0.0, 0.0, 0.0, 0.0),
        "means of the second stage's box deltas",
        length=4,
        network=True,
    ),
    Key(
        "rcnn_target_stds",
        (0.1, 0.1, 0.2, 0.2),
        "standard deviations of the second stage's box deltas",
        above=0,
        length=4,
        network=True,
    ),
    Key("rcnn_smooth_l1_beta", 1.0, "where the second stage's smooth L1 turns from square to line", low=0),
)
