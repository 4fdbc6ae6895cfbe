"""The annotated objects of the small COCO data set, for tests of masks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Iterator, Tuple

import numpy as np


def real_objects(shared: Path, split: str = "val2017") -> Iterator[Tuple[dict, int, int, np.ndarray]]:
    """Each annotation, height and width of its picture, and its box x1, y1, x2, y2 (float64 [4])."""
    content = json.loads((shared / f"data/coco/annotations/instances_{split}.json").read_text())
    images = {image["id"]: image for image in content["images"]}
    for annotation in content["annotations"]:
        image = images[annotation["image_id"]]
        x, y, w, h = annotation["bbox"]
        yield annotation, image["height"], image["width"], np.array([x, y, x + w, y + h])
