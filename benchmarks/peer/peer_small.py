"""The peer of a small network: torchvision's Mask R-CNN with the sizes of this project's configs/demo.yaml.

    PYTHON -m benchmarks.peer.peer_small train --repeats 40     # losses, gradients, clipping, AdamW's update
    PYTHON -m benchmarks.peer.peer_small infer --repeats 20     # to masks pasted at the picture's size

Trunk 24-96-192-384-384 with two blocks a stage, FPN of 64 channels with batch norm, box head of 2
convolutions and 256 units, mask head of 64 channels, pictures of 192x192, 2 of them with 6 objects each.
Needs torch and torchvision (README.md in this folder). Weights and inputs are drawn; drawing inputs is not
timed. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time

import torch
from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead, FastRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from benchmarks.peer.drawn import draw_small_batch

SIDE = 192
CLASSES = 5  # with the background
STAGES = (96, 192, 384, 384)  # output channels
WARM_UP = 5  # calls that are not counted


class Bottleneck(nn.Module):
    """A residual block of three convolutions."""

    def __init__(self, inputs, outputs, stride, norm):
        super().__init__()
        width = outputs // 4
        self.body = nn.Sequential(
            nn.Conv2d(inputs, width, 1, bias=False),
            norm(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, 1, bias=False),
            norm(width),
            nn.ReLU(),
            nn.Conv2d(width, outputs, 1, bias=False),
            norm(outputs),
        )
        self.shortcut = nn.Identity()
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), norm(outputs))

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


class Trunk(nn.Module):
    """ResNet and feature pyramid."""

    out_channels = 64

    def __init__(self, norm):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 24, 7, 2, 3, bias=False), norm(24), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        self.stages = nn.ModuleList()
        inputs = 24
        for number, outputs in enumerate(STAGES):
            first = Bottleneck(inputs, outputs, 1 if number == 0 else 2, norm)
            self.stages.append(nn.Sequential(first, Bottleneck(outputs, outputs, 1, norm)))
            inputs = outputs
        self.fpn = FeaturePyramidNetwork(list(STAGES), 64, LastLevelMaxPool(), norm_layer=norm)

    def forward(self, x):
        x = self.stem(x)
        features = {}
        for number, stage in enumerate(self.stages):
            x = stage(x)
            features[str(number)] = x
        return self.fpn(features)


def group_norm(channels):
    """At least 4 channels a group, and at most 32 groups, as in this project."""
    return nn.GroupNorm(min(32, channels // 4), channels)


def build(norm: str = "bn"):
    """The network, with batch ("bn") or group norms ("gn") in trunk and pyramid."""
    return MaskRCNN(
        Trunk({"bn": nn.BatchNorm2d, "gn": group_norm}[norm]),
        min_size=SIDE,
        max_size=SIDE,
        rpn_anchor_generator=AnchorGenerator(
            tuple((6 * stride,) for stride in (4, 8, 16, 32, 64)), ((0.5, 1.0, 2.0),) * 5
        ),
        rpn_pre_nms_top_n_train=200,
        rpn_post_nms_top_n_train=200,
        rpn_pre_nms_top_n_test=200,
        rpn_post_nms_top_n_test=200,
        rpn_batch_size_per_image=128,
        box_batch_size_per_image=72,
        box_score_thresh=0.05,
        box_roi_pool=MultiScaleRoIAlign(list("0123"), 7, 2),
        box_head=FastRCNNConvFCHead((64, 7, 7), [64, 64], [256], norm_layer=group_norm),
        box_predictor=FastRCNNPredictor(256, CLASSES),
        mask_roi_pool=MultiScaleRoIAlign(list("0123"), 14, 2),
        mask_head=MaskRCNNHeads(64, [64] * 4, 1, norm_layer=group_norm),
        mask_predictor=MaskRCNNPredictor(64, 64, CLASSES),
    )


def draw(seed):
    """Two pictures and their objects."""
    images, boxes, labels, masks = (torch.from_numpy(array) for array in draw_small_batch(seed))
    targets = [{"boxes": boxes[n], "labels": labels[n], "masks": masks[n]} for n in range(len(images))]
    return list(images), targets


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("train", "infer"))
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = build()
    seconds = []
    num_detections = 0
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    model.train(args.what == "train")
    for number in range(WARM_UP + args.repeats):
        pictures, targets = draw(number)
        start = time.perf_counter()
        if args.what == "train":
            loss = sum(model(pictures, targets).values())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5)
            optimizer.step()
        else:
            with torch.inference_mode():
                num_detections = sum(len(detections["boxes"]) for detections in model(pictures))
        if number >= WARM_UP:
            seconds.append(time.perf_counter() - start)
    print(
        json.dumps(
            dict(
                project="torchvision",
                what=args.what,
                parameters=sum(p.numel() for p in model.parameters()),
                detections=num_detections,
                median_seconds=round(statistics.median(seconds), 4),
                seconds=[round(one, 4) for one in seconds],
                peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            )
        )
    )


if __name__ == "__main__":
    main()
