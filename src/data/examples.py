"""One training example: a row of the shards to the arrays of a batch, as a pure function of (configuration, epoch, row)."""
from __future__ import annotations

import numpy as np

from src.data.masks import box_mask
from src.data.transforms import decode_picture, place_boxes, place_picture, place_randomly

# streams of random numbers: what one draws never shifts another
_ORDER, _AUGMENT, _SAMPLE = 1, 2, 3


def batch_layout(config, batch_size):
    """{name: (dtype, shape)} of a training batch's arrays; B = batch_size, G = max_instance_count, m = gt_mask_size.

    image uint8 [B, img_height, img_width, 3], RGB; image_meta float32 [B, 6] (`Placement.meta`); image_id int64 [B];
    sample_key int32 [B], 31 bits; boxes float32 [B, G, 4] x1, y1, x2, y2 in canvas pixels; labels int32 [B, G]; valid bool [B, G];
    masks uint8 [B, G, m, m], coverage 0..255 in the objects' own boxes. Slots that are not valid hold zeros.
    """
    count, side = config.max_instance_count, config.gt_mask_size
    shapes = {"image": (np.uint8, (config.img_height, config.img_width, 3)), "image_meta": (np.float32, (6,)), "image_id": (np.int64, ()),
              "sample_key": (np.int32, ()), "boxes": (np.float32, (count, 4)), "labels": (np.int32, (count,)),
              "valid": (np.bool_, (count,)), "masks": (np.uint8, (count, side, side))}
    return {name: (np.dtype(kind), (batch_size, *shape)) for name, (kind, shape) in shapes.items()}


def _generator(seed, stream, epoch, row=0):
    """numpy Generator of a stream at (epoch, row); Philox counts blocks, so different keys and counters never overlap."""
    return np.random.Generator(np.random.Philox(key=[seed % 2 ** 64, stream], counter=[0, 0, row, epoch]))


def epoch_order(seed, epoch, count):
    """int64 [count]: the epoch's own permutation of the rows."""
    return _generator(seed, _ORDER, epoch).permutation(count)


def sample_key(seed, epoch, row):
    """A number of 31 bits that belongs to (seed, epoch, row), from which the network draws its anchors and RoIs."""
    return int(_generator(seed, _SAMPLE, epoch, row).integers(2 ** 31))


def fill_example(config, reader, epoch, row, has_masks, arrays, position):
    """Read a row, augment it, and write it to `position` of a batch's arrays (see `batch_layout`).

    reader: a ShardReader. Objects keep their order. Raises DataError naming the picture or shard that cannot be read.
    """
    objects, data = reader.read(row)
    image_id = int(reader.rows[row]["image_id"])
    picture = decode_picture(bytes(data), f"{objects.name} of image {image_id}", (objects.height, objects.width))
    placement = place_randomly(*picture.shape[:2], config, _generator(config.seed, _AUGMENT, epoch, row))
    place_picture(picture, placement, config, arrays["image"][position])
    arrays["image_meta"][position] = placement.meta
    arrays["image_id"][position] = image_id
    arrays["sample_key"][position] = sample_key(config.seed, epoch, row)
    count = len(objects.labels)
    for name in ("boxes", "labels", "valid"):
        arrays[name][position, count:] = 0
    arrays["boxes"][position, :count] = place_boxes(objects.boxes, placement)
    arrays["labels"][position, :count] = objects.labels
    arrays["valid"][position, :count] = True
    masks = arrays["masks"][position]
    if not has_masks:
        masks[:] = 255
        return
    masks[count:] = 0
    # a mask in its own box's frame does not change when the box is moved or scaled, only when it is mirrored
    for slot, (segmentation, box) in enumerate(zip(objects.segmentations, objects.boxes)):
        mask = box_mask(segmentation, box, objects.height, objects.width, config.gt_mask_size)
        masks[slot] = mask[:, ::-1] if placement.flip else mask
