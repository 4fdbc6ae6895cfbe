"""Pictures with what a network finds in them, drawn to PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import List, Sequence, Union

import numpy as np

from ..config import Config
from ..data.images.decode import read_picture
from ..data.images.placement import place_picture, place_plainly
from ..errors import ConfigError
from .display.visualize import draw_detections, save_png
from .inference.predictor import Network, compile_inference, detect, load_for_inference
from .runtime.device import start_device


def draw_files(
    network: Network, config: Config, paths: Sequence[Union[str, Path]], out, threshold: float
) -> List[Path]:
    """Run a network on picture files and draw what it finds.

    Args:
        network: A network, or an exported file that takes one picture a call.
        config: The settings.
        paths: The picture files.
        out: The folder for the drawings, NAME.png each.
        threshold: The lowest score that is drawn.

    Returns:
        The paths of the drawings.
    """
    written = []
    for path in paths:
        picture = read_picture(path)
        placement = place_plainly(*picture.shape[:2], config)
        batch = {
            "image": place_picture(picture, placement, config)[None],
            "image_meta": np.asarray(placement.meta, np.float32)[None],
            "count": 1,
        }
        (detections,) = detect(network, batch)
        drawn = draw_detections(picture, detections, config.coco_classes, threshold, config.mask_thr_binary)
        written.append(Path(out) / f"{Path(path).stem}.png")
        save_png(written[-1], drawn)
    return written


def predict_files(config: Config, paths: Sequence[Union[str, Path]], out, threshold: float) -> None:
    """Draw what `checkpoint_path`'s network finds in picture files, and print where the drawings are."""
    if not paths:
        raise ConfigError("no picture was named: predict.py checkpoint_path=FILE.ckpt PICTURE ...")
    device = start_device(config.device_target)
    network, config = load_for_inference(config, device.target)
    compile_inference(network, config, device, 1)
    for path in draw_files(network, config, paths, out, threshold):
        print(f"wrote {path}", flush=True)
