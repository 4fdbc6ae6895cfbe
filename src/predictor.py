"""Detections of pictures from Python.

    from src.predictor import Predictor

    predictor = Predictor("mask_rcnn.onnx")        # or a .ckpt, or a .mindir
    for found in predictor(picture).above(0.5):    # picture: uint8 [H, W, 3], RGB
        print(found.class_name, found.score, found.box, found.mask().sum())

With an ONNX file MindSpore is not imported. Installed as a package, the module is `mask_rcnn.predictor`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from .config import Config, load_config
from .data.annotations.annotation_file import AUTO
from .data.images.box_masks import PastedWindow, paste_mask, paste_window
from .data.images.paste_rle import pasted_rle
from .engine.inference.opening import open_network
from .engine.inference.picture_detector import picture_detector
from .errors import ConfigError, DataError


@dataclass(frozen=True)
class Instance:
    """One object that was found.

    Attributes:
        label: Its class, from 1.
        class_name: The name of the class.
        score: From 0 to 1.
        box: x1, y1, x2, y2 in the picture's pixels.
        probabilities: float32 [m, m], the mask's probabilities in the box's frame.
        picture_size: (height, width) of the picture in pixels.
        mask_threshold: The probability from which on a mask's pixel is set.
    """

    label: int
    class_name: str
    score: float
    box: Tuple[float, float, float, float]
    probabilities: np.ndarray
    picture_size: Tuple[int, int]
    mask_threshold: float

    def mask(self) -> np.ndarray:
        """bool [H, W], of the whole picture."""
        return paste_mask(self.probabilities, self.box, *self.picture_size, self.mask_threshold).astype(bool)

    def rle(self) -> Dict[str, Any]:
        """The mask as COCO's compressed RLE {"size": [height, width], "counts": str}."""
        return pasted_rle(self.probabilities, self.box, *self.picture_size, self.mask_threshold)

    def mask_window(self) -> Optional[PastedWindow]:
        """The part of the picture that the mask can set; None where it sets nothing."""
        return paste_window(self.probabilities, self.box, *self.picture_size, self.mask_threshold)


@dataclass(frozen=True)
class Prediction:
    """What was found in one picture: n objects by falling score. It iterates over `Instance`s.

    Attributes:
        height, width: Of the picture in pixels.
        boxes: float32 [n, 4], x1, y1, x2, y2 in the picture's pixels.
        scores: float32 [n].
        labels: int32 [n], from 1.
        probabilities: n float32 [m, m], the masks' probabilities in their boxes' frames. m is 28, and may be
            larger where tiles were merged.
        all_class_names: The names by label; the first is "background".
        mask_threshold: The probability from which on a mask's pixel is set.
    """

    height: int
    width: int
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    probabilities: Sequence[np.ndarray]
    all_class_names: Tuple[str, ...]
    mask_threshold: float

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, i: int) -> Instance:
        return Instance(
            label=int(self.labels[i]),
            class_name=self.all_class_names[self.labels[i]],
            score=float(self.scores[i]),
            box=tuple(self.boxes[i].tolist()),
            probabilities=self.probabilities[i],
            picture_size=(self.height, self.width),
            mask_threshold=self.mask_threshold,
        )

    def __iter__(self) -> Iterator[Instance]:
        return (self[i] for i in range(len(self)))

    @property
    def class_names(self) -> Tuple[str, ...]:
        """The name of each object's class."""
        return tuple(self.all_class_names[label] for label in self.labels)

    def above(self, threshold: float) -> Prediction:
        """The objects with at least this score."""
        kept = np.flatnonzero(self.scores >= threshold)
        return Prediction(
            height=self.height,
            width=self.width,
            boxes=self.boxes[kept],
            scores=self.scores[kept],
            labels=self.labels[kept],
            probabilities=[self.probabilities[i] for i in kept],
            all_class_names=self.all_class_names,
            mask_threshold=self.mask_threshold,
        )

    def masks(self) -> np.ndarray:
        """bool [n, H, W]. For many objects in a large picture take one at a time: `Instance.mask`."""
        pasted = [instance.mask() for instance in self]
        return np.stack(pasted) if pasted else np.zeros((0, self.height, self.width), bool)

    def as_arrays(self) -> Dict[str, Any]:
        """The dict that `detect` gives and drawings and result rows take."""
        return {
            "boxes": self.boxes,
            "scores": self.scores,
            "labels": self.labels,
            "masks": self.probabilities,
        }


