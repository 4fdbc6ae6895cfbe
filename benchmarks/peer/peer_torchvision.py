"""The peer of `benchmarks.step_time` and `benchmarks.learn`: torchvision's Mask R-CNN R50-FPN on the CPU.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install torch torchvision pycocotools /tmp/peer/bin/python
    -m benchmarks.peer.peer_torchvision train --height 768 --width 1280 /tmp/peer/bin/python -m
    benchmarks.peer.peer_torchvision infer --height 768 --width 1280 /tmp/peer/bin/python -m
    benchmarks.peer.peer_torchvision ops /tmp/peer/bin/python -m benchmarks.peer.peer_torchvision fit --data
    FOLDER --year 2018 --size 384 --steps 280

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
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

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


def load_split(args, split):
    """(COCO index, rows of image id, image, boxes, labels, masks) of a split, only of images with objects."""
    from PIL import Image
    from pycocotools.coco import COCO

    coco = COCO(f"{args.data}/annotations/instances_{split}{args.year}.json")
    rows = []
    for image_id in sorted(coco.imgs):
        path = f"{args.data}/{split}{args.year}/{coco.imgs[image_id]['file_name']}"
        image = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1).float() / 255
        annotations = coco.loadAnns(coco.getAnnIds(image_id, iscrowd=False))
        if annotations:
            boxes = np.array([a["bbox"] for a in annotations], np.float32)
            boxes[:, 2:] += boxes[:, :2]
            labels = torch.tensor([a["category_id"] for a in annotations])
            masks = torch.from_numpy(np.stack([coco.annToMask(a) for a in annotations]))
            rows.append((image_id, image, torch.from_numpy(boxes), labels, masks))
    return coco, rows


def fit(args):
    """Train a small Mask R-CNN from scratch for a fixed number of steps; its COCO AP on the val split."""
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    _, training = load_split(args, "train")
    coco, validation = load_split(args, "val")
    backbone = resnet_fpn_backbone(
        backbone_name=args.arch, weights=None, norm_layer=torch.nn.BatchNorm2d, trainable_layers=5
    )
    num_classes = max(coco.getCatIds()) + 1
    model = MaskRCNN(backbone, num_classes, min_size=args.size, max_size=args.size).train()
    optimizer = torch.optim.SGD(model.parameters(), args.lr, 0.9, weight_decay=1e-4)
    order = []
    start = time.perf_counter()
    for i in range(args.steps):
        for group in optimizer.param_groups:
            group["lr"] = args.lr * min(1, (i + 1) / 50) * (0.1 if i > args.steps * 0.8 else 1)
        if len(order) < args.batch:
            order = list(rng.permutation(len(training)))
        images = []
        targets = []
        for _ in range(args.batch):
            _, image, boxes, labels, masks = training[order.pop()]
            if rng.random() < 0.5:
                image = image.flip(2)
                masks = masks.flip(2)
                boxes = boxes.clone()
                boxes[:, [0, 2]] = image.shape[2] - boxes[:, [2, 0]]
            images.append(image)
            targets.append(dict(boxes=boxes, labels=labels, masks=masks))
        losses = model(images, targets)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        if i % 20 == 0:
            seconds = round(time.perf_counter() - start, 1)
            print(i, seconds, {name: round(loss.item(), 4) for name, loss in losses.items()}, flush=True)
    seconds = time.perf_counter() - start
    return dict(train_seconds=round(seconds, 1), **evaluate(model.eval(), coco, validation))


def evaluate(model, coco, rows):
    """{"bbox": [AP, AP50, AP75], "segm": the same} of a model on the rows of `load_split`."""
    from pycocotools import mask as mask_api
    from pycocotools.cocoeval import COCOeval

    results = []
    for image_id, image, *_ in rows:
        with torch.no_grad():
            detections = model([image])[0]
        masks = (detections["masks"][:, 0] > 0.5).numpy()
        boxes, scores, labels = (detections[name].tolist() for name in ("boxes", "scores", "labels"))
        for (x1, y1, x2, y2), score, label, mask in zip(boxes, scores, labels, masks):
            rle = mask_api.encode(np.asfortranarray(mask.astype(np.uint8)))
            rle["counts"] = rle["counts"].decode()
            result = dict(image_id=image_id, category_id=label, score=score, segmentation=rle)
            results.append(dict(result, bbox=[x1, y1, x2 - x1, y2 - y1]))
    figures = {}
    for kind in ("bbox", "segm") if results else ():
        evaluation = COCOeval(coco, coco.loadRes(results), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        figures[kind] = [round(float(value), 4) for value in evaluation.stats[:3]]
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("train", "infer", "ops", "fit"))
    parser.add_argument("--height", type=int, default=768)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--gts", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--data")
    parser.add_argument("--year", default="2017")
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--steps", type=int, default=280)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    result = {"train": train, "infer": infer, "ops": ops, "fit": fit}[args.what](args)
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
