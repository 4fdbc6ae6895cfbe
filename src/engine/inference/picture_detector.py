"""Detections in single pictures, with the views that the settings ask for."""

from __future__ import annotations

from typing import Dict, List, Sequence

import numpy as np

from ...config import Config
from ...data.images.canvas import CanvasSettings
from ...data_settings import canvas_settings
from .detections import Network, detect
from .exported_files import runs_on_arrays
from .merging import MergeSettings, merge_views
from .views import SCALES, ViewSettings, from_view, picture_views, place_view


class PictureDetector:
    """A network that is shown a picture in one or more views.

    Args:
        network: See `detect`.
        canvas: The canvas.
        views: The views that a picture has besides the whole.
        merging: How the views' detections are merged.
        batch_size: How many views the network takes in a call; a smaller number is filled up.
    """

    def __init__(
        self,
        network: Network,
        canvas: CanvasSettings,
        views: ViewSettings,
        merging: MergeSettings,
        batch_size: int = 1,
    ):
        self.network = network
        self.canvas = canvas
        self.views = views
        self.merging = merging
        self.batch_size = batch_size

    def __call__(self, picture: np.ndarray) -> Dict[str, np.ndarray]:
        """What is in a picture, uint8 [H, W, 3], RGB: as `detect`, with several views as `merge_views`."""
        return self.detect_pictures([picture])[0]

    def detect_pictures(self, pictures: Sequence[np.ndarray]) -> List[Dict[str, np.ndarray]]:
        """What is in each of some pictures, as a call with each of them.

        An exported file is shown a view of as many pictures in a call as are given; a network of MindSpore,
        which is compiled for one number of views, `batch_size` of them.
        """
        views = [picture_views(*picture.shape[:2], self.views) for picture in pictures]
        shown = [(i, view) for i in range(len(pictures)) for view in views[i]]
        step = max(self.batch_size, len(pictures)) if runs_on_arrays(self.network) else self.batch_size
        found: List[List[Dict[str, np.ndarray]]] = [[] for _ in pictures]
        for first in range(0, len(shown), step):
            part = shown[first : first + step]
            placed = [place_view(pictures[i], view, self.canvas) for i, view in part]
            placed += placed[-1:] * (self.batch_size - len(part))
            batch = {
                "image": np.stack([image for image, _ in placed]),
                "image_meta": np.stack([meta for _, meta in placed]),
                "count": len(part),
            }
            for (i, view), item in zip(part, detect(self.network, batch)):
                found[i].append(from_view(item, view))
        return [
            found[i][0]
            if len(views[i]) == 1
            else merge_views(found[i], views[i], pictures[i].shape[:2], self.merging)
            for i in range(len(pictures))
        ]


def view_settings(config: Config) -> ViewSettings:
    return ViewSettings(
        flip="flip" in config.test_tta,
        scales=SCALES if "scales" in config.test_tta else (),
        tile_side=config.test_tiles,
        tile_overlap=config.test_tile_overlap,
    )


def merge_settings(config: Config) -> MergeSettings:
    return MergeSettings(
        iou_threshold=config.test_iou_thr,
        mask_threshold=config.mask_thr_binary,
        # Tiles are there for pictures with more objects than the network gives of one view.
        max_detections=config.test_max_per_img if config.test_tiles is None else None,
    )


def picture_detector(network: Network, config: Config, batch_size: int = 1) -> PictureDetector:
    """The detector that a configuration describes."""
    return PictureDetector(
        network, canvas_settings(config), view_settings(config), merge_settings(config), batch_size
    )
