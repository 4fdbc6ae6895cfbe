"""What the timed work gets and has to deliver: drawn pictures, settings, pasted masks. No MindSpore here."""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.peer.drawn import draw_batch
from benchmarks.timing import ROOT
from src.config import Config, load_config
from src.data.images.box_masks import paste_mask

MASK_SIDE = 28  # the drawn objects are filled boxes: their masks in their own frames are full at any size


def settings(args: argparse.Namespace) -> Config:
    """configs/torchvision.yaml for drawn pictures, stem and first stage fixed, and the user's settings."""
    words = [
        f"img_height={args.height}",
        f"img_width={args.width}",
        f"max_instance_count={max(args.gts, 1)}",
        f"batch_size={args.batch}",
        "freeze_at=2",
        "fold_norms=True",
        "device_target=CPU",
        f"gt_mask_size={MASK_SIDE}",
        "momentum=0.9",
        "weight_decay=1e-4",
        "compile_cache=off",
        *args.words,
    ]
    return load_config(words, ROOT / "configs" / "torchvision.yaml")


def batch_of(seed: int, args: argparse.Namespace, num_gts: int) -> tuple:
    """(image float32 [B, H, W, 3] of 0 to 255, image_meta, gt_boxes, gt_labels) as NumPy arrays."""
    images, boxes, labels, _ = draw_batch(seed, args.batch, args.height, args.width, num_gts)
    meta = np.array([args.height, args.width, 1, 1, args.height, args.width], np.float32)
    image = np.ascontiguousarray(images.transpose(0, 2, 3, 1)) * np.float32(255)
    return image, np.tile(meta, (args.batch, 1)), boxes, labels.astype(np.int32)


def paste_all(detections: list[dict], args: argparse.Namespace) -> list[np.ndarray]:
    """Masks uint8 [100, H, W] of each picture, which has 100 detections: the mask branch's full work."""
    counts = [len(one["boxes"]) for one in detections]
    assert counts == [100] * args.batch, counts
    return [
        np.stack(
            [paste_mask(mask, box, args.height, args.width) for mask, box in zip(one["masks"], one["boxes"])]
        )
        for one in detections
    ]