class Predictor:
    """A trained network that takes pictures as arrays and gives dataclasses.

    Args:
        path: A checkpoint (.ckpt), or a file of `export.py` (.mindir or .onnx).
        settings: Configuration keys, such as test_score_thr=0.3, test_tta=["flip"], test_tiles=1024 or
            device_target="CPU". What the file carries need not be named.

    Attributes:
        config: The settings, with those of the file.

    Raises:
        ConfigError: A setting is unknown, has a wrong value or contradicts the file.
        CheckpointError: The file cannot be read.
    """

    def __init__(self, path: Union[str, Path], **settings: Any):
        words = [f"{name}={_as_text(name, value)}" for name, value in settings.items()]
        self._open(load_config([*words, f"checkpoint_path={path}"]))

    @classmethod
    def from_config(cls, config: Config) -> Predictor:
        """The predictor of `checkpoint_path`; raises as the constructor."""
        predictor = cls.__new__(cls)
        predictor._open(config)
        return predictor

    def _open(self, config: Config) -> None:
        network, self.config = open_network(config)
        if self.config.coco_classes == AUTO:
            raise ConfigError(
                f"{config.checkpoint_path} carries no class names: write coco_classes=[background, ...]"
            )
        self._detect = picture_detector(network, self.config)
        self.class_names: Tuple[str, ...] = tuple(self.config.coco_classes)

    def __call__(self, picture: np.ndarray) -> Prediction:
        """What is in a picture.

        Args:
            picture: uint8 [H, W, 3], RGB.

        Raises:
            DataError: Something else was given.
        """
        return self.predict_pictures([picture])[0]

    def predict_pictures(self, pictures: Sequence[np.ndarray]) -> List[Prediction]:
        """What is in each of some pictures. An exported file is shown all of them in one call.

        Args:
            pictures: uint8 [H, W, 3] each, RGB; their sizes may differ.

        Raises:
            DataError: Something else was given.
        """
        for picture in pictures:
            _check_picture(picture)
        return [
            self._prediction(picture, found)
            for picture, found in zip(pictures, self._detect.detect_pictures(pictures))
        ]

    def _prediction(self, picture: np.ndarray, found: Mapping[str, np.ndarray]) -> Prediction:
        # The network's detections are grouped by class.
        order = np.argsort(-found["scores"], kind="stable")
        return Prediction(
            height=picture.shape[0],
            width=picture.shape[1],
            boxes=found["boxes"][order],
            scores=found["scores"][order],
            labels=found["labels"][order],
            probabilities=[found["masks"][i] for i in order],
            all_class_names=self.class_names,
            mask_threshold=self.config.mask_thr_binary,
        )


def _check_picture(picture: Any) -> None:
    """Raises DataError for anything but uint8 [H, W, 3]."""
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8:
        found = picture.dtype if isinstance(picture, np.ndarray) else type(picture).__name__
        raise DataError(f"a picture: uint8 [height, width, 3] expected, {found} was given")
    if picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise DataError(
            f"a picture: uint8 [height, width, 3] expected, shape {list(picture.shape)} was given"
        )


def _as_text(name: str, value: Any) -> str:
    """A value as it is written in a KEY=VALUE word."""
    if isinstance(value, (str, Path)):
        return str(value)
    try:
        return "none" if value is None else json.dumps(value)
    except TypeError:
        raise ConfigError(f"{name}={value!r}: numbers, texts and lists of them expected") from None
