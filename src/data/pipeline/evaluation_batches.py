"""Batches of a data set's pictures for evaluation, straight from the picture files."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence

import numpy as np

from ..annotations.records import Record
from ..images.canvas import CanvasSettings, resized_size
from ..images.decode import read_picture
from ..images.placement import place_picture, place_plainly
from ..read_ahead import read_ahead


@dataclass(frozen=True)
class EvaluationBatchSettings:
    """What evaluation's batches take of the settings.

    Attributes:
        canvas: The canvas.
        batch_size: B.
        threads: How many threads read ahead.
    """

    canvas: CanvasSettings
    batch_size: int
    threads: int


def evaluation_batches(
    settings: EvaluationBatchSettings, records: Sequence[Record]
) -> Iterator[Dict[str, Any]]:
    """Batches of the records' pictures, in their order.

    Returns:
        An iterator of dicts:
            image: uint8 [B, height, width, 3] of the canvas, RGB.
            image_meta: float32 [B, 6] (`Placement.meta`).
            image_id: int64 [B].
            count: The number of real pictures. The last batch is filled up by repeating its last picture.

    Raises:
        ConfigError: The canvas is too small; raised at once.
        DataError: Names the picture that cannot be read; raised while iterating.
    """
    for height, width in {(record.height, record.width) for record in records}:
        resized_size(height, width, settings.canvas)
    return _evaluation_batches(settings, records)


class _EvaluationPicture(NamedTuple):
    """One picture of an evaluation batch; see `evaluation_batches`."""

    image: np.ndarray
    image_meta: np.ndarray
    image_id: int


def _evaluation_batches(
    settings: EvaluationBatchSettings, records: Sequence[Record]
) -> Iterator[Dict[str, Any]]:
    """The generator behind `evaluation_batches`."""

    def load(record: Record) -> _EvaluationPicture:
        picture = read_picture(record.path, (record.height, record.width))
        height, width = picture.shape[:2]
        placement = place_plainly(height, width, settings.canvas)
        image = place_picture(picture, placement, settings.canvas)
        return _EvaluationPicture(image, placement.meta, record.image_id)

    batch_size = settings.batch_size
    with contextlib.closing(
        read_ahead(load, records, settings.threads, 2 * batch_size + settings.threads)
    ) as loaded:
        for first in range(0, len(records), batch_size):
            count = min(batch_size, len(records) - first)
            pictures = list(itertools.islice(loaded, count))
            pictures += pictures[-1:] * (batch_size - count)
            yield {**_stack_pictures(pictures), "count": count}


def _stack_pictures(pictures: List[_EvaluationPicture]) -> Dict[str, np.ndarray]:
    """The arrays of an evaluation batch, with the dtypes of training batches."""
    return {
        "image": np.stack([picture.image for picture in pictures]),
        "image_meta": np.stack([picture.image_meta for picture in pictures]),
        "image_id": np.array([picture.image_id for picture in pictures], np.int64),
    }
