"""A COCO-format data set of drawn shapes: what the demo trains on, and small real data for trying things out.

    draw_shapes("shapes", train_count=400, val_count=50)

writes shapes/{train2017,val2017}/*.jpg and shapes/annotations/*.json.

Four classes (circle, triangle, rectangle, star), from 8% to 60% of the picture's shorter side, at any angle.
Colours and textures are drawn from a random stream of their own, so that they tell nothing about the class.
In 22% of the pictures a shape hides 25% to 45% of another. An object is annotated as far as it is visible.
One picture in ten also has a group of small shapes annotated as one crowd, one in twenty is empty.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import cv2
import numpy as np
from tqdm import tqdm

from ...errors import DataError
from ..images.rle import mask_to_rle, rle_counts
from .drawn_object import SHAPE_CLASSES, DrawnObject
from .paint import paint_scene
from .scene import place_objects, tight_box

# The least share of each kind among a split's pictures. The rest are "plain".
SHARES = {"occluded": 0.22, "crowd": 0.10, "empty": 0.05}

SPLITS = ("train2017", "val2017")

MARKER = "shapes.json"

# Of the drawings. A folder with another version's is drawn again.
_VERSION = 5

# A seed as np.random.default_rng takes it.
Seed = Union[int, Sequence[int]]


class DrawnPicture(NamedTuple):
    """One picture and what is drawn in it.

    Attributes:
        image: uint8 [H, W, 3], RGB.
        objects: from the lowest to the topmost.
    """

    image: np.ndarray
    objects: List[DrawnObject]


def draw_shapes(
    folder: Union[str, Path],
    train_count: int = 400,
    val_count: int = 50,
    size: Tuple[int, int] = (256, 256),
    seed: int = 1,
) -> Path:
    """Draw the data set into a folder, unless it is there already with the same settings.

    Every picture has random generators of its own, made of (seed, split, its number): the splits share no
    picture. A marker file says whether the drawing was finished; an interrupted one is done again.

    Args:
        folder: the data set's folder.
        train_count: pictures of the training split; 0 makes an empty split.
        val_count: pictures of the validation split.
        size: (width, height) in pixels, at least 64 each.
        seed: a whole number from 0.

    Returns:
        The folder.

    Raises:
        DataError: impossible settings, a folder that cannot be written, or one that holds data of other
            origin (which is left alone).
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
            f"drawing shapes: size {tuple(size)} has to be at least 64 each; train_count {train_count}, "
            f"val_count {val_count} and seed {seed} at least 0"
        )
    marker = _read_marker(folder)
    if _is_drawn(folder, marker, settings):
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
            content = _draw_split(folder / split, number, count, tuple(size), seed)
            _write_json(_annotation_file(folder, split), content)
        _write_json(folder / MARKER, {"state": "whole", **settings})
    except OSError as error:
        raise DataError(f"drawing shapes into {folder}: {error.strerror or error}") from None
    return folder


def _is_drawn(folder: Path, marker: Optional[Dict[str, Any]], settings: Dict[str, Any]) -> bool:
    """Whether a folder holds the whole data set of these settings, by the content of its marker file."""
    return marker == {"state": "whole", **settings} and all(
        _annotation_file(folder, split).is_file() for split in SPLITS
    )


def _annotation_file(folder: Path, split: str) -> Path:
    return folder / "annotations" / f"instances_{split}.json"


