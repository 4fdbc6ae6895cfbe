"""The naming schemes that are known, and which of them a file follows."""

from __future__ import annotations

from ..errors import CheckpointError
from .detectron2 import DETECTRON2
from .mindcv import MINDCV
from .mmdet import MMDET, refuse_old
from .modelzoo import MODELZOO
from .torchvision import TORCHVISION

SCHEMES = {scheme.name: scheme for scheme in (TORCHVISION, DETECTRON2, MMDET, MINDCV, MODELZOO)}


def recognise(names, path):
    """The Scheme that places most of a file's entry names. Raises CheckpointError where none places the larger part."""
    refuse_old(names, path)
    best = max(SCHEMES.values(), key=lambda scheme: scheme.share(names))
    if best.share(names) <= 0.5:
        shown = ", ".join(list(names)[:3])
        raise CheckpointError(
            f"{path}: names such as {shown} are of no known project ({', '.join(SCHEMES)}); --from names one"
        )
    return best
