"""One training example: from a row of the shards to the arrays of a batch.

An example is a pure function of (settings, epoch, row).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, NamedTuple, Optional, Tuple

import numpy as np

from ..images.color_jitter import jitter_colors
from ..images.decode import decode_picture
from ..images.placement import place_picture
from ..images.random_placement import PlacementSettings, place_randomly
from ..mindrecord.shard_reader import ShardReader
from .copy_paste import paste_objects
from .placed_objects import ObjectTargets, PlacedObjects, objects_on_canvas
from .sampler import AUGMENT, COLOR, PASTE, PASTE_COLOR, SAMPLE, stream_generator


@dataclass(frozen=True)
class ExampleSettings:
    """What an example takes of the settings.

    Attributes:
        seed: The run's seed.
        placement: Where pictures go on the canvas, which is part of it.
        color_jitter: As of `jitter_colors`; None: colours stay.
        copy_paste_ratio: How likely objects of another picture are pasted over a picture.
        max_instance_count: G, the slots for objects.
        gt_mask_size: m, the side of a mask.
    """

    seed: int
    placement: PlacementSettings
    color_jitter: Optional[Tuple[float, ...]]
    copy_paste_ratio: float
    max_instance_count: int
    gt_mask_size: int


class ArrayLayout(NamedTuple):
    """An array's dtype and shape."""

    dtype: np.dtype
    shape: Tuple[int, ...]


def batch_layout(settings: ExampleSettings, batch_size: int) -> Dict[str, ArrayLayout]:
    """The arrays of a training batch.

    Slots that are not valid hold zeros.

    Args:
        settings: The canvas, G and m are used.
        batch_size: B.

    Returns:
        The layout of each array by its name:
            image: uint8 [B, height, width, 3] of the canvas, RGB.
            image_meta: float32 [B, 6] (`Placement.meta`).
            image_id: int64 [B].
            sample_key: int32 [B], not negative (`sample_key`).
            gt_boxes: float32 [B, G, 4], x1, y1, x2, y2 in canvas pixels.
            gt_labels: int32 [B, G].
            gt_valid: bool [B, G].
            gt_masks: uint8 [B, G, m, m], coverage from 0 to 255 in the frame of each object's box.
    """
    canvas = settings.placement.canvas
    objects = settings.max_instance_count
    side = settings.gt_mask_size
    return {
        "image": ArrayLayout(np.dtype(np.uint8), (batch_size, canvas.height, canvas.width, 3)),
        "image_meta": ArrayLayout(np.dtype(np.float32), (batch_size, 6)),
        "image_id": ArrayLayout(np.dtype(np.int64), (batch_size,)),
        "sample_key": ArrayLayout(np.dtype(np.int32), (batch_size,)),
        "gt_boxes": ArrayLayout(np.dtype(np.float32), (batch_size, objects, 4)),
        "gt_labels": ArrayLayout(np.dtype(np.int32), (batch_size, objects)),
        "gt_valid": ArrayLayout(np.dtype(np.bool_), (batch_size, objects)),
        "gt_masks": ArrayLayout(np.dtype(np.uint8), (batch_size, objects, side, side)),
    }


def sample_key(seed: int, epoch: int, row: int) -> int:
    """A number of 31 bits that belongs to (seed, epoch, row).

    The network draws the anchors and RoIs that it samples from this number.
    """
    return int(stream_generator(seed, SAMPLE, epoch, row).integers(2**31))


