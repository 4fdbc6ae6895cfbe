"""The network's tests run on the CPU in graph mode; `tests/small_network.py` keeps whole networks' graphs."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest


@pytest.fixture(autouse=True, scope="package")
def graph_mode():
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")


@pytest.fixture
def rng(request):
    """Random numbers of the test's own."""
    return np.random.default_rng(sum(request.node.name.encode()))
