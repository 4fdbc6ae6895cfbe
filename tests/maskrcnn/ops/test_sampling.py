"""Random choice as a function of a key: reproducible, exact in its counts, and uniform."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.maskrcnn.ops.sampling import choose, random_priorities

COUNT, LIMIT, KEYS = 40, 8, 3000


@ms.jit
def priorities_graph(key):
    return random_priorities(key, COUNT, 1)


@ms.jit
def other_priorities_graph(key):
    return random_priorities(key, COUNT, 2)


@ms.jit
def choose_graph(candidates, key):
    return choose(candidates, random_priorities(key, COUNT, 1), LIMIT)


@ms.jit
def choose_all_graph(candidates, key):
    return choose(candidates, random_priorities(key, COUNT, 1), 10**7)


def run(graph, *arrays):
    got = graph(*(Tensor(array) for array in arrays))
    return [part.asnumpy() for part in got] if isinstance(got, tuple) else got.asnumpy()


def chosen_sets(graph, candidates, keys):
    index, chosen = run(graph, candidates, keys.astype(np.int32))
    return [set(row[kept].tolist()) for row, kept in zip(index, chosen)]


def keys_of(kind):
    return np.arange(KEYS) if kind == "counted" else np.random.default_rng(1).integers(0, 2**31, KEYS)


def test_the_same_key_chooses_the_same_and_another_key_another():
    candidates, keys = np.ones((4, COUNT), bool), np.array([5, 6, 5, 2**31 - 1])
    first, second, again, last = chosen_sets(choose_graph, candidates, keys)
    assert first == again and len({frozenset(s) for s in (first, second, last)}) == 3
    assert chosen_sets(choose_graph, candidates, keys) == [first, second, again, last]


def test_a_picture_draws_the_same_wherever_it_stands_in_a_batch():
    np.testing.assert_array_equal(
        run(priorities_graph, np.array([1, 2, 3, 4], np.int32))[1],
        run(priorities_graph, np.array([2, 9, 8, 7], np.int32))[0],
    )


def test_streams_of_another_salt_are_other_streams():
    keys = np.arange(4, dtype=np.int32)
    first, second = run(priorities_graph, keys), run(other_priorities_graph, keys)
    assert (
        not np.intersect1d(first, second).size > 4
        and abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.3
    )


@pytest.mark.parametrize("candidates", [0, 1, 7, 8, 9, COUNT])
def test_as_many_as_there_are_and_no_more_than_the_limit(rng, candidates):
    mask = np.zeros((4, COUNT), bool)
    for row in mask:
        row[rng.permutation(COUNT)[:candidates]] = True
    index, chosen = run(choose_graph, mask, np.arange(4, dtype=np.int32))
    assert index.shape == chosen.shape == (4, LIMIT)
    for n in range(4):
        taken = index[n][chosen[n]]
        assert len(taken) == len(set(taken.tolist())) == min(candidates, LIMIT) and mask[n][taken].all()
        assert chosen[n][: len(taken)].all()  # the chosen ones stand first


def test_a_limit_as_large_as_the_population_takes_everything(rng):
    mask = rng.uniform(size=(4, COUNT)) < 0.5
    for n, taken in enumerate(chosen_sets(choose_all_graph, mask, np.arange(4))):
        assert taken == set(np.flatnonzero(mask[n]).tolist())


@pytest.mark.parametrize("kind", ["counted", "hashed"])
def test_every_candidate_is_chosen_equally_often(kind):
    """Chi-square with 29 degrees of freedom: mean 29, deviation 7.6; 29 + 6 deviations is passed by chance once in 10^6 runs."""
    candidates = np.zeros((KEYS, COUNT), bool)
    candidates[:, ::4] = candidates[:, 1::4] = candidates[:, 2::4] = True  # 30 of the 40
    times = np.zeros(COUNT)
    for taken in chosen_sets(choose_graph, candidates, keys_of(kind)):
        times[list(taken)] += 1
    share = LIMIT / 30
    expected = KEYS * share
    assert times[3::4].sum() == 0 and times.sum() == KEYS * LIMIT
    chosen = times[candidates[0]]
    assert ((chosen - expected) ** 2).sum() / (expected * (1 - share)) < 29 + 6 * np.sqrt(58)


@pytest.mark.parametrize("kind", ["counted", "hashed"])
def test_priorities_are_spread_evenly_and_independent(kind):
    values = run(priorities_graph, keys_of(kind).astype(np.int32)) / 2.0**24
    assert values.min() >= 0 and values.max() < 1
    times = np.histogram(values, 64, (0, 1))[0]
    expected = values.size / 64
    assert ((times - expected) ** 2 / expected).sum() < 63 + 6 * np.sqrt(126)
    bound = 5 / np.sqrt(KEYS)
    assert np.abs(np.corrcoef(values.T) - np.eye(COUNT)).max() < bound  # positions among one another
    for shift in (1, 2, 16, 1024):  # and neighbouring keys
        assert abs(np.corrcoef(values[:-shift].ravel(), values[shift:].ravel())[0, 1]) < 5 / np.sqrt(
            values.size - shift * COUNT
        )


def test_pairs_are_chosen_equally_often():
    """Two candidates stand together in 8 of 40 in a share of 8 * 7 / (40 * 39) of the draws, whichever they are."""
    together = np.zeros((COUNT, COUNT))
    for taken in chosen_sets(choose_graph, np.ones((KEYS, COUNT), bool), keys_of("counted")):
        rows = list(taken)
        together[np.ix_(rows, rows)] += 1
    times = together[np.triu_indices(COUNT, 1)]
    share = LIMIT * (LIMIT - 1) / (COUNT * (COUNT - 1))
    expected = KEYS * share
    # 780 pairs: the largest of so many deviates by 3.2 standard deviations on the average, by 5.5 once in 10^5 runs
    assert np.abs(times - expected).max() < 5.5 * np.sqrt(expected * (1 - share))
