"""What an object of a drawn picture is: its class, its outlines and its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List

import numpy as np

SHAPE_CLASSES = ("circle", "triangle", "rectangle", "star")


@dataclass
class DrawnObject:
    """One object of a drawn picture, or a group of them that is annotated as a crowd.

    Attributes:
        shape: a name of SHAPE_CLASSES.
        crowd: whether it is a crowd.
        outlines: float [n, 2] vertices x, y in pixels; one outline, or several for a crowd.
        full: bool [H, W], its pixels as if nothing lay over it.
        visible: bool [H, W], its pixels that no object drawn later covers.
    """

    shape: str
    crowd: bool
    outlines: List[np.ndarray]
    full: np.ndarray
    visible: np.ndarray
