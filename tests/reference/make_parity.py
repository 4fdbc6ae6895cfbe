"""Write parity.npz: what torchvision's Mask R-CNN R50-FPN computes for drawn weights and inputs.

Anyone can draw the same weights and inputs again from NumPy alone. PyTorch is needed to write another file
only:

    pip install torch torchvision
    python tests/reference/make_parity.py --seed 1 --height 256 --width 320 --out parity.npz

Nothing is downloaded. Every parameter is drawn from a generator that is seeded by its name and --seed
(`draw_parameter`), every input from one that is seeded by --seed (`draw_inputs`). README.md in this folder
says what each array of parity.npz holds.
"""

from __future__ import annotations

import argparse
import zlib
from pathlib import Path

import numpy as np

REFERENCE = Path(__file__).with_name("parity.npz")  # of seed 1, 256x320
LEVELS = ("p2", "p3", "p4", "p5", "p6")
NUM_CLASSES = 81
NUM_ROIS = 32  # fixed RoIs of an image

# Keeps every stage's output near unit scale, with scores spread enough for detections to exist.
GAINS = {
    "fpn.inner": 0.3,
    "fpn.layer": 0.5,
    "rpn.head.cls_logits": 0.7,
    "rpn.head.bbox_pred": 0.15,
    "cls_score": 0.6,
    "bbox_predictor": 0.2,
    "box_predictor.bbox_pred": 0.3,
    "mask_fcn_logits": 0.7,
}


def draw_parameter(name: str, shape: tuple, seed: int) -> np.ndarray:
    """The float32 value of one entry of torchvision's state_dict, from its name, shape and the seed alone."""
    rng = np.random.Generator(np.random.PCG64([zlib.crc32(name.encode()), seed]))
    if name.endswith("running_var"):
        return rng.uniform(0.8, 1.2, shape).astype(np.float32)
    if name.endswith("running_mean"):
        return rng.normal(0.0, 0.05, shape).astype(np.float32)
    if len(shape) == 1:
        if name.endswith("weight"):  # a norm's scale; the last of a block is small
            mean = 0.3 if ".bn3." in name else 1.0
            return rng.uniform(0.9 * mean, 1.1 * mean, shape).astype(np.float32)
        return rng.normal(0.0, 0.05, shape).astype(np.float32)
    if "conv5_mask" in name:  # transposed: [in, out, kh, kw]
        fan_in = shape[0]
    else:
        fan_in = int(np.prod(shape[1:]))
    gain = next((gain for part, gain in GAINS.items() if part in name), 1.0)
    return rng.normal(0.0, gain * np.sqrt(2.0 / fan_in), shape).astype(np.float32)


