"""How certain it is that an annotation is wrong: a number from 0 to 1 that all kinds of suspects share.

It is the posterior of "the label is wrong" against "the network is wrong", with fixed priors. So all kinds
can stand in one list. What the network gets wrong is estimated from this evaluation itself: from scores, and
from how many objects of a similar size are as badly supported.
"""

from __future__ import annotations

import numpy as np

# Of a hundred objects that annotators see, so many are assumed to be forgotten, or annotated wrongly.
_FORGOTTEN = 0.1
_WRONG = 0.03
_NEIGHBOURS = 200  # objects of the most similar areas
_HIGHEST_SCORE = 0.999


def of_missing(score: np.ndarray, uncovered: np.ndarray) -> np.ndarray:
    """That a detection without an object is one that was forgotten.

    Args:
        score: float [n], from 0 to 1, the probability that there is such an object.
        uncovered: float [n], the share of the detection that no annotated object covers.

    Returns:
        float [n]: _FORGOTTEN p / (_FORGOTTEN p + 1 - p), with p the score times the uncovered share.
    """
    real = np.minimum(np.asarray(score, np.float64), _HIGHEST_SCORE) * uncovered
    return _FORGOTTEN * real / (_FORGOTTEN * real + 1 - real)


def of_unsupported(support: np.ndarray, area: np.ndarray) -> np.ndarray:
    """That an object which the network hardly finds is none, or badly placed.

    Small objects are often missed, large ones rarely: an object counts as suspicious where few objects of its
    size are supported as little.

    Args:
        support: float [n], how well detections fit each object, from 0.
        area: float [n], in pixels.

    Returns:
        float [n]: _WRONG divided by the share of the objects of similar area with at most this support; at
        most 1.
    """
    support = np.asarray(support, np.float64)
    count = len(support)
    result = np.zeros(count)
    if not count:
        return result
    order = np.lexsort((support, area))
    ranked = support[order]
    window = min(_NEIGHBOURS, count)
    for place in range(count):
        begin = min(max(place - window // 2, 0), count - window)
        own = ranked[begin : begin + window]
        share = np.count_nonzero(own <= ranked[place]) / window
        result[order[place]] = min(_WRONG / share, 1.0)
    return result


def of_both(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """That at least one of two independent reasons holds."""
    return 1 - (1 - np.asarray(first)) * (1 - np.asarray(second))
