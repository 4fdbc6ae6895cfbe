"""Random sampling as a function of a key: reproducible, exact in its counts, and uniform."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.maskrcnn.ops.sampling import random_priorities, sample

COUNT = 40
LIMIT = 8
KEYS = 3000


@ms.jit
def priorities_graph(key):
    return random_priorities(key, COUNT, (1,))[0]


@ms.jit
def other_priorities_graph(key):
    return random_priorities(key, COUNT, (1, 2))[1]


@ms.jit
def sample_graph(candidates, key):
    return sample(candidates, random_priorities(key, COUNT, (1,))[0], LIMIT)


@ms.jit
def sample_all_graph(candidates, key):
    return sample(candidates, random_priorities(key, COUNT, (1,))[0], 10**7)


def run(graph, *arrays):
    got = graph(*(Tensor(array) for array in arrays))
    return [part.asnumpy() for part in got] if isinstance(got, tuple) else got.asnumpy()


def sampled_sets(graph, candidates, keys):
    """For each key the set of sampled indices."""
    idxs, sampled = run(graph, candidates, keys.astype(np.int32))
    return [set(row[flags].tolist()) for row, flags in zip(idxs, sampled)]


def keys_of(kind):
    return np.arange(KEYS) if kind == "counted" else np.random.default_rng(1).integers(0, 2**31, KEYS)


def test_the_same_key_samples_the_same_and_another_key_another():
    candidates = np.ones((4, COUNT), bool)
    keys = np.array([5, 6, 5, 2**31 - 1])
    first, second, again, last = sampled_sets(sample_graph, candidates, keys)
    assert first == again and len({frozenset(s) for s in (first, second, last)}) == 3
    assert sampled_sets(sample_graph, candidates, keys) == [first, second, again, last]


def test_a_picture_draws_the_same_wherever_it_stands_in_a_batch():
    np.testing.assert_array_equal(
        run(priorities_graph, np.array([1, 2, 3, 4], np.int32))[1],
        run(priorities_graph, np.array([2, 9, 8, 7], np.int32))[0],
    )


def test_streams_of_another_salt_are_other_streams():
    keys = np.arange(4, dtype=np.int32)
    first = run(priorities_graph, keys)
    second = run(other_priorities_graph, keys)
    assert not np.intersect1d(first, second).size > 4
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.3


@pytest.mark.parametrize("candidates", [0, 1, 7, 8, 9, COUNT])
def test_as_many_as_there_are_and_no_more_than_the_limit(rng, candidates):
    mask = np.zeros((4, COUNT), bool)
    for row in mask:
        row[rng.permutation(COUNT)[:candidates]] = True
    idxs, sampled = run(sample_graph, mask, np.arange(4, dtype=np.int32))
    assert idxs.shape == sampled.shape == (4, LIMIT)
    for n in range(4):
        taken = idxs[n][sampled[n]]
        assert len(taken) == len(set(taken.tolist())) == min(candidates, LIMIT) and mask[n][taken].all()
        assert sampled[n][: len(taken)].all()  # the sampled ones stand first


def test_a_limit_as_large_as_the_population_takes_everything(rng):
    mask = rng.uniform(size=(4, COUNT)) < 0.5
    for n, taken in enumerate(sampled_sets(sample_all_graph, mask, np.arange(4))):
        assert taken == set(np.flatnonzero(mask[n]).tolist())


@pytest.mark.parametrize("kind", ["counted", "hashed"])
def test_every_candidate_is_sampled_equally_often(kind):
    """Chi-square with 29 degrees of freedom has mean 29 and deviation 7.6.

    By chance it passes 29 + 6 deviations once in 10^6 runs.
    """
    candidates = np.zeros((KEYS, COUNT), bool)
    candidates[:, ::4] = candidates[:, 1::4] = candidates[:, 2::4] = True  # 30 of the 40
    times = np.zeros(COUNT)
    for taken in sampled_sets(sample_graph, candidates, keys_of(kind)):
        times[list(taken)] += 1
    share = LIMIT / 30
    expected = KEYS * share
    assert times[3::4].sum() == 0 and times.sum() == KEYS * LIMIT
    of_candidates = times[candidates[0]]
    assert ((of_candidates - expected) ** 2).sum() / (expected * (1 - share)) < 29 + 6 * np.sqrt(58)


@pytest.mark.parametrize("kind", ["counted", "hashed"])
def test_priorities_are_spread_evenly_and_independent(kind):
    values = run(priorities_graph, keys_of(kind).astype(np.int32)) / 2.0**15 + 1
    assert values.min() >= 0 and values.max() < 1
    times = np.histogram(values, 64, (0, 1))[0]
    expected = values.size / 64
    assert ((times - expected) ** 2 / expected).sum() < 63 + 6 * np.sqrt(126)
    bound = 5 / np.sqrt(KEYS)
    assert np.abs(np.corrcoef(values.T) - np.eye(COUNT)).max() < bound  # positions among one another
    for shift in (1, 2, 16, 1024):  # and neighbouring keys
        correlation = np.corrcoef(values[:-shift].ravel(), values[shift:].ravel())[0, 1]
        assert abs(correlation) < 5 / np.sqrt(values.size - shift * COUNT)


def test_pairs_are_sampled_equally_often():
    """Any two candidates are both among 8 of 40 in a share of 8 * 7 / (40 * 39) of the draws."""
    together = np.zeros((COUNT, COUNT))
    for taken in sampled_sets(sample_graph, np.ones((KEYS, COUNT), bool), keys_of("counted")):
        rows = list(taken)
        together[np.ix_(rows, rows)] += 1
    times = together[np.triu_indices(COUNT, 1)]
    share = LIMIT * (LIMIT - 1) / (COUNT * (COUNT - 1))
    expected = KEYS * share
    # The largest of 780 deviations is 3.2 standard deviations on average, and 5.5 once in 10^5 runs.
    assert np.abs(times - expected).max() < 5.5 * np.sqrt(expected * (1 - share))
