"""A COCO-format data set of drawn shapes: what the demo trains on, and small real data for trying things out.

    draw_shapes("shapes", train_count=400, val_count=50)

writes shapes/{train2017,val2017}/*.jpg and shapes/annotations/*.json.

Four classes (circle, triangle, rectangle, star), from 6% to 60% of the picture's shorter side, at any angle.
Colours and textures are drawn from a random stream of their own, so that they tell nothing about the class.
In 45% of the pictures a shape hides 27% to 60% of another; the hidden one is annotated as far as it is seen.
One picture in ten also has a heap of small shapes annotated as one crowd, one in twenty is empty.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from ...errors import DataError
from ..images.rle import mask_to_rle, rle_counts
from .paint import paint_scene
from .scene import SHAPE_CLASSES, place_objects, tight_box

SHARES = {"occluded": 0.36, "crowd": 0.10, "empty": 0.05}  # of a split's pictures; the rest are "plain"


SPLITS = ("train2017", "val2017")


MARKER = "shapes.json"


_VERSION = 4


def draw_shapes(folder, train_count=400, val_count=50, size=(256, 256), seed=1):
    """Draw the data set into `folder` and return its Path.

    Nothing is done if it is there already with the same settings.

    train_count, val_count: pictures of each split (a count of 0 makes an empty split); size: (width, height)
    in pixels, at least 64 each; seed: a whole number from 0. Every picture has a random state of its own made
    of (seed, split, its number), so the splits share none. A marker file says whether the drawing was
    finished: an interrupted one is done again. Raises DataError for impossible settings, and for a folder
    that holds data of other origin (which is left alone).
    """
    folder = Path(folder)
    settings = {
        "version": _VERSION,
        "train_count": int(train_count),
        "val_count": int(val_count),
        "size": [int(side) for side in size],
        "seed": int(seed),
    }
    if min(size) < 64 or min(train_count, val_count, seed) < 0:
        raise DataError(
            f"drawing shapes: size {tuple(size)} has to be at least 64 each; train_count "
            f"{train_count}, val_count {val_count} "
            f"and seed {seed} at least 0"
        )
    marker = _read_marker(folder)
    if marker == {"state": "whole", **settings} and all(
        (folder / "annotations" / f"instances_{split}.json").is_file() for split in SPLITS
    ):
        return folder
    parts = [folder / name for name in (*SPLITS, "annotations")]
    if marker is None and any(part.exists() for part in parts):
        raise DataError(
            f"{folder}: holds data that this command did not draw; name a new folder, or remove it"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_json(folder / MARKER, {"state": "drawing", **settings})
        for part in parts:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
        for number, (split, count) in enumerate(zip(SPLITS, (train_count, val_count))):
            _write_json(
                folder / "annotations" / f"instances_{split}.json",
                _draw_split(folder / split, number, count, tuple(size), seed),
            )
        _write_json(folder / MARKER, {"state": "whole", **settings})
    except OSError as error:
        raise DataError(f"drawing shapes into {folder}: {error.strerror or error}") from None
    return folder


def _read_marker(folder):
    try:
        return json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise DataError(
            f"{folder / MARKER}: unreadable; remove {folder} to have the shapes drawn again"
        ) from None


def _write_json(path, content):
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(content), encoding="utf-8")
    os.replace(beside, path)


def picture_kinds(count, seed):
    """The kind of each of a split's pictures: a list of `count` names.

    Each share of SHARES is rounded up, so it is never undercut.
    """
    kinds = [kind for kind, share in SHARES.items() for _ in range(math.ceil(share * count))][:count]
    kinds += ["plain"] * (count - len(kinds))
    return [kinds[i] for i in np.random.default_rng(seed).permutation(count)]


def _draw_split(folder, split, count, size, seed):
    images, annotations = [], []
    for number, kind in enumerate(
        tqdm(picture_kinds(count, (seed, split)), desc=f"drawing {folder.name}", unit="picture", disable=None)
    ):
        picture, objects = draw_picture(size, kind, (seed, split, number))
        image_id = split * 1_000_000 + number + 1
        images.append(
            {"id": image_id, "file_name": f"{image_id:012d}.jpg", "width": size[0], "height": size[1]}
        )
        path = folder / images[-1]["file_name"]
        if not cv2.imwrite(str(path), picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 93]):
            raise OSError(f"{path} could not be written")
        for item in objects:
            annotations.append(
                {"id": split * 100_000_000 + len(annotations) + 1, "image_id": image_id, **_annotation(item)}
            )
    categories = [
        {"id": number, "name": name, "supercategory": "shape"} for number, name in enumerate(SHAPE_CLASSES, 1)
    ]
    info = {"description": "drawn shapes", "version": str(_VERSION)}
    return {"info": info, "images": images, "annotations": annotations, "categories": categories}


def _annotation(item):
    mask = item["visible"]
    if item["crowd"]:
        segmentation = {"size": list(mask.shape), "counts": rle_counts(mask_to_rle(mask)).tolist()}
    else:
        segmentation = visible_polygons(mask)
    return {
        "category_id": 1 + SHAPE_CLASSES.index(item["shape"]),
        "iscrowd": int(item["crowd"]),
        "area": int(mask.sum()),
        "bbox": list(tight_box(mask)),
        "segmentation": segmentation,
    }


def visible_polygons(mask):
    """COCO polygons [[x, y, x, y, ...], ...] in pixels around the parts of a bool [H, W] mask.

    Parts under 4 pixels are left out.

    Contours run through pixel centres, which would lose half a pixel on every side (a quarter of a 15-pixel
    object's area), so they are taken from the mask enlarged four times.
    """
    k = 4
    left, top, width, height = tight_box(mask)
    part = mask[top : top + height, left : left + width].astype(np.uint8)
    large = np.pad(cv2.resize(part, (width * k, height * k), interpolation=cv2.INTER_NEAREST), 1)
    contours, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    polygons = []
    for contour in contours:
        if cv2.contourArea(contour) < 4 * k * k:
            continue
        points = cv2.approxPolyDP(contour, 0.45 * k, True).reshape(-1, 2)
        if len(points) >= 3:
            polygons.append(np.round((points - 1 + 0.5) / k + (left, top), 2).ravel().tolist())
    return polygons


def draw_picture(size, kind, seed):
    """One picture and its objects.

    size: (width, height); kind: "plain", "occluded", "crowd" or "empty"; seed: a whole number or a tuple of
        them. Returns (uint8 [H, W, 3] RGB, objects from the lowest to the topmost), each object a dict of
        `shape` (a class name), `crowd`, `outlines` (float [n, 2] vertices in pixels, several for a crowd),
        `full` and `visible` (bool [H, W]: as drawn, and as far as nothing drawn later covers it).
    """
    place, paint = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
    objects = [] if kind == "empty" else place_objects(place, size, kind)
    return paint_scene(paint, size, objects), objects
