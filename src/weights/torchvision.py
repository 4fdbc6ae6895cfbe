"""torchvision: `maskrcnn_resnet50_fpn`, and the classifier `resnet50` as a backbone.

Names of torchvision 0.8 to 0.28. Until 0.12 some names of FPN, RPN and mask head are without the inner `.0`.
"""

from __future__ import annotations

from typing import Dict, Mapping, Optional

import numpy as np

from .naming import IMAGENET_MEAN, IMAGENET_STD, SHORT_SIDE, NamingScheme, Requirements

# torchvision's COCO models have a class for every category id from 0 to 90. COCO uses 80 of them. 0 is the
# background.
COCO_ROWS = 91
COCO_IDS = tuple(i for i in range(COCO_ROWS) if i not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83))
_TABLE = (
    ("backbone.body.conv1", "backbone.conv1"),
    ("backbone.body.bn1", "backbone.bn1"),
    ("backbone.body.layer{}.{}.conv{}", "backbone.layer{}.{}.conv{}"),
    ("backbone.body.layer{}.{}.bn{}", "backbone.layer{}.{}.bn{}"),
    ("backbone.body.layer{}.{}.downsample.{}", "backbone.layer{}.{}.down_sample.{}"),
    ("backbone.fpn.inner_blocks.{}.0", "fpn.lateral.{}"),
    ("backbone.fpn.layer_blocks.{}.0", "fpn.output.{}"),
    ("rpn.head.conv.0.0", "rpn.conv"),
    ("rpn.head.cls_logits", "rpn.cls"),
    ("rpn.head.bbox_pred", "rpn.reg"),
    ("roi_heads.box_head.fc6", "box_head.fc.0"),
    ("roi_heads.box_head.fc7", "box_head.fc.1"),
    ("roi_heads.box_predictor.cls_score", "box_head.cls"),
    ("roi_heads.box_predictor.bbox_pred", "box_head.reg"),
    ("roi_heads.mask_head.{}.0", "mask_head.conv.{}"),
    ("roi_heads.mask_predictor.conv5_mask", "mask_head.up"),
    ("roi_heads.mask_predictor.mask_fcn_logits", "mask_head.logits"),
    # the older spelling
    ("backbone.fpn.inner_blocks.{}", "fpn.lateral.{}"),
    ("backbone.fpn.layer_blocks.{}", "fpn.output.{}"),
    ("rpn.head.conv", "rpn.conv"),
    ("roi_heads.mask_head.mask_fcn{+1}", "mask_head.conv.{}"),
    # the classifier
    ("conv1", "backbone.conv1"),
    ("bn1", "backbone.bn1"),
    ("layer{}.{}.conv{}", "backbone.layer{}.{}.conv{}"),
    ("layer{}.{}.bn{}", "backbone.layer{}.{}.bn{}"),
    ("layer{}.{}.downsample.{}", "backbone.layer{}.{}.down_sample.{}"),
)


def _requirements(arrays, rest):
    settings = {
        "img_mean": IMAGENET_MEAN,
        "img_std": IMAGENET_STD,
        "channel_order": "RGB",
        "stride_in_1x1": False,
        "norm_eps": 1e-5,
    }
    cls = arrays.get("box_head.cls.weight")
    if cls is None:
        return Requirements(settings)
    settings.update(SHORT_SIDE, roi_align_aligned=False, anchor_round=True)
    if len(cls) != COCO_ROWS:
        return Requirements(settings)
    # With weights=COCO_V1 torchvision sets the epsilon of its norms to 0, because they were trained so.
    settings["norm_eps"] = 0.0
    return Requirements(
        settings,
        (
            "norm_eps=0, as the published COCO_V1 weights want it; a model of 91 classes that you trained "
            "yourself wants norm_eps=1e-5 after the file names",
        ),
    )


TORCHVISION = NamingScheme(
    "torchvision", "torchvision", _TABLE, r".*\.num_batches_tracked|fc\.(weight|bias)", _requirements
)


def project_name(name: str) -> Optional[str]:
    """This project's name of an entry of torchvision's state_dict, or None if there is none."""
    return TORCHVISION.own_name(name)


def from_torchvision(state_dict: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """torchvision's state_dict {name: array} under this project's names. All class rows stay as they are."""
    return TORCHVISION.rename(state_dict)[0]
