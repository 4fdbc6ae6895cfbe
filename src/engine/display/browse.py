"""Pictures with their objects, as they are and as training gets them, side by side in PNG files."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path

import numpy as np

from ...config import changed
from ...data.images.decode import read_picture
from ...data.images.masks import mask_to_rle, paste_mask
from ...data.mindrecord.converter import conversion_settings, convert
from ...dataset import create_maskrcnn_dataset
from .visualize import draw_ground_truth, save_png, side_by_side


def browse_data(config, source, count, folder):
    """Write `count` PNG files, spread over a DataSource's pictures with objects, into `folder`; returns their Paths.

    On the left the picture and all it is annotated with, crowds too; on the right the picture, boxes and masks of one training example out
    of the training pipeline itself: it converts these pictures into a temporary folder and reads them back, augmented as configured.
    """
    usable = [record for record in source.records if config.keep_empty or (~record.crowd).any()]
    chosen = [
        usable[i] for i in np.unique(np.linspace(0, len(usable) - 1, min(count, len(usable))).astype(int))
    ]
    if not chosen:
        return []
    part = copy.copy(source)
    part.records = chosen
    names, records, written = source.class_names, {record.image_id: record for record in chosen}, []
    config = changed(config, batch_size=1)
    with tempfile.TemporaryDirectory() as shards:
        convert(part, Path(shards) / "pictures", config, conversion_settings(config), "browse", quiet=True)
        for batch in create_maskrcnn_dataset(config, Path(shards) / "pictures", 0):
            record = records[int(batch["image_id"][0])]
            picture = read_picture(record.path, (record.height, record.width))
            left = draw_ground_truth(
                picture, record.boxes, record.labels, names, record.segmentations, record.crowd
            )
            written.append(Path(folder) / f"{record.image_id}_{Path(record.path).stem}.png")
            save_png(
                written[-1],
                side_by_side(
                    [left, draw_example(batch, 0, names, source.has_masks)],
                    ["as it is", "as training gets it"],
                ),
            )
    return sorted(written)


def draw_example(batch, position, class_names, has_masks):
    """uint8 [kH, kW, 3] RGB: one example of a training batch (see `examples.batch_layout`) with its valid objects, padding cut off."""
    image, valid = batch["image"][position], batch["gt_valid"][position]
    height, width = (int(side) for side in batch["image_meta"][position][:2])
    boxes, labels, masks = (batch[name][position][valid] for name in ("gt_boxes", "gt_labels", "gt_masks"))
    pasted = (
        [mask_to_rle(paste_mask(mask / 255, box, height, width)) for mask, box in zip(masks, boxes)]
        if has_masks
        else None
    )
    return draw_ground_truth(image[:height, :width], boxes, labels, class_names, pasted)
