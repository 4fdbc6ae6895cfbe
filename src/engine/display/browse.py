"""Pictures with their objects, as they are and as training gets them, side by side in PNG files."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any, List, Mapping, Sequence

import numpy as np

from ...config import Config, changed
from ...data.annotations.records import DataSource
from ...data.images.box_masks import paste_mask
from ...data.images.decode import read_picture
from ...data.images.rle import mask_to_rle
from ...data.mindrecord.conversion_settings import ConversionInputs, manifest_settings
from ...data.mindrecord.converter import convert
from ...data_settings import conversion_settings
from ...dataset import create_maskrcnn_dataset
from .visualize import draw_ground_truth, save_png, side_by_side

_TITLES = ("as it is", "as training gets it")


def browse_data(config: Config, source: DataSource, count: int, folder) -> List[Path]:
    """Draw some pictures of a DataSource, evenly spread over its pictures with objects.

    On the left there is the picture with all its annotations, crowds too. On the right there are the image,
    boxes and masks of one training example. It comes from the training pipeline itself: these pictures are
    converted into a temporary folder and read back, with the configured augmentation.

    Args:
        config: The settings.
        source: The data.
        count: The number of pictures.
        folder: The folder for the PNG files.

    Returns:
        The paths of the files.
    """
    usable = [record for record in source.records if config.keep_empty or (~record.crowd).any()]
    positions = np.linspace(0, len(usable) - 1, min(count, len(usable))).astype(int)
    selected = {usable[i].image_id: usable[i] for i in np.unique(positions)}
    if not selected:
        return []
    written = []
    config = changed(config, batch_size=1)
    part = dataclasses.replace(source, records=list(selected.values()))
    with tempfile.TemporaryDirectory() as temporary:
        shards = Path(temporary) / "pictures"
        settings = conversion_settings(config)
        inputs = ConversionInputs(manifest_settings(settings.check.annotations, settings.check.selection))
        convert(part, shards, settings, inputs, quiet=True)
        for batch in create_maskrcnn_dataset(config, shards, 0):
            record = selected[int(batch["image_id"][0])]
            annotated = draw_ground_truth(
                read_picture(record.path, (record.height, record.width)),
                record.boxes,
                record.labels,
                source.class_names,
                record.segmentations,
                record.crowd,
            )
            example = draw_example(batch, 0, source.class_names, source.has_masks)
            path = Path(folder) / f"{record.image_id}_{Path(record.path).stem}.png"
            save_png(path, side_by_side([annotated, example], _TITLES))
            written.append(path)
    return sorted(written)


def draw_example(
    batch: Mapping[str, Any], index: int, class_names: Sequence[str], has_masks: bool
) -> np.ndarray:
    """One example of a training batch with its valid objects, without the padding of the canvas.

    Args:
        batch: The arrays of `training_example.batch_layout`.
        index: The example's position in the batch.
        class_names: Names by label.
        has_masks: Whether gt_masks are the objects' masks.

    Returns:
        uint8 [kH, kW, 3], RGB.
    """
    gt_valid = batch["gt_valid"][index]
    gt_boxes = batch["gt_boxes"][index][gt_valid]
    gt_labels = batch["gt_labels"][index][gt_valid]
    height, width = (int(side) for side in batch["image_meta"][index][:2])
    segmentations = None
    if has_masks:
        gt_masks = batch["gt_masks"][index][gt_valid]
        segmentations = [
            mask_to_rle(paste_mask(mask / 255, box, height, width)) for mask, box in zip(gt_masks, gt_boxes)
        ]
    image = batch["image"][index][:height, :width]
    return draw_ground_truth(image, gt_boxes, gt_labels, class_names, segmentations)
