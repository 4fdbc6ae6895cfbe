"""Gradients that are joined to groups before two ranks exchange them."""

from __future__ import annotations

import numpy as np

from tests.conftest import ROOT
from tests.engine.distributed.group_means import arrays_of
from tests.engine.distributed.rank_jobs import run_with_msrun

# The arrays of SHAPES that differ in the first axis only.
JOINED = ((0, 2), (1, 3), (4,))


def test_the_means_over_two_ranks(tmp_path):
    run_with_msrun(tmp_path, str(ROOT / "tests" / "engine" / "distributed" / "group_means.py"))
    means = [(first + second) / 2 for first, second in zip(arrays_of(0), arrays_of(1))]
    expected = [np.concatenate([means[number] for number in group]) for group in JOINED]
    for rank in range(2):
        with np.load(tmp_path / f"means{rank}.npz") as found:
            assert len(found.files) == len(expected)
            for name, mean in zip(found.files, expected):
                np.testing.assert_allclose(found[name], mean, rtol=1e-6, atol=1e-7)
