"""A small network's settings, and the commands as a user runs them, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.conftest import ROOT

# Small enough to compile and run in seconds, with the same cells as the full network.
SMALL = [
    "img_height=128",
    "img_width=128",
    "resnet_block=[1,1,1,1]",
    "resnet_in_channels=[16,32,64,64]",
    "resnet_out_channels=[32,64,64,64]",
    "fpn_out_channels=32",
    "rpn_feat_channels=32",
    "rcnn_fc_out_channels=64",
    "rcnn_mask_out_channels=32",
    "max_instance_count=8",
    "gt_mask_size=28",
    "num_expected_pos_stage2=16",
    "num_expected_neg_stage2=48",
    "num_expected_total_stage2=48",
    "rpn_proposal_nms_pre=100",
    "rpn_proposal_nms_post=100",
    "rpn_proposal_max_num=100",
    "rpn_nms_pre=50",
    "rpn_nms_post=50",
    "rpn_max_num=50",
    "test_nms_pre=100",
    "test_max_per_img=20",
    "coco_classes=auto",
    "device_target=CPU",
]


def run(command, folder, *words, code=0, **environment):
    """The finished process of `python COMMAND WORD...` in a folder; it has to end with `code`."""
    done = subprocess.run(
        [sys.executable, str(ROOT / command), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == code, (
        f"{command} {words}: exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    )
    return done
