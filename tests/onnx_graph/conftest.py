"""Every test here runs in graph mode on the CPU."""

from __future__ import annotations

import mindspore as ms
import pytest


@pytest.fixture(autouse=True, scope="package")
def graph_mode():
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")
