"""Which rows of the shards an epoch takes, in which order, and which of them a rank's step gets: functions of
(seed, epoch) alone.
"""

from __future__ import annotations

import numpy as np

from ..mindrecord.manifest import load_labels, load_rows

# streams of random numbers: what one draws never shifts another
ORDER, AUGMENT, SAMPLE, COLOR, PASTE, PASTE_COLOR = 1, 2, 3, 4, 5, 6
_ONE = 1 << 20  # a repeat factor of 1, in whole numbers, whose sums are exact


def stream(seed, number, epoch, row=0):
    """numpy Generator of a stream at (epoch, row).

    Philox counts blocks, so different keys and counters never overlap.
    """
    return np.random.Generator(np.random.Philox(key=[seed % 2**64, number], counter=[0, 0, row, epoch]))


def repeat_factors(objects, labels, threshold):
    """float64 [pictures]: how often a picture comes in an epoch, on average.

    The largest of max(1, sqrt(threshold / f)) over its classes, f being the part of the pictures that hold
    the class (Gupta et al. 2019, LVIS, section 5).

    Args:
        objects: int [pictures], how many objects each picture has.
        labels: int [sum of objects], picture after picture.
        threshold: the f below which a class is repeated.
    """
    picture = np.repeat(np.arange(len(objects)), objects)
    labels = np.asarray(labels, np.int64)
    pairs = np.unique(picture * (labels.max(initial=0) + 1) + labels)
    picture, label = np.divmod(pairs, labels.max(initial=0) + 1)
    frequency = np.bincount(label) / max(1, len(objects))
    factors = np.ones(len(objects))
    np.maximum.at(factors, picture, np.sqrt(threshold / frequency[label]))
    return factors


def epoch_length(config, manifest):
    """How many rows an epoch takes of the conversion that `manifest` describes, repeats included."""
    if not config.repeat_factor_threshold:
        return manifest.pictures
    return (int(_factors(config, manifest).sum()) + _ONE // 2) // _ONE


def _factors(config, manifest):
    rows = load_rows(manifest.folder, manifest)
    return np.rint(
        repeat_factors(
            rows["objects"], load_labels(manifest.folder, manifest), config.repeat_factor_threshold
        )
        * _ONE
    ).astype(np.int64)


def epoch_order(config, manifest, epoch):
    """int64 [epoch_length]: the epoch's own order of the rows, each at least once.

    With repeats a row of factor r comes floor(r) or ceil(r) times, the latter with a probability of about r -
    floor(r), and the sum over all rows is the same in every epoch (systematic sampling).
    """
    generator = stream(config.seed, ORDER, epoch)
    order = generator.permutation(manifest.pictures)
    if not config.repeat_factor_threshold:
        return order
    ends = np.cumsum(_factors(config, manifest)[order])
    rest = int(ends[-1] % _ONE)
    ends += generator.integers(_ONE - rest, _ONE) if 2 * rest >= _ONE else generator.integers(_ONE - rest)
    return generator.permutation(np.repeat(order, np.diff(ends // _ONE, prepend=0)))


def rank_steps(order, batch_size, rank, device_num, images_seen=0):
    """int64 [steps, batch_size]: rows of each step of a rank, after the first `images_seen` of the order.

    A step takes the next batch_size * device_num rows of the order, rank r the r-th batch_size of them. The
    last step is filled up from the order's beginning, so that every picture is seen.
    """
    total = batch_size * device_num
    steps = max(0, -(-(len(order) - images_seen) // total))
    return order[(images_seen + np.arange(steps * total)) % len(order)].reshape(
        steps, device_num, batch_size
    )[:, rank]
