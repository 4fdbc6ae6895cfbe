"""MindCV: `resnet50` and deeper ResNets as a backbone."""

from __future__ import annotations

from .naming import IMAGENET_MEAN, IMAGENET_STD, NamingScheme, Requirements

BACKBONE_TABLE = (
    ("conv1", "backbone.conv1"),
    ("bn1", "backbone.bn1"),
    ("layer{}.{}.conv{}", "backbone.layer{}.{}.conv{}"),
    ("layer{}.{}.bn{}", "backbone.layer{}.{}.bn{}"),
)
_TABLE = (*BACKBONE_TABLE, ("layer{}.{}.down_sample.{}", "backbone.layer{}.{}.down_sample.{}"))
# Entries of an optimiser and a training loop, which MindSpore's callbacks write into a checkpoint.
OPTIMIZER_ENTRIES = (
    r"(?:moments?|moment[12]|accum|stat|momentum|learning_rate|lr|global_step|step_num|epoch_num"
    r"|current_iterator_step|last_overflow_iterator_step|scale_sense|loss_scale)(?:\..*)?"
)


def _requirements(arrays, rest):
    return Requirements(
        {
            "img_mean": IMAGENET_MEAN,
            "img_std": IMAGENET_STD,
            "channel_order": "RGB",
            "stride_in_1x1": False,
            "norm_eps": 1e-5,
        },
        caution="MindCV's first pooling pads at the bottom and right only, this network on all sides: "
        "features are shifted by part of a cell until fine-tuning makes up for it",
    )


MINDCV = NamingScheme(
    "mindcv",
    "MindCV",
    _TABLE,
    rf"(?:classifier|fc|head\.dense)\.(?:weight|bias)|{OPTIMIZER_ENTRIES}",
    _requirements,
    torch_leaves=False,
)
