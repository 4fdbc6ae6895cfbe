"""The drawn weights that several files convert."""

from __future__ import annotations

import pytest

from tests.weights import foreign


@pytest.fixture(scope="module")
def state():
    """torchvision's names, 81 classes, narrow."""
    return foreign.draw(foreign.torchvision_shapes())
