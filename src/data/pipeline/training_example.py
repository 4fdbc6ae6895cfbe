"""One training example: a row of the shards to the arrays of a batch, as a pure function of (configuration,
epoch, row).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Optional

import numpy as np

from ..images.box_masks import box_mask
from ..images.color_jitter import jitter_colors
from ..images.crop import crop_object_box
from ..images.decode import decode_picture
from ..images.placement import place_boxes, place_picture
from ..images.random_placement import place_randomly
from .copy_paste import paste_objects
from .sampler import AUGMENT, COLOR, PASTE, PASTE_COLOR, SAMPLE, stream

_FEWEST_PIXELS = 0.5  # canvas pixels: what covers less is no object any more


def batch_layout(config, batch_size):
    """{name: (dtype, shape)} of a training batch's arrays.

    B = batch_size, G = max_instance_count, m = gt_mask_size.

    image uint8 [B, img_height, img_width, 3], RGB; image_meta float32 [B, 6] (`Placement.meta`); image_id
    int64 [B]; sample_key int32 [B], 31 bits; gt_boxes float32 [B, G, 4] x1, y1, x2, y2 in canvas pixels;
    gt_labels int32 [B, G]; gt_valid bool [B, G]; gt_masks uint8 [B, G, m, m], coverage 0..255 in the objects'
    own boxes. Slots that are not valid hold zeros.
    """
    count, side = config.max_instance_count, config.gt_mask_size
    shapes = {
        "image": (np.uint8, (config.img_height, config.img_width, 3)),
        "image_meta": (np.float32, (6,)),
        "image_id": (np.int64, ()),
        "sample_key": (np.int32, ()),
        "gt_boxes": (np.float32, (count, 4)),
        "gt_labels": (np.int32, (count,)),
        "gt_valid": (np.bool_, (count,)),
        "gt_masks": (np.uint8, (count, side, side)),
    }
    return {name: (np.dtype(kind), (batch_size, *shape)) for name, (kind, shape) in shapes.items()}


def sample_key(seed, epoch, row):
    """A number of 31 bits that belongs to (seed, epoch, row), from which the network draws its anchors and
    RoIs.
    """
    return int(stream(seed, SAMPLE, epoch, row).integers(2**31))


@dataclass
class PlacedObjects:
    """The n objects of a picture that are seen on its canvas.

    boxes: float32 [n, 4] in canvas pixels; labels: int32 [n]; masks: uint8 [n, m, m] in the boxes' frames,
        None for data without masks;
    segmentations: n of the picture's own; axes, meta: see `Placement`.
    """

    boxes: np.ndarray
    labels: np.ndarray
    masks: Optional[np.ndarray]
    segmentations: List[Any]
    axes: Any
    meta: np.ndarray


def place_objects(objects, placement, size, has_masks):
    """The PlacedObjects of a row's `StoredObjects`, in their order.

    Objects are cut at the edges of what is placed, and their boxes follow from their masks. An object
    without a visible pixel is left out. size: side m of a mask.
    """
    boxes = objects.boxes
    seen = np.ones(len(boxes), bool)
    if placement.window is not None:
        top, left, height, width = placement.window
        boxes = np.clip(
            boxes, (left, top, left, top), (left + width, top + height, left + width, top + height)
        )
        seen = (boxes[:, 2:] > boxes[:, :2]).all(1)
        if has_masks:
            for i in np.flatnonzero(seen & (boxes != objects.boxes).any(1)):
                found = crop_object_box(objects.segmentations[i], boxes[i], objects.height, objects.width)
                seen[i] = found is not None
                boxes[i] = found or 0
            seen &= (boxes[:, 2:] > boxes[:, :2]).all(1)  # not so in float32 for the thinnest sliver
    placed = place_boxes(boxes, placement)
    pixels = (placed[:, 2:] - placed[:, :2]).prod(1)
    masks = None
    if has_masks:
        masks = np.zeros((len(boxes), size, size), np.uint8)
        # a mask in its own box's frame does not change when the box is moved or scaled, only when it is
        # mirrored
        for i in np.flatnonzero(seen):
            mask = box_mask(objects.segmentations[i], boxes[i], objects.height, objects.width, size)
            masks[i] = mask[:, ::-1] if placement.flip else mask
            pixels[i] *= mask.mean() / 255
    kept = np.flatnonzero(seen & (pixels >= _FEWEST_PIXELS))
    if len(kept) < len(boxes):
        placed, masks = placed[kept], masks if masks is None else masks[kept]
    return PlacedObjects(
        placed,
        objects.labels[kept],
        masks,
        [objects.segmentations[i] for i in kept],
        placement.axes,
        placement.meta,
    )


def _draw_row(config, reader, row, has_masks, places, colors, canvas):
    """Draw a row's picture onto a canvas; its PlacedObjects.

    places, colors: Generators of what is drawn at random.
    """
    objects, data = reader.read(row)
    picture = decode_picture(
        bytes(data),
        f"{objects.name} of image {int(reader.rows[row]['image_id'])}",
        (objects.height, objects.width),
    )
    if config.color_jitter is not None:
        picture = jitter_colors(picture, config.color_jitter, colors)
    placement = place_randomly(*picture.shape[:2], config, places, objects.boxes)
    place_picture(picture, placement, config, canvas)
    return place_objects(objects, placement, config.gt_mask_size, has_masks or config.copy_paste_ratio > 0)


def fill_example(config, reader, epoch, row, has_masks, arrays, position):
    """Read a row, augment it, and write it to `position` of a batch's arrays (see `batch_layout`).

    reader: a ShardReader. Objects keep their order. Raises DataError naming the picture or shard that cannot
        be read.
    """
    canvas = arrays["image"][position]
    placed = _draw_row(
        config,
        reader,
        row,
        has_masks,
        stream(config.seed, AUGMENT, epoch, row),
        stream(config.seed, COLOR, epoch, row),
        canvas,
    )
    boxes, labels, found = placed.boxes, placed.labels, placed.masks
    if config.copy_paste_ratio:
        streams = (stream(config.seed, number, epoch, row) for number in (PASTE, PASTE_COLOR))
        boxes, labels, found = _with_pasted(config, reader, placed, *streams, canvas)
    count = len(labels)
    arrays["image_meta"][position] = placed.meta
    arrays["image_id"][position] = int(reader.rows[row]["image_id"])
    arrays["sample_key"][position] = sample_key(config.seed, epoch, row)
    arrays["gt_boxes"][position, :count], arrays["gt_boxes"][position, count:] = boxes, 0
    arrays["gt_labels"][position, :count], arrays["gt_labels"][position, count:] = labels, 0
    arrays["gt_valid"][position, :count], arrays["gt_valid"][position, count:] = True, False
    masks = arrays["gt_masks"][position]
    if has_masks:
        masks[:count], masks[count:] = found, 0
    else:
        masks[:] = 255


def _with_pasted(config, reader, placed, generator, colors, canvas):
    """(boxes, labels, masks), with probability copy_paste_ratio with objects of another row pasted in."""
    draw, other_row = generator.random(), int(generator.integers(len(reader.rows)))
    if draw >= config.copy_paste_ratio:
        return placed.boxes, placed.labels, placed.masks
    other_canvas = np.empty_like(canvas)
    other = _draw_row(config, reader, other_row, True, generator, colors, other_canvas)
    # each object with probability a half, in a random order, which decides where there is no room for all
    chosen = generator.permutation(len(other.labels))[: generator.binomial(len(other.labels), 0.5)]
    room = config.max_instance_count - len(placed.labels)
    return paste_objects(
        placed, other, sorted(chosen[:room].tolist()), canvas, other_canvas, config.gt_mask_size
    )
