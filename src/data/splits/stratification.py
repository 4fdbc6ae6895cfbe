"""Splitting pictures so that each part has its share of every class.

Iterative stratification for data with several labels a picture: Sechidis, Tsoumakas, Vlahavas, "On the
Stratification of Multi-Label Data", ECML PKDD 2011, algorithm 1. Here an example is a group of pictures that
stay together, and counts as many times as it has pictures. (The package iterative-stratification has no
groups and needs scikit-learn.)
"""

from __future__ import annotations

from typing import Sequence

import numpy as np


def stratified_split(
    class_counts: np.ndarray, sizes: np.ndarray, shares: Sequence[float], seed: int
) -> np.ndarray:
    """The part that each of g groups of pictures goes to.

    The class with the fewest groups left is handed out first. A group goes to the part that lacks most of
    this class, then to the one that lacks most pictures, then to one drawn at random.

    Args:
        class_counts: int [g, c], how many pictures of a group have a class.
        sizes: int [g], pictures of each group.
        shares: of the parts; their sum is 1.
        seed: for the order of the groups, and for parts that lack the same.

    Returns:
        int64 [g], from 0.
    """
    random = np.random.default_rng(seed)
    share = np.asarray(shares, np.float64)
    lacking = np.outer(share, class_counts.sum(0))  # [parts, classes]
    lacking_pictures = share * sizes.sum()
    part = np.full(len(sizes), -1, np.int64)
    # Large groups first: small ones can still make up for them.
    order = random.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    with_class = [order[class_counts[order, number] > 0] for number in range(class_counts.shape[1])]
    left = (class_counts > 0).sum(0)

    def hand_out(group, wanted):
        best = np.flatnonzero(wanted >= wanted.max() - 1e-9)
        if len(best) > 1:
            pictures = lacking_pictures[best]
            best = best[pictures >= pictures.max() - 1e-9]
        chosen = best[0] if len(best) == 1 else random.choice(best)
        part[group] = chosen
        lacking[chosen] -= class_counts[group]
        lacking_pictures[chosen] -= sizes[group]
        left[class_counts[group] > 0] -= 1

    while left.any():
        number = int(np.argmin(np.where(left > 0, left, np.iinfo(np.int64).max)))
        for group in with_class[number]:
            if part[group] < 0:
                hand_out(group, lacking[:, number])
    for group in order:
        if part[group] < 0:
            hand_out(group, lacking_pictures)
    return part
