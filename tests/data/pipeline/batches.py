"""What the tests of batches share."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from src.config import load_config
from src.dataset import ensure_mindrecord, resolve_classes

ROOT = Path(__file__).resolve().parents[3]


PLAIN = ["flip_ratio=0", "expand_ratio=0"]


def prepare(root, tmp_path, *words):
    """(configuration, folder, manifest) of a small canvas's conversion."""
    config = load_config(
        [
            f"coco_root={root}",
            "coco_classes=auto",
            "img_width=256",
            "img_height=192",
            "max_instance_count=8",
            "gt_mask_size=28",
            f"mindrecord_dir={tmp_path}/mindrecord",
            *words,
        ]
    )
    folder, manifest = ensure_mindrecord(config)
    return resolve_classes(config, manifest), folder, manifest


def same(first, second):
    return first.keys() == second.keys() and all(
        first[name].dtype == second[name].dtype and np.array_equal(first[name], second[name])
        for name in first
    )
