"""What every output of predict.py is given, and has to do."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import numpy as np

from ...predictor import Prediction


@dataclass(frozen=True)
class Source:
    """Where a prediction comes from.

    Attributes:
        path: The picture or video file.
        name: The name, without suffix, of what is written of it; no other has it.
        image_id: A number from 1, in the order of the command.
        frame: A video's frame, from 0; None for a picture.
    """

    path: Path
    name: str
    image_id: int
    frame: Optional[int] = None


class Output(contextlib.AbstractContextManager):
    """One kind of output. It is given every prediction, and closed at the end."""

    def add(self, source: Source, picture: np.ndarray, prediction: Prediction) -> None:
        """Write what was found in a picture, uint8 [H, W, 3]."""
        raise NotImplementedError

    def __exit__(self, *error) -> None:
        pass
