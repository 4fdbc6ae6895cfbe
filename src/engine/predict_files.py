"""Pictures with what a network finds in them, drawn to PNG files."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Dict, Iterator, List, Sequence, Tuple, Union

import numpy as np

from ..config import Config
from ..data.annotations.records import Record
from ..data.images.decode import read_picture
from ..data.images.placement import place_picture, place_plainly
from ..data_settings import canvas_settings
from ..errors import ConfigError, DataError, one_line
from .display.visualize import draw_detections, found_beside_annotated, save_png
from .inference.detections import Network, detect
from .inference.loading import compile_inference, load_for_inference
from .output_folder import prepare_output_folder
from .runtime.device import start_device


def draw_each(
    network: Network, config: Config, paths: Sequence[Union[str, Path]], out, threshold: float
) -> Iterator[Tuple[Path, Path]]:
    """Run a network on picture files and draw what it finds.

    Args:
        network: A network, or an exported file that takes one picture a call.
        config: The settings.
        paths: The picture files.
        out: The folder for the drawings; see `drawing_paths` for their names.
        threshold: The lowest score that is drawn.

    Yields:
        (picture, drawing) when the drawing is written.
    """
    for path, drawing in drawing_paths(paths, out).items():
        picture = read_picture(path)
        detections = detect_one(network, config, picture)
        drawn = draw_detections(picture, detections, config.coco_classes, threshold, config.mask_thr_binary)
        save_png(drawing, drawn)
        yield path, drawing


def draw_beside_truth(
    network: Network, config: Config, records: Sequence[Record], out, threshold: float
) -> List[Path]:
    """Draw what a network finds in annotated pictures beside what is annotated; returns the drawings.

    Args:
        network, config, out, threshold: As of `draw_each`.
        records: The pictures.
    """
    drawings = drawing_paths([record.path for record in records], out)
    for record in records:
        picture = read_picture(record.path, (record.height, record.width))
        detections = detect_one(network, config, picture)
        drawn = found_beside_annotated(
            picture, detections, record, config.coco_classes, threshold, config.mask_thr_binary
        )
        save_png(drawings[Path(record.path)], drawn)
    return list(drawings.values())


def detect_one(network: Network, config: Config, picture: np.ndarray) -> Dict[str, np.ndarray]:
    """The detections in one picture, uint8 [H, W, 3]; see `detect`."""
    canvas = canvas_settings(config)
    placement = place_plainly(*picture.shape[:2], canvas)
    batch = {
        "image": place_picture(picture, placement, canvas)[None],
        "image_meta": np.asarray(placement.meta, np.float32)[None],
        "count": 1,
    }
    (detections,) = detect(network, batch)
    return detections


def drawing_paths(paths: Sequence[Union[str, Path]], out: Union[str, Path]) -> Dict[Path, Path]:
    """{picture: drawing} with a drawing of its own for each picture.

    A drawing is OUT/NAME.png. Where that is another picture's drawing already, or one of the pictures
    themselves, it is NAME_2.png, NAME_3.png ... A picture that is given twice is there once.
    """
    pictures = {}
    for path in paths:
        pictures.setdefault(os.path.abspath(path), Path(path))
    taken = {_comparable(os.path.realpath(path)) for path in pictures}
    drawings = {}
    folder = Path(out)
    for path in pictures.values():
        drawing = folder / f"{path.stem}.png"
        number = 1
        while _comparable(os.path.realpath(drawing)) in taken:
            number += 1
            drawing = folder / f"{path.stem}_{number}.png"
        taken.add(_comparable(os.path.realpath(drawing)))
        drawings[path] = drawing
    return drawings


def _comparable(path: str) -> str:
    """Equal for names that a file system may take for one: in other case, or composed otherwise."""
    return unicodedata.normalize("NFC", path).casefold()


def predict_files(config: Config, paths: Sequence[Union[str, Path]], out, threshold: float) -> None:
    """Draw what `checkpoint_path`'s network finds in picture files, and print where the drawings are.

    Raises:
        ConfigError: No picture is named, the threshold is none, or nothing can be written to `out`.
        DataError: A picture is missing or cannot be read.
    """
    if not paths:
        raise ConfigError("no picture was named: predict.py checkpoint_path=FILE.ckpt PICTURE ...")
    if not 0 <= threshold <= 1:
        raise ConfigError(f"--threshold {threshold}: a score from 0 to 1 expected")
    for path in paths:
        if not os.path.isfile(path):
            problem = (
                "is a folder; name the pictures in it" if os.path.isdir(path) else "No such file or directory"
            )
            raise DataError(f"picture {path}: {problem}")
    out = prepare_output_folder(out, "--out")
    device = start_device(config.device_target)
    network, config = load_for_inference(config, device.target)
    compile_inference(network, config, device, 1)
    for path, drawing in draw_each(network, config, paths, out, threshold):
        renamed = "" if drawing.stem == path.stem else f" ({path})"
        print(one_line(f"wrote {drawing}{renamed}"), flush=True)
