"""MindSpore's model zoo: its ResNet-50 classifier as a backbone."""

from __future__ import annotations

from .mindcv import BACKBONE_TABLE, OPTIMIZER_ENTRIES
from .naming import IMAGENET_MEAN, IMAGENET_STD, NamingScheme, Requirements

_TABLE = (*BACKBONE_TABLE, ("layer{}.{}.down_sample_layer.{}", "backbone.layer{}.{}.down_sample.{}"))


def _requirements(arrays, rest):
    # its source normalises RGB pixels with 0.485 * 255 and so on, and its norms have eps 1e-4
    return Requirements(
        {
            "img_mean": IMAGENET_MEAN,
            "img_std": IMAGENET_STD,
            "channel_order": "RGB",
            "stride_in_1x1": False,
            "norm_eps": 1e-4,
        },
        caution="the model zoo's ResNet pads what has a stride of 2 more at the bottom and right "
        "(pad_mode 'same'), this network on all sides alike: "
        "features are shifted by part of a cell until fine-tuning makes up for it",
    )


MODELZOO = NamingScheme(
    "modelzoo",
    "MindSpore's model zoo",
    _TABLE,
    rf"end_point\.(?:weight|bias)|{OPTIMIZER_ENTRIES}",
    _requirements,
    torch_leaves=False,
)
