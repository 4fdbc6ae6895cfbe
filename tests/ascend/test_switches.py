"""Graphs of many settings, compiled and launched by MindSpore's Ascend backend on the stand-ins of CANN.

A compilation costs 20 to 40 s, so a case turns several switches that do not hide each other.
"""

from __future__ import annotations

from typing import NamedTuple, Tuple

import pytest

from tests.ascend.graphs import (
    A2,
    FIRST,
    GROUP_NORMS,
    HEADS,
    SMALL_NETWORK,
    STEP_OUTPUTS,
    SYNC_NORMS,
    detections,
)

pytestmark = pytest.mark.slow

FROM_WEIGHTS = "pre_trained=resnet50.ckpt"  # only its being there counts: nothing is loaded
BATCH_NORMS = f"norm=bn fpn_norm=bn rcnn_norm=bn rcnn_mask_norm=bn {HEADS}"
EVERY_STEP = "loss_scale=dynamic accumulate_steps=2 ema_decay=0.999 clip_grad_norm=10 clip_grad_value=1"
OTHER_RPN = "use_sigmoid_cls=False rpn_proposal_nms_across_levels=True roi_align_aligned=False"
BFLOAT16 = "compute_type=bfloat16"
ONLY_BOXES = "rcnn_loss_mask_fb_weight=0"


class Case(NamedTuple):
    """A graph: the chip, MindSpore's jit_level ('own': MindSpore chooses), and words."""

    chip: str
    level: str
    words: str
    small: bool = True


TRAINING = {
    "batch norm, float32, no scale": Case(A2, "O0", f"{BATCH_NORMS} compute_type=float32 loss_scale=1"),
    "from weights, AdamW": Case(A2, "O0", f"{FROM_WEIGHTS} optimizer=adamw clip_grad_norm=10"),
    "norms not folded": Case(
        FIRST, "O0", f"{FROM_WEIGHTS} fold_norms=False loss_scale=1024 accumulate_steps=2"
    ),
    "every switch of a step": Case(A2, "O0", f"{EVERY_STEP} {GROUP_NORMS}"),
    "every switch on Ascend 910": Case(FIRST, "O0", f"{EVERY_STEP} {GROUP_NORMS} optimizer=adamw"),
    "synchronised norms": Case(A2, "O0", f"{FROM_WEIGHTS} {SYNC_NORMS} ema_decay=0.9 batch_size=3"),
    "other anchors and RoIs": Case(
        A2, "O0", f"{OTHER_RPN} num_mask_rois=8 decay_biases=False amp_level=O3 norm=gn"
    ),
    "boxes only, from weights, O1": Case(A2, "O1", f"{FROM_WEIGHTS} {ONLY_BOXES} norm=bn loss_scale=dynamic"),
    "every switch, O1": Case(A2, "O1", f"{EVERY_STEP} {GROUP_NORMS} optimizer=adamw"),
    "Ascend 910's own level": Case(FIRST, "own", BATCH_NORMS),
    "group norms at Ascend 910's own level": Case(FIRST, "own", GROUP_NORMS),
    "every switch, O2": Case(FIRST, "O2", f"{EVERY_STEP} {SYNC_NORMS} optimizer=adamw"),
    "from weights, O2": Case(A2, "O2", f"{FROM_WEIGHTS} accumulate_steps=2 compute_type=float32"),
    "bfloat16": Case(A2, "O0", f"{BFLOAT16} {BATCH_NORMS} clip_grad_norm=10 ema_decay=0.9"),
    "bfloat16, group norm, O1": Case(A2, "O1", f"{BFLOAT16} {GROUP_NORMS} optimizer=adamw"),
    "bfloat16, O2": Case(A2, "O2", f"{BFLOAT16} {FROM_WEIGHTS}"),
    "default network from weights, bfloat16": Case(A2, "O0", f"{BFLOAT16} {FROM_WEIGHTS}", small=False),
    "default network from weights, 16 pictures": Case(A2, "O0", f"{FROM_WEIGHTS} batch_size=16", small=False),
    "default network, O1": Case(A2, "O1", "", small=False),
    "default network on Ascend 910": Case(FIRST, "own", FROM_WEIGHTS, small=False),
}
INFERENCE = {
    "from weights": Case(FIRST, "O0", "norm=frozen test_batch_size=1"),
    "group norm, float32, O1": Case(A2, "O1", f"{GROUP_NORMS} compute_type=float32"),
    "softmax, one NMS": Case(A2, "O0", "use_sigmoid_cls=False rpn_nms_across_levels=True norm=sync_bn"),
    "Ascend 910's own level": Case(FIRST, "own", ""),
    "group norms at Ascend 910's own level": Case(FIRST, "own", GROUP_NORMS),
    "default network on Ascend 910": Case(FIRST, "own", "norm=frozen", small=False),
    "default network, O1": Case(A2, "O1", "norm=frozen", small=False),
    "bfloat16": Case(A2, "O0", f"{BFLOAT16} norm=gn"),
}


def run(launch, graph, case) -> Tuple[dict, int]:
    """(the report of a case's graph, pictures of an inference batch)."""
    words = [*(SMALL_NETWORK if case.small else ()), *case.words.split()]
    report = launch(graph, *words, "--level", case.level, chip=case.chip)
    # The graph engine launches the graph as a whole.
    assert bool(report["kernels"]) == (case.level in ("O0", "O1"))
    return report, 1 if "test_batch_size=1" in words else 2


@pytest.mark.parametrize("name", TRAINING)
def test_a_training_step(launch, name):
    report, _ = run(launch, "training", TRAINING[name])
    assert report["outputs"] == STEP_OUTPUTS


@pytest.mark.parametrize("name", INFERENCE)
def test_inference(launch, name):
    report, batch = run(launch, "inference", INFERENCE[name])
    assert report["outputs"] == detections(batch, 20 if INFERENCE[name].small else 100)
