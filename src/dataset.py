"""From MindRecord to training batches, and from picture files to evaluation batches.

All of it is NumPy and needs no device.

    # converts where there is no whole conversion
    folder, manifest = ensure_mindrecord(config)
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
from pathlib import Path
from typing import Any, ContextManager, Dict, Iterator, List, NamedTuple, NoReturn, Optional, Sequence, Union

import numpy as np

from .config import Config
from .data.annotations.records import DataSource, Record
from .data.annotations.sources import read_source, resolve_classes
from .data.images.decode import read_picture
from .data.images.placement import place_picture, place_plainly, resized_size
from .data.mindrecord.converter import ensure_mindrecord
from .data.mindrecord.manifest import Manifest, load_manifest, load_rows
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


def steps_per_epoch(config: Config, manifest: Manifest, device_num: int = 1) -> int:
    """The number of steps of an epoch.

    A step takes a batch on each of `device_num` devices. The last step is filled up, so that no picture is
    left out.
    """
    return -(-epoch_length(config, manifest) // (config.batch_size * device_num))


def create_maskrcnn_dataset(
    config: Config,
    folder: Union[str, Path],
    epoch: int,
    rank: int = 0,
    device_num: int = 1,
    start_step: int = 0,
    workers: Optional[DataWorkers] = None,
    images_seen: Optional[int] = None,
) -> TrainingBatches:
    """The training batches of one epoch of a conversion.

    Args:
        config: The run's settings.
        folder: The folder that `ensure_mindrecord` returned.
        epoch: The epoch, from 0.
        rank: This process's number among those that share the epoch.
        device_num: How many processes share the epoch.
        start_step: The first step of the epoch to make.
        workers: Workers to use and leave running, which saves their start at every epoch. By default the
            batches start their own.
        images_seen: Instead of start_step: how many of the epoch's pictures earlier steps have taken. Those
            steps may have had another batch size or number of devices.

    Raises:
        DataError: The folder holds no whole conversion.
        ConfigError: The canvas is too small, or a setting needs masks and the data has none.
    """
    manifest = load_manifest(folder)
    if manifest is None:
        raise DataError(f"{folder}: no whole conversion; ensure_mindrecord makes one")
    return TrainingBatches(
        config, folder, manifest, epoch, rank, device_num, start_step, workers, images_seen
    )


class TrainingBatches:
    """An epoch's training batches.

    Iterating gives dicts of arrays as `training_example.batch_layout` says, which are the caller's to keep.
    len() is the number of steps.

    Every row comes once an epoch (or more often, as repeat_factor_threshold says), in the epoch's own order.
    The ranks share the order step by step. The last step is filled up with rows from the epoch's beginning.

    Args:
        manifest: The conversion in `folder`.
        config, folder, epoch, rank, device_num, start_step, workers, images_seen: As of
            `create_maskrcnn_dataset`.

    Attributes:
        rows: int64 [steps, batch_size], the rows of the shards that each step takes.
        has_masks: False for data with boxes alone, whose masks are all 255.

    Raises:
        ConfigError: The canvas is too small, or a setting needs masks and the data has none.
        DataError: The index of the rows is missing or damaged.
    """

    def __init__(
        self,
        config: Config,
        folder: Union[str, Path],
        manifest: Manifest,
        epoch: int,
        rank: int = 0,
        device_num: int = 1,
        start_step: int = 0,
        workers: Optional[DataWorkers] = None,
        images_seen: Optional[int] = None,
    ):
        rows = load_rows(folder, manifest)
        # A canvas that is too small is reported now, not hours later.
        for height, width in np.unique(np.stack([rows["height"], rows["width"]], 1), axis=0):
            resized_size(int(height), int(width), config)
        if config.copy_paste_ratio and not manifest.has_masks:
            raise ConfigError(
                f"copy_paste_ratio={config.copy_paste_ratio} needs masks to cut objects out, and "
                f"{manifest.source} has none"
            )
        if images_seen is None:
            images_seen = start_step * config.batch_size * device_num
        order = epoch_order(config, manifest, epoch)
        self.rows = rank_steps(order, config.batch_size, rank, device_num, images_seen)
        self.has_masks = manifest.has_masks
        self._config = config
        self._folder = folder
        self._epoch = epoch
        self._workers = workers
        self._image_ids = rows["image_id"]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Dict[str, np.ndarray]]:
        with self._running_workers() as workers:
            try:
                # An earlier iteration that was not finished may have left examples behind.
                workers.drain()
                yield from self._batches(workers)
            except WorkerError as error:
                self._raise_with_pictures(error)

    def _running_workers(self) -> ContextManager[DataWorkers]:
        """The given workers, which are left running, or new ones."""
        if self._workers is not None:
            return contextlib.nullcontext(self._workers)
        return DataWorkers(self._config, self._folder, self.has_masks)

    def _raise_with_pictures(self, error: WorkerError) -> NoReturn:
        """Raise a worker's error again, with the pictures that it was to read."""
        pictures = [int(self._image_ids[row]) for row in error.rows]
        location = f", at pictures {pictures}" if pictures else ", when it had nothing to do"
        raise WorkerError(f"{error}{location}", error.rows) from None

    def _batches(self, workers: DataWorkers) -> Iterator[Dict[str, np.ndarray]]:
        """The batches of all steps, made in the workers' buffers as many steps ahead as there are buffers."""
        buffers = len(workers.buffers)
        # How many examples of a step are not done yet.
        missing = collections.Counter()

        def submit(step: int) -> None:
            if step < len(self.rows):
                missing[step] = len(self.rows[step])
                for position, row in enumerate(self.rows[step].tolist()):
                    workers.submit((step, position), step % buffers, position, self._epoch, row)

        for step in range(buffers):
            submit(step)
        for step in range(len(self.rows)):
            while missing[step]:
                done, _ = workers.collect()
                missing[done] -= 1
            del missing[step]
            # A copy, so that the buffer can be filled again while the caller works.
            batch = {name: array.copy() for name, array in workers.buffers[step % buffers].items()}
            submit(step + buffers)
            yield batch


