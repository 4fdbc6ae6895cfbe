"""detectron2: R50-FPN of its model zoo (`mask_rcnn_R_50_FPN_*`), or its backbone.

The background is the last class. The defaults are those of Caffe2's ResNet: BGR pixels with a standard
deviation of 1, and the stride of a block in its first 1x1 convolution.
"""

from __future__ import annotations

from .naming import SHORT_SIDE, NamingScheme, Requirements

_BACKBONE_TABLE = (
    ("stem.conv1", "backbone.conv1"),
    ("stem.conv1.norm", "backbone.bn1"),
    ("res{+1}.{}.conv{}", "backbone.layer{}.{}.conv{}"),
    ("res{+1}.{}.conv{}.norm", "backbone.layer{}.{}.bn{}"),
    ("res{+1}.{}.shortcut", "backbone.layer{}.{}.down_sample.0"),
    ("res{+1}.{}.shortcut.norm", "backbone.layer{}.{}.down_sample.1"),
)
_TABLE = (
    *((f"backbone.bottom_up.{foreign}", own) for foreign, own in _BACKBONE_TABLE),
    ("backbone.fpn_lateral{+2}", "fpn.lateral.{}"),
    ("backbone.fpn_output{+2}", "fpn.output.{}"),
    ("proposal_generator.rpn_head.conv", "rpn.conv"),
    ("proposal_generator.rpn_head.objectness_logits", "rpn.cls"),
    ("proposal_generator.rpn_head.anchor_deltas", "rpn.reg"),
    ("roi_heads.box_head.fc{+1}", "box_head.fc.{}"),
    ("roi_heads.box_predictor.cls_score", "box_head.cls"),
    ("roi_heads.box_predictor.bbox_pred", "box_head.reg"),
    ("roi_heads.mask_head.mask_fcn{+1}", "mask_head.conv.{}"),
    ("roi_heads.mask_head.deconv", "mask_head.up"),
    ("roi_heads.mask_head.predictor", "mask_head.logits"),
    *_BACKBONE_TABLE,
)
_IGNORED = (
    r".*\.num_batches_tracked|proposal_generator\.anchor_generator\.cell_anchors\.\d|pixel_mean|pixel_std"
    r"|(?:backbone\.bottom_up\.)?(?:linear|fc)\.(weight|bias)|stem\.fc\.(weight|bias)"
)


def _requirements(arrays, rest):
    settings = {
        "img_mean": (103.53, 116.28, 123.675),
        "img_std": (1.0, 1.0, 1.0),
        "channel_order": "BGR",
        "stride_in_1x1": True,
        "norm_eps": 1e-5,
    }
    if "box_head.cls.weight" in arrays:
        settings.update(SHORT_SIDE, roi_align_aligned=True, anchor_round=False)
    remarks = [
        "BGR, Caffe2's pixel statistics and the stride in the 1x1 convolution, as detectron2's R-50 models "
        "want them; a model made with other settings wants them after the file names "
        "(channel_order, img_mean, img_std, stride_in_1x1)"
    ]
    for key, name in (("img_mean", "pixel_mean"), ("img_std", "pixel_std")):
        if name in rest["arrays"]:
            settings[key] = tuple(round(float(value), 6) for value in rest["arrays"][name].reshape(-1))
    return Requirements(settings, tuple(remarks))


DETECTRON2 = NamingScheme("detectron2", "detectron2", _TABLE, _IGNORED, _requirements, background="last")