def draw_inputs(
    seed: int, height: int, width: int, num_images: int = 2, num_gts: int = 6, num_classes: int = NUM_CLASSES
) -> dict[str, np.ndarray]:
    """The inputs of all stages.

    Returns:
        images: float32 [N, 3, H, W], normalised.
        boxes: float32 [N, G, 4], ground truth, x1, y1, x2, y2 in pixels.
        labels: int64 [N, G], from 1 on.
        masks: uint8 [N, G, H, W], ellipses.
        rois: float32 [N, 32, 4], fixed RoIs of all sizes and levels.
        roi_labels: int64 [N, 32], the class whose mask is compared.
        mask_targets: float32 [N * 32, 28, 28], 0 or 1.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    images = rng.normal(0.0, 1.0, (num_images, 3, height, width)).astype(np.float32)
    boxes = np.zeros((num_images, num_gts, 4), np.float32)
    labels = rng.integers(1, num_classes, (num_images, num_gts)).astype(np.int64)
    masks = np.zeros((num_images, num_gts, height, width), np.uint8)
    yy, xx = np.mgrid[0:height, 0:width] + 0.5
    for n in range(num_images):
        for g in range(num_gts):
            w = rng.uniform(0.1, 0.6) * width
            h = rng.uniform(0.1, 0.6) * height
            x1 = rng.uniform(0, width - w)
            y1 = rng.uniform(0, height - h)
            boxes[n, g] = x1, y1, x1 + w, y1 + h
            masks[n, g] = ((xx - x1 - w / 2) / (w / 2)) ** 2 + ((yy - y1 - h / 2) / (h / 2)) ** 2 <= 1
    rois = np.zeros((num_images, NUM_ROIS, 4), np.float32)
    for n in range(num_images):
        for r in range(NUM_ROIS):
            if r < 2 * num_gts:  # two shifted copies of every ground-truth box
                box = boxes[n, r % num_gts]
                rois[n, r] = box + rng.uniform(-0.08, 0.08, 4) * np.tile(box[2:] - box[:2], 2)
                rois[n, r] = rois[n, r].clip(0, [width, height, width, height])
                continue
            w = np.exp(rng.uniform(np.log(8), np.log(0.95 * width)))
            h = np.exp(rng.uniform(np.log(8), np.log(0.95 * height)))
            x1 = rng.uniform(0, width - w)
            y1 = rng.uniform(0, height - h)
            rois[n, r] = x1, y1, x1 + w, y1 + h
    roi_labels = rng.integers(1, num_classes, (num_images, NUM_ROIS)).astype(np.int64)
    mask_targets = (rng.uniform(0, 1, (num_images * NUM_ROIS, 28, 28)) > 0.5).astype(np.float32)
    return dict(
        images=images,
        boxes=boxes,
        labels=labels,
        masks=masks,
        rois=rois,
        roi_labels=roi_labels,
        mask_targets=mask_targets,
    )


def sample(array: np.ndarray, seed: int, count: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """(flat indices, values) of `count` entries of an array, the same ones for the same size and seed."""
    flat = np.asarray(array).reshape(-1)
    rng = np.random.Generator(np.random.PCG64([seed, flat.size]))
    index = rng.integers(0, flat.size, min(count, flat.size))
    return index, flat[index]


class Peer:
    """torchvision's network with drawn weights, and the arrays that it fills.

    Attributes:
        model: torchvision's Mask R-CNN, every norm of the backbone frozen.
        data: What `draw_inputs` returns.
        arrays: {name: array} of the file to write.
    """

    def __init__(self, seed, height, width):
        import torch
        import torchvision
        from torchvision.models.detection import maskrcnn_resnet50_fpn
        from torchvision.models.detection.image_list import ImageList

        torch.use_deterministic_algorithms(True)
        self.torch = torch
        self.seed = seed
        self.model = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=NUM_CLASSES)
        freeze_norms(self.model.backbone)
        state = {
            name: torch.from_numpy(draw_parameter(name, tuple(value.shape), seed))
            for name, value in self.model.state_dict().items()
        }
        self.model.load_state_dict(state)
        self.data = draw_inputs(seed, height, width)
        self.images = torch.from_numpy(self.data["images"])
        self.rois = [torch.from_numpy(rois) for rois in self.data["rois"]]
        self.sizes = [(height, width)] * len(self.images)
        self.image_list = ImageList(self.images, self.sizes)
        self.arrays = dict(
            seed=seed,
            height=height,
            width=width,
            torch=torch.__version__,
            torchvision=torchvision.__version__,
            names=np.array(sorted(state)),
        )

    def keep(self, name, tensor, count=256):
        """Keep a tensor's shape and `count` of its entries."""
        array = tensor.detach().numpy()
        self.arrays[name + ".shape"] = np.array(array.shape)
        self.arrays[name + ".index"], self.arrays[name + ".value"] = sample(array, self.seed, count)

    def anchors(self, features):
        """The anchors of each image: [A, 4]."""
        return self.model.rpn.anchor_generator(self.image_list, list(features.values()))

    def mask_logits(self, pooled):
        """The mask logits of each fixed RoI for its class of `roi_labels`: [R, 28, 28]."""
        logits = self.model.roi_heads.mask_predictor(self.model.roi_heads.mask_head(pooled))
        labels = self.torch.from_numpy(self.data["roi_labels"]).reshape(-1)
        return logits[self.torch.arange(len(logits)), labels]

    def infer(self):
        """Fill in the stages of inference; to be called without gradients."""
        self.model.eval()
        rpn = self.model.rpn
        heads = self.model.roi_heads
        features = self.model.backbone(self.images)
        for level, feature in zip(LEVELS, features.values()):
            self.keep("feature." + level, feature)
        for level, logits, deltas in zip(LEVELS, *rpn.head(list(features.values()))):
            self.keep(f"rpn_logits.{level}", logits)
            self.keep(f"rpn_deltas.{level}", deltas)
        self.arrays["anchors"] = self.anchors(features)[0].numpy()
        proposals, _ = rpn(self.image_list, features)
        for n, boxes in enumerate(proposals):
            self.arrays[f"proposals.{n}"] = boxes.numpy()
        pooled = heads.box_roi_pool(features, self.rois, self.sizes)
        self.keep("roi_align7", pooled)
        class_logits, box_deltas = heads.box_predictor(heads.box_head(pooled))
        self.arrays["class_logits"] = class_logits.numpy()
        self.keep("box_deltas", box_deltas, 4096)
        pooled = heads.mask_roi_pool(features, self.rois, self.sizes)
        self.keep("roi_align14", pooled)
        self.keep("mask_logits", self.mask_logits(pooled), 4096)
        detections, _ = heads(features, proposals, self.sizes)
        for n, found in enumerate(detections):
            for leaf in ("boxes", "labels", "scores"):
                self.arrays[f"detections.{n}.{leaf}"] = found[leaf].numpy()
            self.arrays[f"detections.{n}.masks28"] = found["masks"][:, 0].numpy().astype(np.float16)

    def train(self):
        """Fill in labels, losses and gradients, of all anchors and RoIs with a label: nothing is sampled."""
        torch = self.torch
        self.model.train()
        targets = [
            dict(boxes=torch.from_numpy(boxes), labels=torch.from_numpy(labels))
            for boxes, labels in zip(self.data["boxes"], self.data["labels"])
        ]
        features = self.model.backbone(self.images)
        rpn_cls, rpn_reg = self.rpn_losses(features, targets)
        rcnn_cls, rcnn_reg = self.box_losses(features, targets)
        pooled = self.model.roi_heads.mask_roi_pool(features, self.rois, self.sizes)
        rcnn_mask = torch.nn.functional.binary_cross_entropy_with_logits(
            self.mask_logits(pooled), torch.from_numpy(self.data["mask_targets"])
        )
        losses = (rpn_cls, rpn_reg, rcnn_cls, rcnn_reg, rcnn_mask)
        for name, value in zip(("rpn_cls", "rpn_reg", "rcnn_cls", "rcnn_reg", "rcnn_mask"), losses):
            self.arrays["loss." + name] = np.float32(value.item())
        sum(losses).backward()
        for name, parameter in self.model.named_parameters():
            if parameter.grad is not None:
                gradient = parameter.grad.numpy()
                self.arrays[f"grad.{name}.norm"] = np.float32(np.linalg.norm(gradient))
                index, value = sample(gradient, self.seed, 16)
                self.arrays[f"grad.{name}.index"] = index
                self.arrays[f"grad.{name}.value"] = value

    def rpn_losses(self, features, targets):
        """(classification, regression) of the RPN."""
        from torchvision.models.detection.rpn import concat_box_prediction_layers

        rpn = self.model.rpn
        rpn.fg_bg_sampler.batch_size_per_image = 10**7
        rpn.fg_bg_sampler.positive_fraction = 0.5
        logits, deltas = rpn.head(list(features.values()))
        objectness, deltas = concat_box_prediction_layers(logits, deltas)
        anchors = self.anchors(features)
        labels, matched_gt_boxes = rpn.assign_targets_to_anchors(anchors, targets)
        self.arrays["rpn_labels"] = self.torch.stack(labels).numpy().astype(np.int8)
        delta_targets = rpn.box_coder.encode(matched_gt_boxes, anchors)
        return rpn.compute_loss(objectness, deltas, labels, delta_targets)

    def box_losses(self, features, targets):
        """(classification, regression) of the box head over the fixed RoIs, which are matched here."""
        from torchvision.models.detection.roi_heads import fastrcnn_loss
        from torchvision.ops import box_iou

        heads = self.model.roi_heads
        matched_gt_boxes = []
        labels = []
        for rois, target in zip(self.rois, targets):
            matched_idxs = heads.proposal_matcher(box_iou(target["boxes"], rois))
            label = target["labels"][matched_idxs.clamp(min=0)]
            label[matched_idxs < 0] = 0
            labels.append(label)
            matched_gt_boxes.append(target["boxes"][matched_idxs.clamp(min=0)])
        self.arrays["roi_assigned_labels"] = self.torch.stack(labels).numpy()
        delta_targets = heads.box_coder.encode(matched_gt_boxes, self.rois)
        pooled = heads.box_roi_pool(features, self.rois, self.sizes)
        class_logits, box_deltas = heads.box_predictor(heads.box_head(pooled))
        return fastrcnn_loss(class_logits, box_deltas, labels, delta_targets)


def freeze_norms(module):
    """Freeze every norm, as when fine-tuning."""
    import torch
    import torchvision

    for name, child in module.named_children():
        if isinstance(child, torch.nn.BatchNorm2d):
            setattr(module, name, torchvision.ops.misc.FrozenBatchNorm2d(child.num_features, eps=1e-5))
        else:
            freeze_norms(child)


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--out", default="parity.npz")
    args = parser.parse_args()
    peer = Peer(args.seed, args.height, args.width)
    with peer.torch.no_grad():
        peer.infer()
    peer.train()
    np.savez_compressed(args.out, **peer.arrays)
    losses = {name: float(value) for name, value in peer.arrays.items() if name.startswith("loss.")}
    print(f"{args.out}: {losses}")


if __name__ == "__main__":
    main()
