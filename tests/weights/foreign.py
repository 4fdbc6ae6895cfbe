"""Random weights under torchvision's names, and under those of other projects.

The tables are written from the projects' own sources (see each), not from `src/weights`.
Class rows are moved here by plain NumPy.
"""

from __future__ import annotations

import re
import zlib

import numpy as np

COCO_UNUSED = (
    12,
    26,
    29,
    30,
    45,
    66,
    68,
    69,
    71,
    83,
)  # category ids that COCO 2017 does not use (its annotation files)


def torchvision_shapes(
    blocks=(2, 1, 1, 1),
    outs=(32, 64, 64, 64),
    stem=8,
    fpn=32,
    rpn=32,
    fc=24,
    mask=16,
    classes=81,
    anchors=3,
    pool=7,
):
    """{torchvision's name: shape} of a Mask R-CNN ResNet FPN; R50's are those of parity.npz."""
    shapes = {}

    def add(name, *shape, bias=True):
        shapes[f"{name}.weight"] = shape
        if bias:
            shapes[f"{name}.bias"] = (shape[0],)

    def norm(name, channels):
        shapes.update(
            {f"{name}.{leaf}": (channels,) for leaf in ("weight", "bias", "running_mean", "running_var")}
        )

    add("backbone.body.conv1", stem, 3, 7, 7, bias=False)
    norm("backbone.body.bn1", stem)
    before = stem
    for stage, (count, out) in enumerate(zip(blocks, outs), 1):
        for block in range(count):
            here = f"backbone.body.layer{stage}.{block}"
            width = out // 4
            for number, shape in enumerate(
                ((width, before, 1, 1), (width, width, 3, 3), (out, width, 1, 1)), 1
            ):
                add(f"{here}.conv{number}", *shape, bias=False)
                norm(f"{here}.bn{number}", shape[0])
            if block == 0:
                add(f"{here}.downsample.0", out, before, 1, 1, bias=False)
                norm(f"{here}.downsample.1", out)
            before = out
    for level, channels in enumerate(outs):
        add(f"backbone.fpn.inner_blocks.{level}.0", fpn, channels, 1, 1)
        add(f"backbone.fpn.layer_blocks.{level}.0", fpn, fpn, 3, 3)
    add("rpn.head.conv.0.0", rpn, fpn, 3, 3)
    add("rpn.head.cls_logits", anchors, rpn, 1, 1)
    add("rpn.head.bbox_pred", 4 * anchors, rpn, 1, 1)
    add("roi_heads.box_head.fc6", fc, fpn * pool**2)
    add("roi_heads.box_head.fc7", fc, fc)
    add("roi_heads.box_predictor.cls_score", classes, fc)
    add("roi_heads.box_predictor.bbox_pred", 4 * classes, fc)
    for number in range(4):
        add(f"roi_heads.mask_head.{number}.0", mask, mask if number else fpn, 3, 3)
    add("roi_heads.mask_predictor.conv5_mask", mask, mask, 2, 2)
    add("roi_heads.mask_predictor.mask_fcn_logits", classes, mask, 1, 1)
    return shapes


def draw(shapes, seed=3):
    """{name: float32 array}, each drawn from its own name."""
    return {
        name: np.random.default_rng([zlib.crc32(name.encode()), seed]).normal(0, 1, shape).astype(np.float32)
        for name, shape in shapes.items()
    }


