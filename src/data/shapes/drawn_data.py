"""A COCO-format data set of drawn shapes: what the demo trains on, and small real data for trying things out.

    draw_shapes("shapes", train_count=400, val_count=50)

writes shapes/{train2017,val2017}/*.jpg and shapes/annotations/*.json.

Four classes (circle, triangle, rectangle, star), from 8% to 60% of the picture's shorter side, at any angle.
Colours and textures are drawn from a random stream of their own, so that they tell nothing about the class.
In 22% of the pictures a shape hides 25% to 45% of another. An object is annotated as far as it is visible.
One picture in ten also has a group of small shapes annotated as one crowd, one in twenty is empty. Pictures
of the training split have 7 to 12 objects where so many fit, those of the other 3 to 6.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Union

import numpy as np
from tqdm import tqdm

from ...errors import DataError
from .drawing_processes import PictureTask, draw_files
from .drawn_object import SHAPE_CLASSES
from .picture import Seed
from .scene import OBJECT_COUNT, TRAINING_OBJECT_COUNT

# The least share of each kind among a split's pictures. The rest are "plain".
SHARES = {"occluded": 0.22, "crowd": 0.10, "empty": 0.05}

SPLITS = ("train2017", "val2017")
OBJECT_COUNTS = (TRAINING_OBJECT_COUNT, OBJECT_COUNT)  # of a picture of each split

MARKER = "shapes.json"

# Of the drawings. A folder with another version's is drawn again.
_VERSION = 7


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
    kinds = picture_kinds(count, (seed, split))
    ids = [split * 1_000_000 + number + 1 for number in range(count)]
    names = [f"{image_id:012d}.jpg" for image_id in ids]
    tasks = [
        PictureTask(str(folder / name), kind, size, (seed, split, number), OBJECT_COUNTS[split])
        for number, (name, kind) in enumerate(zip(names, kinds))
    ]
    drawn = draw_files(tasks)
    progress = tqdm(drawn, desc=f"drawing {folder.name}", total=count, unit="picture", disable=None)
    annotations = []
    for objects, image_id in zip(progress, ids):
        for item in objects:
            annotation_id = split * 100_000_000 + len(annotations) + 1
            annotations.append({"id": annotation_id, "image_id": image_id, **item})
    images = [
        {"id": image_id, "file_name": name, "width": size[0], "height": size[1]}
        for image_id, name in zip(ids, names)
    ]
    categories = [
        {"id": number, "name": name, "supercategory": "shape"} for number, name in enumerate(SHAPE_CLASSES, 1)
    ]
    info = {"description": "drawn shapes", "version": str(_VERSION)}
    return {"info": info, "images": images, "annotations": annotations, "categories": categories}
