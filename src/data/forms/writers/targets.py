"""The forms that data sets are written in, by name."""

from __future__ import annotations

from typing import Dict

from .coco import CocoTarget
from .labelme import LabelmeTarget
from .target import Target
from .txt import TxtTarget
from .yolo import YoloTarget

TARGETS: Dict[str, Target] = {
    target.name: target for target in (CocoTarget(), LabelmeTarget(), YoloTarget(), TxtTarget())
}