def evaluation_batches(
    config: Config, source: DataSource, batch_size: Optional[int] = None
) -> Iterator[Dict[str, Any]]:
    """Batches of a data set's pictures, in its order, straight from their files.

    num_parallel_workers threads read ahead.

    Args:
        config: The run's settings.
        source: The pictures.
        batch_size: B, test_batch_size by default.

    Returns:
        An iterator of dicts:
            image: uint8 [B, img_height, img_width, 3], RGB.
            image_meta: float32 [B, 6] (`Placement.meta`).
            image_id: int64 [B].
            count: The number of real pictures. The last batch is filled up by repeating its last picture.

    Raises:
        ConfigError: The canvas is too small; raised at once.
        DataError: Names the picture that cannot be read; raised while iterating.
    """
    size = batch_size or config.test_batch_size
    for height, width in {(record.height, record.width) for record in source.records}:
        resized_size(height, width, config)
    return _evaluation_batches(config, source.records, size)


class _EvaluationPicture(NamedTuple):
    """One picture of an evaluation batch; see `evaluation_batches`."""

    image: np.ndarray
    image_meta: np.ndarray
    image_id: int


def _evaluation_batches(
    config: Config, records: Sequence[Record], batch_size: int
) -> Iterator[Dict[str, Any]]:
    """The generator behind `evaluation_batches`."""

    def load(record: Record) -> _EvaluationPicture:
        picture = read_picture(record.path, (record.height, record.width))
        height, width = picture.shape[:2]
        placement = place_plainly(height, width, config)
        canvas = place_picture(picture, placement, config)
        return _EvaluationPicture(canvas, placement.meta, record.image_id)

    executor = ThreadPoolExecutor(config.num_parallel_workers, "evaluation-pictures")
    try:
        queue = collections.deque()
        upcoming = iter(records)
        for first in range(0, len(records), batch_size):
            while len(queue) < 2 * batch_size + config.num_parallel_workers:
                record = next(upcoming, None)
                if record is None:
                    break
                queue.append(executor.submit(load, record))
            count = min(batch_size, len(records) - first)
            pictures = [queue.popleft().result() for _ in range(count)]
            pictures += pictures[-1:] * (batch_size - count)
            yield {**_stack_pictures(config, pictures), "count": count}
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _stack_pictures(config: Config, pictures: List[_EvaluationPicture]) -> Dict[str, np.ndarray]:
    """The arrays of an evaluation batch, with the dtypes of training batches."""
    layout = batch_layout(config, len(pictures))
    return {
        name: np.array([getattr(picture, name) for picture in pictures], layout[name].dtype)
        for name in _EvaluationPicture._fields
    }
