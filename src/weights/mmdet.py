"""mmdetection 2.x and 3.x: `mask_rcnn_r50_fpn` in the styles 'pytorch' and 'caffe'.

The background is the last class.
"""

from __future__ import annotations

import ast
import re
from typing import Iterable

from ..errors import CheckpointError
from .naming import IMAGENET_MEAN, IMAGENET_STD, SHORT_SIDE, NamingScheme, Requirements

_TABLE = (
    ("backbone.conv1", "backbone.conv1"),
    ("backbone.bn1", "backbone.bn1"),
    ("backbone.layer{}.{}.conv{}", "backbone.layer{}.{}.conv{}"),
    ("backbone.layer{}.{}.bn{}", "backbone.layer{}.{}.bn{}"),
    ("backbone.layer{}.{}.downsample.{}", "backbone.layer{}.{}.down_sample.{}"),
    ("neck.lateral_convs.{}.conv", "fpn.lateral.{}"),
    ("neck.fpn_convs.{}.conv", "fpn.output.{}"),
    ("rpn_head.rpn_conv", "rpn.conv"),
    ("rpn_head.rpn_cls", "rpn.cls"),
    ("rpn_head.rpn_reg", "rpn.reg"),
    ("roi_head.bbox_head.shared_fcs.{}", "box_head.fc.{}"),
    ("roi_head.bbox_head.fc_cls", "box_head.cls"),
    ("roi_head.bbox_head.fc_reg", "box_head.reg"),
    ("roi_head.mask_head.convs.{}.conv", "mask_head.conv.{}"),
    ("roi_head.mask_head.upsample", "mask_head.up"),
    ("roi_head.mask_head.conv_logits", "mask_head.logits"),
)
# "= [123.675, 116.28, 103.53]" in the text of a configuration
_NUMBERS = r"\s*=\s*([\[(][\d.,\s]*[\])])"


def _requirements(arrays, rest):
    settings = {
        "img_mean": IMAGENET_MEAN,
        "img_std": IMAGENET_STD,
        "channel_order": "RGB",
        "stride_in_1x1": False,
        "norm_eps": 1e-5,
        "roi_align_aligned": True,
        "anchor_round": False,
        **SHORT_SIDE,
    }
    remarks = []
    names = _class_names(rest)
    if names is not None:
        settings["coco_classes"] = ("background", *names)
    text = _config_text(rest)
    if text is None:
        remarks.append(
            "the file does not hold its configuration: style 'pytorch' is taken (RGB, ImageNet statistics); "
            "for style 'caffe' write channel_order=BGR img_mean=[103.53,116.28,123.675] img_std=[1,1,1] "
            "stride_in_1x1=True after the file names"
        )
        return Requirements(settings, tuple(remarks))
    for key, word in (("img_mean", "mean"), ("img_std", "std")):
        found = re.search(r"(?<![a-z_])" + word + _NUMBERS, text)
        if found:
            settings[key] = tuple(float(number) for number in ast.literal_eval(found[1]))
    is_rgb = re.search(r"(?:to_rgb|bgr_to_rgb)\s*=\s*(True|False)", text)
    if is_rgb:
        settings["channel_order"] = "RGB" if is_rgb[1] == "True" else "BGR"
    if re.search(r"style\s*=\s*['\"]caffe['\"]", text):
        settings["stride_in_1x1"] = True
    remarks.append("pixel statistics, channel order and stride are those of the configuration in the file")
    return Requirements(settings, tuple(remarks))


def _class_names(rest):
    """The class names that mmdetection 2.x or 3.x wrote beside the weights, or None."""
    meta = rest.get("meta", {})
    inner = meta.get("dataset_meta") or {}
    names = meta.get("CLASSES") or inner.get("classes") or inner.get("CLASSES")
    return tuple(str(name) for name in names) if isinstance(names, (list, tuple)) else None


def _config_text(rest):
    """The text of the model's configuration file, or None."""
    meta = rest.get("meta", {})
    for text in (meta.get("config"), meta.get("cfg")):
        if isinstance(text, str) and "backbone" in text:
            return text
    return None


def refuse_mmdet_1(names: Iterable[str], path: str) -> None:
    """Refuse files of mmdetection 1.x: there the background is the first class, and boxes are a pixel larger.

    Raises:
        CheckpointError: for such a file.
    """
    if any(name.startswith("bbox_head.shared_fcs") for name in names):
        raise CheckpointError(
            f"{path}: a model of mmdetection 1.x, whose boxes are one pixel larger; "
            "train it again or take a model of 2.x or 3.x"
        )


MMDET = NamingScheme(
    "mmdet",
    "mmdetection",
    _TABLE,
    r".*\.num_batches_tracked|data_preprocessor\.(mean|std)",
    _requirements,
    background="last",
)
