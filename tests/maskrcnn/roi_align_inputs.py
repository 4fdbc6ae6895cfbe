"""Feature maps and parameters that the tests of RoIAlign and of its kernel share."""

from __future__ import annotations

import numpy as np
import pytest

ALIGNED = pytest.mark.parametrize("aligned", [True, False], ids=["aligned", "not aligned"])
STRIDES = (4, 8, 16, 32)
SHAPES = ((32, 48), (16, 24), (8, 12), (4, 6))  # of a canvas of 128x192
CHANNELS = 3


def draw_maps(rng, batch=2):
    """Random feature maps float32 [batch, CHANNELS, h, w] of the four levels."""
    return [rng.normal(0, 1, (batch, CHANNELS, *shape)).astype(np.float32) for shape in SHAPES]
