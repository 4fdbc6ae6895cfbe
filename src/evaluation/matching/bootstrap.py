"""Intervals of the headline figures: the pictures are drawn again, with replacement.

Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979. A sample is a number of times for each
picture. Matches do not change, as they are made within a picture; so AP of a sample comes from the table with
weights. It is exactly that of a data set in which a picture stands so many times.

AP of few pictures is too high on average, and AP of a sample is so once more. Therefore the intervals are
"basic" ones (Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 2.4): what samples
are too high by is taken off. The percentiles of the samples themselves would be around too high a figure.
"""

from __future__ import annotations

from typing import Dict, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np

from .precision_recall import RECALLS, ranked_by_class
from .table import ALL_SIZES, MatchTable

SAMPLES = 400
_SAMPLES_AT_ONCE = 50


class Interval(NamedTuple):
    """A figure with the limits of its 95% interval, which holds it, and the samples' standard deviation."""

    value: float
    low: float
    high: float
    deviation: float


def draw_samples(pictures: int, samples: int = SAMPLES, seed: int = 0) -> np.ndarray:
    """int32 [samples, pictures]: how often each picture is in a sample. One seed gives the same samples."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((samples, pictures), np.int32)
    for sample in weights:
        sample += np.bincount(rng.integers(0, pictures, pictures), minlength=pictures).astype(np.int32)
    return weights


def headline_names(table: MatchTable) -> List[str]:
    """AP, and AP50 and AP75 where the settings have these thresholds."""
    return [name for name in table.settings.names if name in ("AP", "AP50", "AP75")]


def sampled_figures(table: MatchTable, weights: np.ndarray) -> Dict[str, np.ndarray]:
    """The headline figures of each sample.

    Args:
        table: the match table.
        weights: int [B, pictures], as of `draw_samples`.

    Returns:
        {name: float64 [B]}; -1 for a sample without objects.
    """
    thresholds = np.array(table.settings.iou_thresholds)
    sums = np.zeros((len(thresholds), len(weights)))
    classes = np.zeros(len(weights), np.int64)
    for begin in range(0, len(weights), _SAMPLES_AT_ONCE):
        part = slice(begin, begin + _SAMPLES_AT_ONCE)
        for figures, has_objects in _class_figures(table, weights[part]):
            sums[:, part] += figures
            classes[part] += has_objects
    means = np.where(classes > 0, sums / np.maximum(classes, 1), -1.0)
    result = {"AP": means.mean(axis=0)}
    for name in headline_names(table)[1:]:
        result[name] = means[int(np.isclose(thresholds, int(name[2:]) / 100).argmax())]
    return result


def intervals(table: MatchTable, samples: int = SAMPLES, seed: int = 0) -> Dict[str, Interval]:
    """{name: Interval} of the headline figures; {} without objects or pictures."""
    if not table.object_counts().any():
        return {}
    value = sampled_figures(table, np.ones((1, len(table.image_ids)), np.int32))
    drawn = sampled_figures(table, draw_samples(len(table.image_ids), samples, seed))
    result = {}
    for name, figures in drawn.items():
        figures = figures[figures >= 0]  # samples without any object say nothing
        of_figure = _basic_interval(float(value[name][0]), figures)
        result[name] = of_figure._replace(low=max(of_figure.low, 0.0), high=min(of_figure.high, 1.0))
    return result


def _basic_interval(value: float, figures: np.ndarray) -> Interval:
    """The interval of a value from its samples; where it would not hold the value it reaches up to it."""
    low, high = 2 * value - np.quantile(figures, [0.975, 0.025])
    return Interval(value, min(float(low), value), max(float(high), value), float(figures.std()))


def _class_figures(table: MatchTable, weights: np.ndarray) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
    """For each class (AP [T, B], 0 without objects; bool [B], whether the sample has objects)."""
    by_image = np.ascontiguousarray(weights.T)  # [pictures, B]: samples side by side in memory
    counts = ~table.object_ignored[ALL_SIZES]
    for category, ranked in ranked_by_class(table):
        own_objects = table.objects.image[counts & (table.objects.category == category)]
        objects = by_image[own_objects].sum(axis=0)
        if not objects.any():
            continue
        seen = np.cumsum(by_image[table.detections.image[ranked]], axis=0, dtype=np.int32)
        figures = [
            _weighted_ap(table, threshold, ranked, by_image, seen, objects)
            for threshold in range(len(table.settings.iou_thresholds))
        ]
        yield np.array(figures), objects > 0


def _weighted_ap(table, threshold, ranked, by_image, seen, objects) -> np.ndarray:
    """AP [B] of one class and threshold. `seen` [n, B] counts all detections up to each."""
    images = table.detections.image[ranked]
    places = np.flatnonzero(table.is_true(threshold)[ranked])
    if not len(places):
        return np.zeros(len(objects))
    hits = np.cumsum(by_image[images[places]], axis=0, dtype=np.int32)
    counted = seen[places]
    ignored = np.flatnonzero(table.ignored[ALL_SIZES, threshold][ranked])
    if len(ignored):
        ignored_before = np.cumsum(by_image[images[ignored]], axis=0, dtype=np.int32)
        index = np.searchsorted(ignored, places)
        counted = counted - np.concatenate([np.zeros_like(seen[:1]), ignored_before])[index]
    precision = hits / np.maximum(counted, 1)
    precision = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    return _sum_over_recalls(hits, precision, objects) / len(RECALLS)


def _sum_over_recalls(hits: np.ndarray, precision: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """The sum of precision at RECALLS: each is taken at the first place whose recall reaches it."""
    reached = np.searchsorted(RECALLS, hits / np.maximum(objects, 1), side="right")
    steps = np.diff(reached, axis=0, prepend=0)
    return (steps * precision).sum(axis=0)


def paired_difference(first: Sequence[float], second: Sequence[float], value: float) -> Interval:
    """The interval of second - first, from figures of the same samples.

    Args:
        first, second: figures of two tables over the same pictures, with the same weights.
        value: the difference of the figures themselves.
    """
    return _basic_interval(float(value), np.asarray(second) - np.asarray(first))