# (torchvision's name as a regular expression, the other project's name); the first row that matches is taken.
# {n} is the n-th group. None: the project does not have it.
# detectron2/modeling: backbone/resnet.py, backbone/fpn.py, proposal_generator/rpn.py,
# roi_heads/{box_head,fast_rcnn,mask_head}.py
DETECTRON2 = (
    (r"backbone\.body\.conv1\.(weight)", "backbone.bottom_up.stem.conv1.{0}"),
    (r"backbone\.body\.bn1\.(\w+)", "backbone.bottom_up.stem.conv1.norm.{0}"),
    (r"backbone\.body\.layer(\d)\.(\d+)\.conv(\d)\.(\w+)", "backbone.bottom_up.res{0+1}.{1}.conv{2}.{3}"),
    (r"backbone\.body\.layer(\d)\.(\d+)\.bn(\d)\.(\w+)", "backbone.bottom_up.res{0+1}.{1}.conv{2}.norm.{3}"),
    (
        r"backbone\.body\.layer(\d)\.(\d+)\.downsample\.0\.(\w+)",
        "backbone.bottom_up.res{0+1}.{1}.shortcut.{2}",
    ),
    (
        r"backbone\.body\.layer(\d)\.(\d+)\.downsample\.1\.(\w+)",
        "backbone.bottom_up.res{0+1}.{1}.shortcut.norm.{2}",
    ),
    (r"backbone\.fpn\.inner_blocks\.(\d)\.0\.(\w+)", "backbone.fpn_lateral{0+2}.{1}"),
    (r"backbone\.fpn\.layer_blocks\.(\d)\.0\.(\w+)", "backbone.fpn_output{0+2}.{1}"),
    (r"rpn\.head\.conv\.0\.0\.(\w+)", "proposal_generator.rpn_head.conv.{0}"),
    (r"rpn\.head\.cls_logits\.(\w+)", "proposal_generator.rpn_head.objectness_logits.{0}"),
    (r"rpn\.head\.bbox_pred\.(\w+)", "proposal_generator.rpn_head.anchor_deltas.{0}"),
    (r"roi_heads\.box_head\.fc6\.(\w+)", "roi_heads.box_head.fc1.{0}"),
    (r"roi_heads\.box_head\.fc7\.(\w+)", "roi_heads.box_head.fc2.{0}"),
    (r"roi_heads\.box_predictor\.(cls_score|bbox_pred)\.(\w+)", "roi_heads.box_predictor.{0}.{1}"),
    (r"roi_heads\.mask_head\.(\d)\.0\.(\w+)", "roi_heads.mask_head.mask_fcn{0+1}.{1}"),
    (r"roi_heads\.mask_predictor\.conv5_mask\.(\w+)", "roi_heads.mask_head.deconv.{0}"),
    (r"roi_heads\.mask_predictor\.mask_fcn_logits\.(\w+)", "roi_heads.mask_head.predictor.{0}"),
)
# mmdet/models: backbones/resnet.py, necks/fpn.py, dense_heads/rpn_head.py,
# roi_heads/bbox_heads/convfc_bbox_head.py, roi_heads/mask_heads/fcn_mask_head.py
MMDET = (
    (r"backbone\.body\.(.+)", "backbone.{0}"),
    (r"backbone\.fpn\.inner_blocks\.(\d)\.0\.(\w+)", "neck.lateral_convs.{0}.conv.{1}"),
    (r"backbone\.fpn\.layer_blocks\.(\d)\.0\.(\w+)", "neck.fpn_convs.{0}.conv.{1}"),
    (r"rpn\.head\.conv\.0\.0\.(\w+)", "rpn_head.rpn_conv.{0}"),
    (r"rpn\.head\.cls_logits\.(\w+)", "rpn_head.rpn_cls.{0}"),
    (r"rpn\.head\.bbox_pred\.(\w+)", "rpn_head.rpn_reg.{0}"),
    (r"roi_heads\.box_head\.fc6\.(\w+)", "roi_head.bbox_head.shared_fcs.0.{0}"),
    (r"roi_heads\.box_head\.fc7\.(\w+)", "roi_head.bbox_head.shared_fcs.1.{0}"),
    (r"roi_heads\.box_predictor\.cls_score\.(\w+)", "roi_head.bbox_head.fc_cls.{0}"),
    (r"roi_heads\.box_predictor\.bbox_pred\.(\w+)", "roi_head.bbox_head.fc_reg.{0}"),
    (r"roi_heads\.mask_head\.(\d)\.0\.(\w+)", "roi_head.mask_head.convs.{0}.conv.{1}"),
    (r"roi_heads\.mask_predictor\.conv5_mask\.(\w+)", "roi_head.mask_head.upsample.{0}"),
    (r"roi_heads\.mask_predictor\.mask_fcn_logits\.(\w+)", "roi_head.mask_head.conv_logits.{0}"),
)
# torchvision until 0.12: FPN, RPN and mask head of plain layers
TORCHVISION_OLD = (
    (r"backbone\.fpn\.(inner|layer)_blocks\.(\d)\.0\.(\w+)", "backbone.fpn.{0}_blocks.{1}.{2}"),
    (r"rpn\.head\.conv\.0\.0\.(\w+)", "rpn.head.conv.{0}"),
    (r"roi_heads\.mask_head\.(\d)\.0\.(\w+)", "roi_heads.mask_head.mask_fcn{0+1}.{1}"),
    (r"(.+)", "{0}"),
)
_MS_LEAF = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
# Classifiers: what follows "backbone.body."
TORCHVISION_RESNET = ((r"backbone\.body\.(.+)", "{0}"), (r".*", None))
# mindcv/models/resnet.py, and official/cv/ResNet/src/resnet.py of MindSpore's models
MINDCV = (
    (r"backbone\.body\.(.+\.)?(bn\d|downsample\.1)\.(\w+)", "{0}{1}.{ms2}"),
    (r"backbone\.body\.(.+)", "{0}"),
    (r".*", None),
)
REPLACED = {"mindcv": ("downsample", "down_sample"), "modelzoo": ("downsample", "down_sample_layer")}


