"""One small network with drawn weights as a checkpoint, an ONNX file and a MINDIR file."""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path

import cv2

from src.data.shapes.drawn_data import draw_shapes
from src.data.shapes.picture import draw_picture
from src.maskrcnn.build import build_network
from src.weights.checkpoint_file import save_checkpoint
from src.weights.checkpoint_settings import network_settings
from tests.small_job import run
from tests.small_network import draw_weights, small_config


@functools.lru_cache(maxsize=None)
def network_folder() -> Path:
    """A folder with small.ckpt, photo.png (wide) and tall.png.

    Of these pictures no detection is so near to a threshold that rounding decides about it.
    """
    folder = Path(tempfile.mkdtemp(prefix="small-network-"))
    config = small_config("norm=bn")
    network = draw_weights(build_network(config))
    save_checkpoint(folder / "small.ckpt", network, network_settings(config, "bn"), 1, 1)
    for name, size in (("photo", (200, 120)), ("tall", (90, 150))):
        cv2.imwrite(str(folder / f"{name}.png"), draw_picture(size, "plain", 6).image[:, :, ::-1])
    return folder


@functools.lru_cache(maxsize=None)
def exported_file(file_format: str) -> Path:
    """small.onnx or small.mindir (two pictures a call) in that folder. It fixes test_score_thr=0.3."""
    folder = network_folder()
    words = ["checkpoint_path=small.ckpt", "device_target=CPU", "test_score_thr=0.3", "--out", "small"]
    run("export.py", folder, *words, "--file-format", file_format, "--batch", "2")
    return folder / f"small.{file_format.lower()}"


@functools.lru_cache(maxsize=None)
def annotated_folder() -> Path:
    """data/ in that folder: a picture to train with and two to evaluate with, of the network's classes."""
    data = network_folder() / "data"
    draw_shapes(data, 1, 2, size=(128, 128), seed=3)
    for file in (data / "annotations").iterdir():
        content = json.loads(file.read_text())
        content["categories"] = content["categories"][:3]
        for category, name in zip(content["categories"], ("square", "disc", "star")):
            category["name"] = name
        kept = {category["id"] for category in content["categories"]}
        content["annotations"] = [item for item in content["annotations"] if item["category_id"] in kept]
        file.write_text(json.dumps(content))
    return data