def fill_example(
    settings: ExampleSettings,
    reader: ShardReader,
    epoch: int,
    row: int,
    has_masks: bool,
    arrays: Dict[str, np.ndarray],
    position: int,
) -> None:
    """Read a row, augment it, and write it into the arrays of a batch. Objects keep their order.

    Args:
        settings: How examples are made.
        reader: The reader of the shards.
        epoch: The epoch, from 0.
        row: The row of the shards.
        has_masks: Whether the data has masks. Without, all masks are 255.
        arrays: The batch's arrays, as `batch_layout` says.
        position: Where in the batch the example goes.

    Raises:
        DataError: Names the picture or the shard that cannot be read.
    """
    placement_generator = stream_generator(settings.seed, AUGMENT, epoch, row)
    color_generator = stream_generator(settings.seed, COLOR, epoch, row)
    canvas = arrays["image"][position]
    placed = _draw_row(settings, reader, row, has_masks, placement_generator, color_generator, canvas)
    targets = placed.targets
    if settings.copy_paste_ratio:
        targets = _paste_at_random(settings, reader, epoch, row, placed, canvas)
    arrays["image_meta"][position] = placed.meta
    arrays["image_id"][position] = int(reader.rows[row]["image_id"])
    arrays["sample_key"][position] = sample_key(settings.seed, epoch, row)
    _fill_slots(arrays["gt_boxes"][position], targets.boxes)
    _fill_slots(arrays["gt_labels"][position], targets.labels)
    _fill_slots(arrays["gt_valid"][position], np.ones(len(targets.labels), bool))
    if has_masks:
        _fill_slots(arrays["gt_masks"][position], targets.masks)
    else:
        arrays["gt_masks"][position] = 255


def _fill_slots(array: np.ndarray, values: np.ndarray) -> None:
    """Write values [n, ...] into the first n slots of an array [G, ...], and zeros into the others."""
    count = len(values)
    array[:count] = values
    array[count:] = 0


def _draw_row(
    settings: ExampleSettings,
    reader: ShardReader,
    row: int,
    has_masks: bool,
    placement_generator: np.random.Generator,
    color_generator: np.random.Generator,
    canvas: np.ndarray,
) -> PlacedObjects:
    """Draw a row's picture onto a canvas at random.

    Args:
        settings: How examples are made.
        reader: The reader of the shards.
        row: The row of the shards.
        has_masks: Whether the data has masks.
        placement_generator: For where the picture goes.
        color_generator: For the changes of its colours.
        canvas: uint8 [height, width, 3], RGB, which is filled.

    Returns:
        The picture's objects on the canvas.
    """
    objects, data = reader.read(row)
    name = f"{objects.name} of image {int(reader.rows[row]['image_id'])}"
    picture = decode_picture(bytes(data), name, (objects.height, objects.width))
    if settings.color_jitter is not None:
        picture = jitter_colors(picture, settings.color_jitter, color_generator)
    height, width = picture.shape[:2]
    placement = place_randomly(height, width, settings.placement, placement_generator, objects.boxes)
    place_picture(picture, placement, settings.placement.canvas, canvas)
    needs_masks = has_masks or settings.copy_paste_ratio > 0
    return objects_on_canvas(objects, placement, settings.gt_mask_size, needs_masks)


def _paste_at_random(
    settings: ExampleSettings,
    reader: ShardReader,
    epoch: int,
    row: int,
    placed: PlacedObjects,
    canvas: np.ndarray,
) -> ObjectTargets:
    """Paste objects of another row, drawn at random, over a picture with probability copy_paste_ratio.

    Args:
        settings: How examples are made.
        reader: The reader of the shards.
        epoch: The epoch, from 0.
        row: The row of the picture.
        placed: The picture's objects on the canvas.
        canvas: uint8 [height, width, 3] with the picture; pixels are pasted into it.

    Returns:
        The targets of what is visible then, at most max_instance_count objects.
    """
    generator = stream_generator(settings.seed, PASTE, epoch, row)
    color_generator = stream_generator(settings.seed, PASTE_COLOR, epoch, row)
    draw = generator.random()
    other_row = int(generator.integers(len(reader.rows)))
    if draw >= settings.copy_paste_ratio:
        return placed.targets
    other_canvas = np.empty_like(canvas)
    other = _draw_row(settings, reader, other_row, True, generator, color_generator, other_canvas)
    # Each object is pasted with probability 0.5. The random order decides which ones are left out when there
    # are not enough free slots.
    count = len(other.targets.labels)
    order = generator.permutation(count)
    free_slots = settings.max_instance_count - len(placed.targets.labels)
    indices = order[: generator.binomial(count, 0.5)][:free_slots]
    return paste_objects(placed, other, sorted(indices.tolist()), canvas, other_canvas, settings.gt_mask_size)
