"""Drawn scenes as COCO data sets: polygons, several parts, holes, crowds, boxes alone."""

from __future__ import annotations

import json

import cv2
import numpy as np
from pycocotools import mask as mask_api

KINDS = ("polygon", "parts", "rle", "crowd")
NAMES = ("cat", "Zebra", "naïve é", "dog/wolf")


def drawn_mask(rng, height, width):
    """uint8 [height, width] with spots, holes and pixels that touch at corners; at least one pixel."""
    noise = rng.random((height, width)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.3, 5))
    mask = (smooth > np.quantile(smooth, rng.uniform(0.2, 0.95))).astype(np.uint8)
    mask[rng.integers(height), rng.integers(width)] = 1
    return mask


def star(rng, height, width):
    """A polygon that does not cross itself, as a flat list with two decimals, within the picture."""
    count = int(rng.integers(3, 12))
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    radius = rng.uniform(0.3, 1, count) * rng.uniform(4, min(height, width) / 2)
    centre = rng.uniform(0, 1, 2) * (width, height)
    points = np.stack([np.cos(angles), np.sin(angles)], 1) * radius[:, None] + centre
    return np.clip(points, 0, (width, height)).round(2).ravel().tolist()


def pixels(segmentation, height, width):
    """bool [height, width] by pycocotools."""
    if isinstance(segmentation, list):
        polygons = [list(map(float, polygon)) for polygon in segmentation]
        segmentation = mask_api.merge(mask_api.frPyObjects(polygons, height, width))
    return mask_api.decode(segmentation).astype(bool)


def drawn_object(rng, height, width, kind):
    """{"segmentation", "bbox", "iscrowd", "area"} of an object of a kind; None where it has no pixel."""
    if kind in ("rle", "crowd"):
        mask = drawn_mask(rng, height, width)
        rle = mask_api.encode(np.asfortranarray(mask))
        rows = np.flatnonzero(mask.any(1))
        columns = np.flatnonzero(mask.any(0))
        left, top = int(columns[0]), int(rows[0])
        box = [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top]
        text = {"size": [height, width], "counts": rle["counts"].decode()}
        return {"segmentation": text, "bbox": box, "iscrowd": int(kind == "crowd"), "area": int(mask.sum())}
    parts = [star(rng, height, width) for _ in range(1 if kind == "polygon" else rng.integers(2, 4))]
    points = np.concatenate([np.reshape(part, (-1, 2)) for part in parts])
    low, high = points.min(0), points.max(0)
    area = int(pixels(parts, height, width).sum())
    if min(pixels([part], height, width).sum() for part in parts) == 0 or (high - low).min() < 1:
        return None
    box = [*low.tolist(), *(high - low).tolist()]
    return {"segmentation": parts, "bbox": box, "iscrowd": 0, "area": area}


def draw_scenes(folder, seed, pictures=3, kinds=KINDS, masks=True, split="train"):
    """Write folder/annotations/instances_SPLIT.json and folder/SPLIT/*.png; returns the JSON's content."""
    rng = np.random.default_rng(seed)
    images = []
    annotations = []
    (folder / split).mkdir(parents=True)
    for number in range(1, pictures + 1):
        height, width = (int(side) for side in rng.integers(24, 120, 2))
        name = f"{number:03d} é.png"
        picture = cv2.resize(rng.integers(0, 256, (6, 7, 3), np.uint8), (width, height))
        cv2.imencode(".png", picture)[1].tofile(folder / split / name)
        images.append({"id": 7 * number, "file_name": name, "height": height, "width": width})
        count = int(rng.integers(1, 6)) if number != 2 else 0  # the second picture is empty
        for _ in range(count):
            one = drawn_object(rng, height, width, rng.choice(kinds))
            if one is None:
                continue
            if not masks:
                one["segmentation"] = []
            category = int(rng.choice([3, 7, 20, 21]))
            identity = {"id": 5 * len(annotations) + 11, "image_id": 7 * number, "category_id": category}
            annotations.append({**identity, **one})
    categories = [{"id": number, "name": name} for number, name in zip((3, 7, 20, 21), NAMES)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations").mkdir(exist_ok=True)
    text = json.dumps(content)
    (folder / "annotations" / f"instances_{split}.json").write_text(text, encoding="utf-8")
    return content


def by_picture(content):
    """{file name: [(class name, box x1 y1 x2 y2, mask or None, iscrowd, polygons)]} of a COCO JSON."""
    images = {image["id"]: image for image in content["images"]}
    names = {category["id"]: category["name"] for category in content["categories"]}
    found = {image["file_name"]: [] for image in content["images"]}
    for one in content["annotations"]:
        image = images[one["image_id"]]
        x, y, w, h = one["bbox"]
        mask = None
        if one["segmentation"]:
            mask = pixels(one["segmentation"], image["height"], image["width"])
        count = len(one["segmentation"]) if isinstance(one["segmentation"], list) else 0
        row = (names[one["category_id"]], (x, y, x + w, y + h), mask, one["iscrowd"], count)
        found[image["file_name"]].append(row)
    return found
