"""Which rows of the shards an epoch takes, in which order, and which of them a step of a rank gets.

All of this is a function of (seed, epoch) alone.
"""

from __future__ import annotations

from typing import Optional, Sequence, Union

import numpy as np

from ..mindrecord.manifest import Manifest, load_labels, load_rows

# The streams of random numbers. What is drawn from one never shifts another.
ORDER = 1
AUGMENT = 2
SAMPLE = 3
COLOR = 4
PASTE = 5
PASTE_COLOR = 6

# Repeat factors are summed as whole multiples of 1 / _FACTOR_UNITS, so that sums are exact.
_FACTOR_UNITS = 1 << 20


def stream_generator(seed: int, stream: int, epoch: int, row: int = 0) -> np.random.Generator:
    """The generator of random numbers of a stream at (epoch, row).

    It uses Philox, which counts blocks: generators with different keys or counters never overlap.

    Args:
        seed: The run's seed.
        stream: One of the streams' numbers above.
        epoch: The epoch, from 0.
        row: The row of the shards; 0 for what concerns the whole epoch.
    """
    philox = np.random.Philox(key=[seed % 2**64, stream], counter=[0, 0, row, epoch])
    return np.random.Generator(philox)


def repeat_factors(
    objects: Union[np.ndarray, Sequence[int]], labels: np.ndarray, threshold: float
) -> np.ndarray:
    """How often each picture comes in an epoch, on average.

    A picture's factor is the largest of max(1, sqrt(threshold / f)) over its classes, where f is the fraction
    of the pictures that hold the class (Gupta et al. 2019, LVIS, section 5).

    Args:
        objects: int [pictures], how many objects each picture has.
        labels: int [sum of objects], the objects' labels, picture after picture.
        threshold: The f below which a class is repeated.

    Returns:
        float64 [pictures].
    """
    labels = np.asarray(labels, np.int64)
    picture_of_object = np.repeat(np.arange(len(objects)), objects)
    # Each pair of a picture and a class in it, once, as one number.
    label_count = labels.max(initial=0) + 1
    pairs = np.unique(picture_of_object * label_count + labels)
    picture, label = np.divmod(pairs, label_count)
    frequency = np.bincount(label) / max(1, len(objects))
    factors = np.ones(len(objects))
    np.maximum.at(factors, picture, np.sqrt(threshold / frequency[label]))
    return factors


def epoch_length(manifest: Manifest, repeat_threshold: Optional[float]) -> int:
    """How many rows an epoch takes, repeats included, of the conversion that the manifest describes.

    Args:
        manifest: The conversion.
        repeat_threshold: As of `repeat_factors`; None or 0: no row is repeated.

    Raises:
        DataError: The index of the rows or the labels are missing or damaged.
    """
    if not repeat_threshold:
        return manifest.pictures
    return (int(_factor_units(manifest, repeat_threshold).sum()) + _FACTOR_UNITS // 2) // _FACTOR_UNITS


def _factor_units(manifest: Manifest, repeat_threshold: float) -> np.ndarray:
    """The rows' repeat factors, int64 [pictures], in multiples of 1 / _FACTOR_UNITS."""
    objects = load_rows(manifest.folder, manifest)["objects"]
    labels = load_labels(manifest.folder, manifest)
    factors = repeat_factors(objects, labels, repeat_threshold)
    return np.rint(factors * _FACTOR_UNITS).astype(np.int64)


def epoch_order(manifest: Manifest, epoch: int, seed: int, repeat_threshold: Optional[float]) -> np.ndarray:
    """The rows of an epoch in its own random order.

    Without repeats each row comes once. With them a row of factor r comes floor(r) or ceil(r) times, the
    latter with a probability of about r - floor(r), and all epochs are of the same length (systematic
    sampling).

    Args:
        manifest: The conversion.
        epoch: The epoch, from 0.
        seed: The run's seed.
        repeat_threshold: As of `epoch_length`.

    Returns:
        int64 [epoch_length].

    Raises:
        DataError: The index of the rows or the labels are missing or damaged.
    """
    generator = stream_generator(seed, ORDER, epoch)
    order = generator.permutation(manifest.pictures)
    if not repeat_threshold:
        return order
    ends = np.cumsum(_factor_units(manifest, repeat_threshold)[order])
    # The random offset decides which rows are rounded up. It is drawn so that the sum is rounded to the
    # nearest whole number in every epoch.
    rest = int(ends[-1] % _FACTOR_UNITS)
    if 2 * rest >= _FACTOR_UNITS:
        offset = generator.integers(_FACTOR_UNITS - rest, _FACTOR_UNITS)
    else:
        offset = generator.integers(_FACTOR_UNITS - rest)
    counts = np.diff((ends + offset) // _FACTOR_UNITS, prepend=0)
    return generator.permutation(np.repeat(order, counts))


def rank_steps(
    order: np.ndarray, batch_size: int, rank: int, device_num: int, images_seen: int = 0
) -> np.ndarray:
    """The rows of each step of a rank.

    A step takes the next batch_size * device_num rows of the order, of which rank r gets the r-th batch_size.
    The last step is filled up from the order's beginning, so that no row is left out.

    Args:
        order: int [epoch_length], the rows of the epoch (`epoch_order`).
        batch_size: Pictures of a step of one rank.
        rank: From 0 to device_num - 1.
        device_num: How many ranks share the epoch.
        images_seen: How many rows of the order earlier steps have taken.

    Returns:
        int64 [steps, batch_size].
    """
    step_size = batch_size * device_num
    steps = max(0, -(-(len(order) - images_seen) // step_size))
    indices = (images_seen + np.arange(steps * step_size)) % len(order)
    return order[indices].reshape(steps, device_num, batch_size)[:, rank]
