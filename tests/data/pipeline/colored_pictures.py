"""Pictures of objects that are known by their colour, to compare boxes and masks with pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Dict, Iterator

import numpy as np
from PIL import Image
from pycocotools import mask as mask_api

from src.config import load_config
from src.data.images.box_masks import paste_mask
from src.data.images.rasterize import segmentation_to_mask
from src.data.mindrecord.shard_reader import ShardReader
from src.data.pipeline.training_example import batch_layout, fill_example
from src.data_settings import example_settings
from src.dataset import ensure_mindrecord, resolve_classes

HEIGHT = 96
WIDTH = 128
# Corners and middles of the colour cube: a blend of two of them comes close to no third.
COLORS = np.array(
    [
        [0, 0, 0],
        [255, 0, 0],
        [0, 255, 0],
        [0, 0, 255],
        [255, 255, 0],
        [255, 0, 255],
        [0, 255, 255],
        [255, 255, 255],
        [230, 120, 60],
    ],
    np.uint8,
)


def colored_data(root: Path, rle: bool = False, pictures: int = 8) -> Path:
    """Write a COCO folder with pictures of one convex polygon each, and return it.

    Args:
        root: The folder, which is made.
        rle: Whether segmentations are RLEs; else they are polygons.
        pictures: How many. The object of class c is painted with COLORS[c] on black.
    """
    (root / "train2017").mkdir(parents=True)
    (root / "annotations").mkdir()
    rng = np.random.default_rng(5)
    images = []
    annotations = []
    for number in range(1, pictures + 1):
        x1, y1 = rng.integers(2, 50, 2)
        x2 = x1 + rng.integers(30, 70)
        y2 = y1 + rng.integers(25, 40)
        points = np.array([[x1 + 6, y1], [x2, y1 + 9], [x2 - 8, y2], [x1, y2 - 5]], np.float64)
        polygons = [points.ravel().tolist()]
        mask = segmentation_to_mask(polygons, HEIGHT, WIDTH)
        Image.fromarray(mask[..., None] * COLORS[number]).save(root / f"train2017/{number}.png")
        packed = mask_api.encode(np.asfortranarray(mask))
        packed_text = {"size": [HEIGHT, WIDTH], "counts": packed["counts"].decode()}
        images.append({"id": number, "file_name": f"{number}.png", "height": HEIGHT, "width": WIDTH})
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": number,
                "iscrowd": 0,
                "segmentation": packed_text if rle else polygons,
                "bbox": mask_api.toBbox(packed).tolist(),
                "area": float(mask.sum()),
            }
        )
    categories = [{"id": number, "name": f"class {number}"} for number in range(1, pictures + 1)]
    (root / "annotations/instances_train2017.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    return root


def examples(root: Path, tmp_path: Path, *words: str, epochs: int = 4) -> Iterator[Dict[str, np.ndarray]]:
    """Every example of the first epochs: the arrays of a batch, without the batch's axis."""
    config = load_config(
        [
            f"coco_root={root}",
            "coco_classes=auto",
            f"img_width={WIDTH}",
            f"img_height={HEIGHT}",
            "max_instance_count=4",
            "gt_mask_size=112",
            "expand_ratio=0",
            "img_mean=[0,0,0]",
            f"mindrecord_dir={tmp_path}/m",
            *words,
        ]
    )
    folder, manifest = ensure_mindrecord(config)
    config = resolve_classes(config, manifest)
    settings = example_settings(config)
    reader = ShardReader(folder)
    layouts = batch_layout(settings, 1)
    # Whatever an example does not write stays 77.
    arrays = {name: np.full(layout.shape, 77, layout.dtype) for name, layout in layouts.items()}
    for epoch in range(epochs):
        for row in range(manifest.pictures):
            fill_example(settings, reader, epoch, row, True, arrays, 0)
            yield {name: array[0].copy() for name, array in arrays.items()}


def compare_with_pixels(example: Dict[str, np.ndarray], overlap: float) -> int:
    """Compare each object's box and mask with the pixels of its class's colour.

    Boxes may differ by a pixel or two of the picture. Objects of a class that the picture has twice, and
    small ones, are not compared.

    Args:
        example: One of `examples`.
        overlap: The IoU that a mask has to have with the pixels.

    Returns:
        How many objects were compared.
    """
    compared = 0
    scale = max(example["image_meta"][2:4])
    # Where a picture is resized, colours blend at the edges.
    tolerance = 1.01 if scale == 1 else 0.51 + 1.5 * max(1, scale)
    count = int(example["gt_valid"].sum())
    assert example["gt_valid"].tolist() == [True] * count + [False] * (len(example["gt_valid"]) - count)
    for name in ("gt_boxes", "gt_labels", "gt_masks"):
        assert not example[name][count:].any()
    labels = example["gt_labels"][:count].tolist()
    for slot, label in enumerate(labels):
        if labels.count(label) > 1:
            continue
        pixels = (np.abs(example["image"].astype(int) - COLORS[label]) <= 40).all(2)
        box = example["gt_boxes"][slot]
        side = (box[2:] - box[:2]).min()
        assert (box[:2] >= 0).all()
        assert box[2] <= example["image_meta"][1]
        assert box[3] <= example["image_meta"][0]
        assert side > 0
        if side < 12:
            continue
        pasted = paste_mask(example["gt_masks"][slot] / 255, box, HEIGHT, WIDTH) > 0
        rows, columns = np.nonzero(pixels)
        pixels_box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert np.abs(pixels_box - box).max() <= tolerance
        assert (pasted & pixels).sum() / (pasted | pixels).sum() > overlap
        compared += 1
    return compared
