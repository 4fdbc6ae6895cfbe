"""`compiled`: Numba's compiler for loops over numbers, where Numba is installed."""

from __future__ import annotations

import importlib.util
from typing import Callable

if importlib.util.find_spec("numba") is None:
    # An environment for inference alone: the same loops run as Python, to the same results.
    def compiled(function: Callable) -> Callable:
        """The function itself."""
        return function
else:
    from numba import njit

    compiled = njit(cache=True)
