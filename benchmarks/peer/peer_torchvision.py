"""The peer of `benchmarks.step_time`: torchvision's Mask R-CNN R50-FPN on the CPU.

    PYTHON -m benchmarks.peer.peer_torchvision train --height 768 --width 1280
    PYTHON -m benchmarks.peer.peer_torchvision infer --height 768 --width 1280
    PYTHON -m benchmarks.peer.peer_torchvision ops

Run it from the project's folder. Each command prints one JSON object on its last line. `python -m
benchmarks.compare` runs it in turn with this project (A B A B) and compares the medians: absolute times
change with the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import time

import numpy as np
import torch
import torchvision
from torchvision.models.detection import maskrcnn_resnet50_fpn

from benchmarks.peer.drawn import draw_batch
from tests.reference.make_parity import draw_parameter


def peer_batch(seed, args, num_gts):
    """(images, targets) in torchvision's form."""
    images, boxes, labels, masks = (
        torch.from_numpy(a) for a in draw_batch(seed, args.batch, args.height, args.width, num_gts)
    )
    rows = zip(boxes, labels, masks)
    return list(images), [dict(zip(("boxes", "labels", "masks"), row)) for row in rows]


def freeze_norms(module):
    """Freeze every norm."""
    for name, child in module.named_children():
        if isinstance(child, torch.nn.BatchNorm2d):
            setattr(module, name, torchvision.ops.misc.FrozenBatchNorm2d(child.num_features))
        else:
            freeze_norms(child)


def build(height, width, frozen_norms):
    """R50-FPN with stem and first stage fixed, as when fine-tuning; plain norms are faster in inference."""
    model = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=81)
    model.transform.min_size = (height,)
    model.transform.max_size = width
    if frozen_norms:
        freeze_norms(model.backbone)
    model.load_state_dict(
        {
            name: torch.from_numpy(draw_parameter(name, tuple(value.shape), 1))
            for name, value in model.state_dict().items()
            if not name.endswith("num_batches_tracked")
        },
        strict=False,
    )
    for name, parameter in model.backbone.body.named_parameters():
        if name.startswith(("conv1", "bn1", "layer1")):
            parameter.requires_grad_(False)
    return model


def timed(work, repeats, make=lambda i: None, warmup=1):
    """Seconds of `work(make(i))`; making the input is not timed."""
    seconds = []
    for i in range(warmup + repeats):
        given = make(i)
        start = time.perf_counter()
        work(given)
        if i >= warmup:
            seconds.append(time.perf_counter() - start)
    return seconds


def train(args):
    """The figures of a training step."""
    model = build(args.height, args.width, frozen_norms=True).train()
    optimizer = torch.optim.SGD(
        [p for p in model.parameters() if p.requires_grad], 1e-4, 0.9, weight_decay=1e-4
    )
    counts = {}
    select = model.roi_heads.select_training_samples

    def counted(proposals, targets):
        found = select(proposals, targets)
        counts.update(
            proposals=sum(len(p) for p in proposals),
            rois=sum(len(p) for p in found[0]),
            positive_rois=int(sum((label > 0).sum() for label in found[2])),
        )
        return found

    model.roi_heads.select_training_samples = counted

    def step(given):
        loss = sum(model(*given).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    seconds = timed(step, args.repeats, lambda i: peer_batch(i, args, args.gts))
    return dict(summary(seconds), **counts)


def infer(args):
    """The figures of an inference call; every image has 100 detections: the mask branch's full work."""
    model = build(args.height, args.width, frozen_norms=False).eval()

    def step(given):
        with torch.no_grad():
            found = model(given[0])
        assert all(len(one["boxes"]) == 100 for one in found), [len(one["boxes"]) for one in found]

    return summary(timed(step, args.repeats, lambda i: peer_batch(i, args, 1)))


def summary(seconds):
    return dict(median_seconds=round(statistics.median(seconds), 3), seconds=[round(s, 3) for s in seconds])


def ops(_):
    """The medians of single operators in milliseconds."""
    rng = np.random.default_rng(0)
    feature = torch.randn(2, 256, 192, 320, requires_grad=True)
    w = rng.uniform(5, 256, 1024)
    h = rng.uniform(5, 154, 1024)
    x = rng.uniform(0, 1024, 1024)
    y = rng.uniform(0, 614, 1024)
    boxes = torch.tensor(np.stack([x, y, x + w, y + h], 1).astype(np.float32))
    rois = torch.cat([torch.arange(2).repeat_interleave(512)[:, None].float(), boxes], 1)
    many = boxes.repeat(2, 1)[:2000] + torch.rand(2000, 1)
    row = {}
    for name, work in {
        "roi_align_1024x7x7_fwd": lambda _: torchvision.ops.roi_align(feature, rois, 7, 0.25, 2),
        "roi_align_1024x7x7_fwd_bwd": lambda _: (
            torchvision.ops.roi_align(feature, rois, 7, 0.25, 2).sum().backward()
        ),
        "roi_align_256x14x14_fwd": lambda _: torchvision.ops.roi_align(feature, rois[:256], 14, 0.25, 2),
        "nms_2000": lambda _: torchvision.ops.nms(many, torch.rand(2000), 0.7),
        "upsample_2x256x96x160": lambda _: torch.nn.functional.interpolate(
            feature[:, :, :96, :160].detach(), scale_factor=2
        ),
    }.items():
        row[name] = round(statistics.median(timed(work, 5)) * 1e3, 2)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("train", "infer", "ops"))
    parser.add_argument("--height", type=int, default=768)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--gts", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    result = {"train": train, "infer": infer, "ops": ops}[args.what](args)
    print(
        json.dumps(
            dict(
                peer="torchvision " + torchvision.__version__,
                what=args.what,
                height=args.height,
                width=args.width,
                batch=args.batch,
                peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                **result,
            )
        )
    )


if __name__ == "__main__":
    main()
