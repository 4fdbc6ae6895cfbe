"""The network's width and norms, and about how long its training steps take."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional

from .canvas_rules import Canvas
from .facts import DataFacts, TrainingTarget
from .suggestion import MEASURED, PUBLISHED, SCALED, Suggestion

# From so many pictures on, a ResNet-50 that starts from nothing can learn (He, Girshick, Dollar 2019: as
# good as a pretrained one from a tenth of COCO on, and worse below).
_PICTURES_FOR_RESNET50 = 10_000
# The wider of the small networks is taken for runs of less work than this. By it configs/nuclei.yaml has the
# wider one and configs/demo.yaml the narrower one; either then trains in less than ten minutes.
_WIDE_SECONDS = 540

_GROUP_NORMS = {"norm": "gn", "fpn_norm": "gn", "rcnn_mask_norm": "gn"}
_NARROW = {
    **_GROUP_NORMS,
    "resnet_block": [2, 2, 2, 2],
    "resnet_in_channels": [24, 96, 192, 384],
    "resnet_out_channels": [96, 192, 384, 384],
    "fpn_out_channels": 64,
    "rpn_feat_channels": 64,
    "rcnn_num_convs": 2,
    "rcnn_conv_out_channels": 64,
    "rcnn_norm": "gn",
    "rcnn_num_layers": 1,
    "rcnn_fc_out_channels": 256,
    "rcnn_mask_out_channels": 64,
}
_WIDER = {
    **_GROUP_NORMS,
    "resnet_block": [2, 2, 2, 2],
    "resnet_in_channels": [64, 128, 256, 512],
    "resnet_out_channels": [128, 256, 512, 512],
    "fpn_out_channels": 128,
    "rpn_feat_channels": 128,
    "rcnn_fc_out_channels": 512,
    "rcnn_mask_out_channels": 128,
}
# The norms and the box head of detectron2's scratch_mask_rcnn_R_50_FPN_3x_gn.yaml.
_RESNET50_GN = {**_GROUP_NORMS, "rcnn_num_convs": 4, "rcnn_norm": "gn", "rcnn_num_layers": 1}


class NetworkChoice(NamedTuple):
    """A network and its costs on two cores of a CPU with AVX-512.

    Attributes:
        name: for messages.
        settings: {key: value}.
        step_seconds, megapixel_seconds: a step takes step_seconds, and megapixel_seconds for each million
            canvas pixels of its pictures.
        is_small: one of the two networks for small data sets.
    """

    name: str
    settings: Dict[str, Any]
    step_seconds: float
    megapixel_seconds: float
    is_small: bool

    def seconds_of_step(self, batch: int, canvas: Canvas) -> float:
        return self.step_seconds + self.megapixel_seconds * batch * canvas.width * canvas.height / 1e6


# Seconds: the narrow network of configs/demo.yaml, 0.155 s for 2 x 192x192; the wider one, that of
# configs/nuclei.yaml with group norms, 1.45 s for 2 x 384x384; the default network, 1.6 s for 2 x 256x256 and
# 13.6 s for 2 x 768x1280 (docs/performance.md), with group norms reckoned.
NARROW = NetworkChoice("narrow", _NARROW, 0.0, 2.1, True)
WIDER = NetworkChoice("wider", _WIDER, 0.0, 4.9, True)
RESNET50 = NetworkChoice("ResNet-50", {}, 0.75, 6.5, False)
RESNET50_GN = NetworkChoice("ResNet-50 with group norms", _RESNET50_GN, 0.75, 8.0, False)


def choose_network(
    facts: DataFacts, target: TrainingTarget, canvas: Canvas, batch: int, small_steps: int
) -> NetworkChoice:
    """The network: that of the weights; from scratch, by the number of pictures and the work.

    Args:
        facts, target, canvas: as elsewhere.
        batch: pictures a step.
        small_steps: how many steps a small network would take.
    """
    if target.weights:
        return RESNET50
    if target.device == "Ascend" and facts.pictures >= _PICTURES_FOR_RESNET50:
        return RESNET50_GN
    seconds = small_steps * WIDER.seconds_of_step(batch, canvas)
    return WIDER if seconds <= _WIDE_SECONDS else NARROW


def network_suggestions(
    network: NetworkChoice, facts: DataFacts, target: TrainingTarget, wider_seconds: Optional[float]
) -> List[Suggestion]:
    """The network and its norms with their reasons.

    wider_seconds: what a training of the wider small network would take.
    """
    if target.weights:
        return [
            Suggestion(
                {"pre_trained": target.weights, "freeze_at": 2, "resize": "fit"},
                "width, norms and anchors are those of the weights; stem and first stage stay as they are, "
                "pictures fill the canvas. "
                "Weights that were trained from scratch here want freeze_at=0",
                PUBLISHED,
            )
        ]
    if not network.is_small:
        return [
            Suggestion(
                network.settings,
                f"from scratch on {facts.pictures} pictures: ResNet-50, group norms and four convolutions in "
                "the box head, as detectron2's scratch_mask_rcnn_R_50_FPN_3x_gn.yaml; not run here",
                PUBLISHED,
            )
        ]
    if network is WIDER:
        size = f"the wider of two small networks, as its steps take about {wider_seconds / 60:.1f} minutes"
    else:
        size = f"the narrower of two small networks: the wider would take {wider_seconds / 60:.0f} minutes"
    return [
        Suggestion(
            network.settings,
            f"from scratch: {size} on 2 CPU cores; group norms, as a batch has few pictures (the demo's segm "
            "AP: .705 with group norms, .572 with batch norms)",
            MEASURED if facts.is_like_measured else SCALED,
        )
    ]
