"""What the timed pieces of work are given, and what they have to deliver: drawn pictures, settings, pasted masks. No MindSpore here."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np

from benchmarks.timing import ROOT
from src.config import load_config
from src.data.images.masks import paste_mask

MASK_SIDE = 28  # the drawn objects are filled boxes: their masks in their own frames are full at any size


def settings(args):
    """configs/torchvision.yaml for drawn pictures of 0 to 1, stem and first stage fixed, and the command's own words."""
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


def draw_batch():
    path = Path(os.environ.get("MASKRCNN_SHARED") or ROOT.parent / "shared") / "bench" / "drawn.py"
    spec = importlib.util.spec_from_file_location("drawn", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.draw_batch


def batch_of(draw, seed, args, num_gts):
    """(image float32 [B, H, W, 3] of 0 to 255, image_meta, boxes, labels) as NumPy arrays."""
    images, boxes, labels, _ = draw(seed, args.batch, args.height, args.width, num_gts)
    meta = np.tile(
        np.array([args.height, args.width, 1, 1, args.height, args.width], np.float32), (args.batch, 1)
    )
    return (
        np.ascontiguousarray(images.transpose(0, 2, 3, 1)) * np.float32(255),
        meta,
        boxes,
        labels.astype(np.int32),
    )


def paste_all(found, args):
    """Masks uint8 [100, H, W] of each picture; every one has its 100 detections, so the mask branch has its full work."""
    counts = [len(one["boxes"]) for one in found]
    assert counts == [100] * args.batch, counts
    return [
        np.stack(
            [paste_mask(mask, box, args.height, args.width) for mask, box in zip(one["masks"], one["boxes"])]
        )
        for one in found
    ]