def rename(name, table):
    """A torchvision name in another project's table, None where it is not there."""
    for pattern, template in table:
        match = re.fullmatch(pattern, name)
        if match:
            if template is None:
                return None

            groups = match.groups(default="")
            parts = re.split(r"\{(\w+(?:\+\d)?)\}", template)
            parts[1::2] = [_field(field, groups) for field in parts[1::2]]
            return "".join(parts)
    raise AssertionError(f"{name} is in no row")


def _field(text, groups):
    if text.startswith("ms"):
        return _MS_LEAF[groups[int(text[2:])]]
    number, _, offset = text.partition("+")
    return str(int(groups[int(number)]) + int(offset)) if offset else groups[int(number)]


def renamed(state, table):
    return {
        new: array
        for new, array in ((rename(name, table), array) for name, array in state.items())
        if new is not None
    }


def background_last(state):
    """torchvision's class rows as detectron2 and mmdetection have them.

    torchvision has the background first in all three layers. There it is the last of the class scores,
    and it has no box and no mask.
    """
    result = dict(state)
    for leaf in ("weight", "bias"):
        result[f"roi_heads.box_predictor.cls_score.{leaf}"] = np.roll(
            state[f"roi_heads.box_predictor.cls_score.{leaf}"], -1, 0
        )
        result[f"roi_heads.box_predictor.bbox_pred.{leaf}"] = state[
            f"roi_heads.box_predictor.bbox_pred.{leaf}"
        ][4:]
        result[f"roi_heads.mask_predictor.mask_fcn_logits.{leaf}"] = state[
            f"roi_heads.mask_predictor.mask_fcn_logits.{leaf}"
        ][1:]
    return result


def mindspore_classifier(state, project):
    """A MindSpore classifier's entries: 'mindcv' or 'modelzoo'."""
    entries = {name.replace(*REPLACED[project]): array for name, array in renamed(state, MINDCV).items()}
    last = "classifier" if project == "mindcv" else "end_point"
    return {
        **entries,
        f"{last}.weight": np.zeros((10, 64), np.float32),
        f"{last}.bias": np.zeros(10, np.float32),
    }
