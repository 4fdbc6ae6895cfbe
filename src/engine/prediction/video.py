"""Videos frame by frame, in and out, through OpenCV. No more than a frame is held in memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator, Optional, Union

import cv2
import numpy as np

from ...errors import DataError

_CODEC = "mp4v"  # OpenCV's wheels can write it without further packages
_DEFAULT_RATE = 25.0  # frames a second of a file that tells none


class UnreadableVideo(DataError):
    """Nothing of a video file can be read."""


class VideoReader:
    """The frames of a video file.

    Args:
        path: The file.

    Attributes:
        rate: Frames a second.
        count: The number of frames that the file tells; None: it tells none.

    Raises:
        UnreadableVideo: The file cannot be read as a video.
    """

    def __init__(self, path: Union[str, Path]):
        self.path = path
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise UnreadableVideo(f"video {path}: not a video that OpenCV can read")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if np.isfinite(rate) and 0 < rate <= 1000 else _DEFAULT_RATE
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.count: Optional[int] = count if count > 0 else None

    def __iter__(self) -> Iterator[np.ndarray]:
        """The frames, uint8 [H, W, 3], RGB. Raises UnreadableVideo where there is none."""
        number = 0
        try:
            while True:
                is_read, frame = self._capture.read()
                if not is_read:
                    break
                number += 1
                yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        finally:
            self._capture.release()
        if number == 0:
            raise UnreadableVideo(f"video {self.path}: no frame of it can be read")


class VideoWriter:
    """A video file that is written frame by frame. Use it as a context manager.

    The file has its name when it is whole: it is written beside and renamed. After an error nothing is left.

    Args:
        path: The file, .mp4.
        rate: Frames a second.

    Raises:
        DataError: The file cannot be written.
    """

    def __init__(self, path: Path, rate: float):
        self.path = path
        self._partial = path.with_name(f"{path.stem}.partial{path.suffix}")
        self._rate = rate
        self._writer: Optional[cv2.VideoWriter] = None

    def write(self, frame: np.ndarray) -> None:
        """Add a frame, uint8 [H, W, 3], RGB, of the size of the first one."""
        # The codec takes even sides only.
        height = frame.shape[0] // 2 * 2
        width = frame.shape[1] // 2 * 2
        if self._writer is None:
            codec = cv2.VideoWriter_fourcc(*_CODEC)
            self._writer = cv2.VideoWriter(str(self._partial), codec, self._rate, (width, height))
            if not self._writer.isOpened():
                raise DataError(
                    f"{self.path}: OpenCV cannot write a video of {width}x{height} there; "
                    "choose a folder that can be written, or --no-drawings"
                )
        self._writer.write(cv2.cvtColor(frame[:height, :width], cv2.COLOR_RGB2BGR))

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind, *_) -> None:
        if self._writer is not None:
            self._writer.release()
            if kind is None:
                os.replace(self._partial, self.path)
        self._partial.unlink(missing_ok=True)
