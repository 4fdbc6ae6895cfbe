"""What the tests of batches share."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Tuple

import numpy as np

from src.config import Config, load_config
from src.data.mindrecord.manifest import Manifest
from src.dataset import ensure_mindrecord, resolve_classes

ROOT = Path(__file__).resolve().parents[3]
# Nothing is drawn at random but the order.
PLAIN = ["flip_ratio=0", "expand_ratio=0"]


def prepare(root: Path, tmp_path: Path, *words: str) -> Tuple[Config, Path, Manifest]:
    """Convert a COCO folder for a small canvas; the settings, the conversion's folder and its manifest."""
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


def same(first: Dict[str, np.ndarray], second: Dict[str, np.ndarray]) -> bool:
    """Whether two batches have the same arrays, dtypes included."""
    return first.keys() == second.keys() and all(
        first[name].dtype == second[name].dtype and np.array_equal(first[name], second[name])
        for name in first
    )