def _read_marker(folder: Path) -> Optional[Dict[str, Any]]:
    """The content of the marker file; None where there is none.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise DataError(
            f"{folder / MARKER}: unreadable; remove {folder} to have the shapes drawn again"
        ) from None


def _write_json(path: Path, content: Dict[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(json.dumps(content), encoding="utf-8")
    os.replace(unfinished, path)


def picture_kinds(count: int, seed: Seed) -> List[str]:
    """The kinds of a split's pictures, `count` names in random order.

    The numbers of SHARES are rounded up, so that no kind has less than its share.
    """
    kinds = [kind for kind, share in SHARES.items() for _ in range(math.ceil(share * count))][:count]
    kinds += ["plain"] * (count - len(kinds))
    return [kinds[i] for i in np.random.default_rng(seed).permutation(count)]


def _draw_split(folder: Path, split: int, count: int, size: Tuple[int, int], seed: int) -> Dict[str, Any]:
    """Draw the pictures of a split into a folder.

    Args:
        folder: of the pictures.
        split: the split's position in SPLITS.
        count: the number of pictures.
        size: (width, height) in pixels.
        seed: of the data set.

    Returns:
        The content of the split's annotation file, in COCO's format.

    Raises:
        OSError: a picture cannot be written.
    """
    images = []
    annotations = []
    kinds = picture_kinds(count, (seed, split))
    for number, kind in enumerate(tqdm(kinds, desc=f"drawing {folder.name}", unit="picture", disable=None)):
        drawn = draw_picture(size, kind, (seed, split, number))
        image_id = split * 1_000_000 + number + 1
        name = f"{image_id:012d}.jpg"
        images.append({"id": image_id, "file_name": name, "width": size[0], "height": size[1]})
        # OpenCV writes BGR
        if not cv2.imwrite(str(folder / name), drawn.image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 93]):
            raise OSError(f"{folder / name} could not be written")
        for item in drawn.objects:
            annotation_id = split * 100_000_000 + len(annotations) + 1
            annotations.append({"id": annotation_id, "image_id": image_id, **_annotation(item)})
    categories = [
        {"id": number, "name": name, "supercategory": "shape"} for number, name in enumerate(SHAPE_CLASSES, 1)
    ]
    info = {"description": "drawn shapes", "version": str(_VERSION)}
    return {"info": info, "images": images, "annotations": annotations, "categories": categories}


def _annotation(item: DrawnObject) -> Dict[str, Any]:
    """An object's COCO annotation, without its ids: polygons, or the uncompressed RLE of a crowd."""
    mask = item.visible
    if item.crowd:
        segmentation = {"size": list(mask.shape), "counts": rle_counts(mask_to_rle(mask)).tolist()}
    else:
        segmentation = visible_polygons(mask)
    return {
        "category_id": 1 + SHAPE_CLASSES.index(item.shape),
        "iscrowd": int(item.crowd),
        "area": int(mask.sum()),
        "bbox": list(tight_box(mask)),
        "segmentation": segmentation,
    }


def visible_polygons(mask: np.ndarray) -> List[List[float]]:
    """The COCO polygons [[x, y, x, y, ...], ...], in pixels, around the parts of a bool [H, W] mask.

    Parts under 4 pixels are left out.

    OpenCV's contours run through pixel centres, which would lose half a pixel on every side (a quarter of a
    15-pixel object's area). So they are taken from the mask enlarged four times.
    """
    scale = 4
    left, top, width, height = tight_box(mask)
    part = mask[top : top + height, left : left + width].astype(np.uint8)
    large = cv2.resize(part, (width * scale, height * scale), interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(np.pad(large, 1), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    polygons = []
    for contour in contours:
        if cv2.contourArea(contour) < 4 * scale * scale:
            continue
        points = cv2.approxPolyDP(contour, 0.45 * scale, True).reshape(-1, 2)
        if len(points) >= 3:
            # -1: the padding; +0.5: from a pixel's index to its centre
            points = (points - 1 + 0.5) / scale + (left, top)
            polygons.append(np.round(points, 2).ravel().tolist())
    return polygons


def draw_picture(size: Tuple[int, int], kind: str, seed: Seed) -> DrawnPicture:
    """Draw one picture.

    Args:
        size: (width, height) in pixels.
        kind: "plain"; "occluded", where an object hides a part of another; "crowd", with a crowd too; or
            "empty".
        seed: a whole number or a tuple of them.
    """
    scene_seed, paint_seed = np.random.SeedSequence(seed).spawn(2)
    objects = [] if kind == "empty" else place_objects(np.random.default_rng(scene_seed), size, kind)
    return DrawnPicture(paint_scene(np.random.default_rng(paint_seed), size, objects), objects)
