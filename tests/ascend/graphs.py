"""What tests of the stand-ins launch, and what comes out of it."""

from __future__ import annotations

from src.engine.display.loss_lines import LOSS_NAMES
from src.network_define import STEP_NAMES
from tests.conftest import ROOT
from tests.small_job import SMALL

FIRST = "Ascend910A"  # the Ascend 910
A2 = "Ascend910B2"  # Atlas A2

SMALL_NETWORK = [word for word in SMALL if not word.startswith(("coco_classes", "device_target"))]
HEADS = "rcnn_num_convs=1 rcnn_conv_out_channels=32"
GROUP_NORMS = f"norm=gn fpn_norm=gn rcnn_norm=gn rcnn_mask_norm=gn {HEADS}"
SYNC_NORMS = f"norm=sync_bn fpn_norm=sync_bn rcnn_norm=sync_bn rcnn_mask_norm=sync_bn {HEADS}"
CLASSES = "coco_classes=[background,a,b,c,d]"
DEMO = ("--config", str(ROOT / "configs" / "demo.yaml"), CLASSES)
STEP_OUTPUTS = [["float32", [len(LOSS_NAMES) + len(STEP_NAMES)]]]


def detections(batch, count):
    """What inference gives for a batch: boxes, scores, labels, which are real, masks."""
    return [
        ["float32", [batch, count, 4]],
        ["float32", [batch, count]],
        ["int32", [batch, count]],
        ["bool", [batch, count]],
        ["float32", [batch, count, 28, 28]],
    ]
