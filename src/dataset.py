"""From MindRecord to training batches, and from picture folders to evaluation batches.

All NumPy, no device needed.

    folder, manifest = ensure_mindrecord(config)  # converts where there is no whole conversion
    config = resolve_classes(config, manifest)
    for batch in create_maskrcnn_dataset(config, folder, epoch):
        ...

Order and augmentation are functions of (seed, epoch, row of the shards) alone: any number of workers and
ranks gives the same examples, and an epoch can be taken up at any step.
"""

from __future__ import annotations

import collections
import contextlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .data.annotations.sources import read_source, resolve_classes
from .data.images.decode import read_picture
from .data.images.placement import place_picture, place_plainly, resized_size
from .data.mindrecord.converter import ensure_mindrecord
from .data.mindrecord.manifest import load_manifest, load_rows
from .data.pipeline.sampler import epoch_length, epoch_order, rank_steps
from .data.pipeline.training_example import batch_layout
from .data.pipeline.workers import DataWorkers
from .errors import ConfigError, DataError, WorkerError

__all__ = [
    "create_maskrcnn_dataset",
    "TrainingBatches",
    "DataWorkers",
    "ensure_mindrecord",
    "evaluation_batches",
    "read_source",
    "resolve_classes",
    "steps_per_epoch",
]


def steps_per_epoch(config, manifest, device_num=1):
    """Steps of an epoch, in which every picture is seen: batches of all devices together, the last one filled
    up.
    """
    return -(-epoch_length(config, manifest) // (config.batch_size * device_num))


def create_maskrcnn_dataset(
    config, folder, epoch, rank=0, device_num=1, start_step=0, workers=None, images_seen=None
):
    """The TrainingBatches of one epoch of the conversion in `folder`.

    Args:
        config: the Config.
        folder: the folder that `ensure_mindrecord` gave.
        epoch: number of the epoch, from 0.
        rank: this process's number among the `device_num` processes that share the epoch.
        device_num: how many processes share the epoch.
        start_step: the first step of the epoch to give.
        workers: DataWorkers to use and leave running, which saves their start at every epoch.
        images_seen: instead of start_step, how many of the epoch's pictures earlier steps have taken. Those
            steps may have had another batch size or number of devices.

    Raises:
        DataError: the folder holds no whole conversion.
        ConfigError: the canvas is too small.
    """
    manifest = load_manifest(folder)
    if manifest is None:
        raise DataError(f"{folder}: no whole conversion; ensure_mindrecord makes one")
    return TrainingBatches(
        config, folder, manifest, epoch, rank, device_num, start_step, workers, images_seen
    )


class TrainingBatches:
    """An epoch's batches: iterating gives dicts of arrays (`training_example.batch_layout`), the caller's to
    keep.

    Every row comes once an epoch (more often as repeat_factor_threshold says), in the epoch's own order,
    which the ranks share step by step; a last incomplete step is filled up with rows of the epoch's
    beginning. has_masks: False for data with boxes alone, whose masks are all 255. len() is the number of
    steps left.
    """

    def __init__(
        self,
        config,
        folder,
        manifest,
        epoch,
        rank=0,
        device_num=1,
        start_step=0,
        workers=None,
        images_seen=None,
    ):
        rows = load_rows(folder, manifest)
        for height, width in np.unique(np.stack([rows["height"], rows["width"]], 1), axis=0):
            resized_size(int(height), int(width), config)  # a canvas too small is said now, not hours later
        self.has_masks = manifest.has_masks
        self._config, self._folder, self._epoch, self._workers = config, folder, epoch, workers
        if config.copy_paste_ratio and not manifest.has_masks:
            raise ConfigError(
                f"copy_paste_ratio={config.copy_paste_ratio} needs masks to cut objects out, and "
                f"{manifest.source} has none"
            )
        if images_seen is None:
            images_seen = start_step * config.batch_size * device_num
        self.rows = rank_steps(
            epoch_order(config, manifest, epoch), config.batch_size, rank, device_num, images_seen
        )
        self._image_ids = rows["image_id"]

    def __len__(self):
        return len(self.rows)

    def __iter__(self):
        own = self._workers is None
        with (
            DataWorkers(self._config, self._folder, self.has_masks)
            if own
            else contextlib.nullcontext(self._workers)
        ) as workers:
            try:
                workers.drain()  # what an iteration that was given up left behind
                yield from self._batches(workers)
            except WorkerError as error:
                at = (
                    f", at pictures {[int(self._image_ids[row]) for row in error.rows]}"
                    if error.rows
                    else ", when it had nothing to do"
                )
                raise WorkerError(f"{error}{at}", error.rows) from None

    def _batches(self, workers):
        ahead = len(workers.slots)
        missing = collections.Counter()  # step -> examples not yet there

        def submit(step):
            if step < len(self.rows):
                missing[step] = len(self.rows[step])
                for position, row in enumerate(self.rows[step].tolist()):
                    workers.submit((step, position), step % ahead, position, self._epoch, row)

        for step in range(ahead):
            submit(step)
        for step in range(len(self.rows)):
            while missing[step]:
                done, _ = workers.collect()
                missing[done] -= 1
            del missing[step]
            # a copy, so that the slot can be filled again while the caller works
            batch = {name: array.copy() for name, array in workers.slots[step % ahead].items()}
            submit(step + ahead)
            yield batch


def evaluation_batches(config, source, batch_size=None):
    """Batches of a DataSource's pictures, in its order, straight from their files, read ahead by
    num_parallel_workers threads.

    batch_size: test_batch_size by default. Yields dicts of image uint8 [B, img_height, img_width, 3] (RGB),
        image_meta float32 [B, 6] (`Placement.meta`), image_id int64 [B], and count, the number of real
        pictures: the last batch is filled up by repeating its last one. Raises DataError naming the picture
        that cannot be read, ConfigError for a canvas that is too small.
    """
    size = batch_size or config.test_batch_size
    for height, width in {(record.height, record.width) for record in source.records}:
        resized_size(height, width, config)
    return _evaluation_batches(config, source.records, size)


def _evaluation_batches(config, records, size):
    layout = batch_layout(config, size)

    def load(record):
        picture = read_picture(record.path, (record.height, record.width))
        placement = place_plainly(*picture.shape[:2], config)
        return place_picture(picture, placement, config), placement.meta, record.image_id

    executor = ThreadPoolExecutor(config.num_parallel_workers, "evaluation-pictures")
    try:
        queue, upcoming = collections.deque(), iter(records)
        for first in range(0, len(records), size):
            while len(queue) < 2 * size + config.num_parallel_workers:
                record = next(upcoming, None)
                if record is None:
                    break
                queue.append(executor.submit(load, record))
            count = min(size, len(records) - first)
            loaded = [queue.popleft().result() for _ in range(count)]
            loaded += loaded[-1:] * (size - count)
            batch = {
                name: np.array(column, layout[name][0])
                for name, column in zip(("image", "image_meta", "image_id"), zip(*loaded))
            }
            yield {**batch, "count": count}
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
