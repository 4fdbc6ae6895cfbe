"""What COCO's figures are computed with: IoU thresholds, numbers of detections, sizes of objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple, Union

import numpy as np

# Lin et al., "Microsoft COCO", 2014, and https://cocodataset.org/#detection-eval
COCO_IOU_THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())
COCO_MAX_DETS = (1, 10, 100)
COCO_AREA_LIMITS = (32.0**2, 96.0**2)
_LARGEST_AREA = 1e10  # square pixels, as pycocotools has it


@dataclass(frozen=True)
class CocoSettings:
    """How detections are compared with the ground truth; COCO's settings by default.

    Attributes:
        iou_thresholds: AP and AR are means over them.
        max_dets: three numbers of detections a picture, rising; AP is computed with the last one.
        area_limits: square pixels: objects below the first are small, those above the second are large.
    """

    iou_thresholds: Tuple[float, ...] = COCO_IOU_THRESHOLDS
    max_dets: Tuple[int, int, int] = COCO_MAX_DETS
    area_limits: Tuple[float, float] = COCO_AREA_LIMITS

    @property
    def area_ranges(self) -> dict:
        """{name: (lowest, highest area)}, as pycocotools takes them."""
        low, high = self.area_limits
        return {
            "all": (0.0, _LARGEST_AREA),
            "small": (0.0, low),
            "medium": (low, high),
            "large": (high, _LARGEST_AREA),
        }

    @property
    def names(self) -> Tuple[str, ...]:
        """The names of the figures, in COCO's order. A threshold that is not among the settings has none."""
        at_threshold = [
            f"AP{round(100 * threshold)}" for threshold in (0.5, 0.75) if self.has_threshold(threshold)
        ]
        recalls = [f"AR{number}" for number in self.max_dets]
        return ("AP", *at_threshold, "APs", "APm", "APl", *recalls, "ARs", "ARm", "ARl")

    def has_threshold(self, threshold: float) -> bool:
        return bool(np.isclose(self.iou_thresholds, threshold).any())


def coco_settings(
    iou_thresholds: Tuple[float, ...],
    max_dets: Union[str, Tuple[int, int, int]],
    max_per_image: int,
    area_limits: Tuple[float, float],
) -> CocoSettings:
    """The settings of an evaluation of at most `max_per_image` detections a picture.

    max_dets "auto" is COCO's 1, 10, 100, with max_per_image for the last one where that is larger; the other
    arguments are those of `CocoSettings`.
    """
    if max_dets == "auto":
        max_dets = (1, 10, max(100, max_per_image))
    return CocoSettings(iou_thresholds, max_dets, area_limits)
