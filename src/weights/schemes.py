"""All naming schemes that are known, and which of them a file follows."""

from __future__ import annotations

from typing import Sequence

from ..errors import CheckpointError
from .detectron2 import DETECTRON2
from .mindcv import MINDCV
from .mmdet import MMDET, refuse_mmdet_1
from .modelzoo import MODELZOO
from .naming import NamingScheme
from .torchvision import TORCHVISION

SCHEMES = {scheme.name: scheme for scheme in (TORCHVISION, DETECTRON2, MMDET, MINDCV, MODELZOO)}


def recognise_scheme(names: Sequence[str], path: str) -> NamingScheme:
    """The scheme that knows most of a file's entry names.

    Raises:
        CheckpointError: if none knows more than half of them, and for a file of mmdetection 1.x.
    """
    refuse_mmdet_1(names, path)
    best = max(SCHEMES.values(), key=lambda scheme: scheme.matching_share(names))
    if best.matching_share(names) <= 0.5:
        shown = ", ".join(list(names)[:3])
        raise CheckpointError(
            f"{path}: names such as {shown} are of no known project ({', '.join(SCHEMES)}); --from names one"
        )
    return best
