"""Stratified splits: every class keeps its share, as far as pictures and groups allow."""

from __future__ import annotations

import numpy as np
import pytest

from src.data.splits.stratification import stratified_split


def multi_label(count, classes, seed):
    """int [count, classes] 0/1: frequent and rare classes, some together; some pictures have none."""
    rng = np.random.default_rng(seed)
    return (rng.random((count, classes)) < np.geomspace(0.5, 0.01, classes)).astype(np.int64)


@pytest.mark.parametrize("shares", [(0.8, 0.2), (0.7, 0.2, 0.1)])
def test_each_class_has_its_share(shares):
    has_class = multi_label(1000, 12, 0)
    part = stratified_split(has_class, np.ones(1000, int), shares, seed=1)
    for number, share in enumerate(shares):
        assert abs((part == number).sum() - share * 1000) <= 2
        # Sechidis et al. report deviations under one per cent; one picture of a rare class is what there is
        wanted = share * has_class.sum(0)
        assert (abs(has_class[part == number].sum(0) - wanted) <= np.maximum(1, 0.02 * wanted)).all()


def test_a_random_split_is_worse():
    has_class = multi_label(400, 12, 3)
    part = stratified_split(has_class, np.ones(400, int), (0.8, 0.2), seed=0)
    random = np.random.default_rng(0).permutation(400) < 80

    def deviation(chosen):
        return abs(has_class[chosen].sum(0) / has_class.sum(0) - 0.2).mean()

    assert deviation(part == 1) < 0.3 * deviation(random)


def test_the_seed_decides():
    has_class = multi_label(200, 5, 1)
    splits = [stratified_split(has_class, np.ones(200, int), (0.5, 0.5), seed).tolist() for seed in (4, 4, 5)]
    assert splits[0] == splits[1] != splits[2]


def test_groups_count_by_their_pictures():
    """20 groups of 5 pictures and 100 single ones: half of all pictures is 100."""
    sizes = np.array([5] * 20 + [1] * 100)
    has_class = np.stack([sizes, np.where(np.arange(120) % 3, sizes, 0)], 1)
    part = stratified_split(has_class, sizes, (0.5, 0.5), seed=2)
    assert abs(sizes[part == 0].sum() - 100) <= 1
    assert abs(has_class[part == 0, 1].sum() - has_class[:, 1].sum() / 2) <= 2


def test_two_pictures_of_a_class_go_to_both_parts():
    has_class = np.zeros((50, 1), np.int64)
    has_class[[7, 31]] = 1
    part = stratified_split(has_class, np.ones(50, int), (0.5, 0.5), seed=0)
    assert part[7] != part[31]
