"""Videos frame by frame, in and out, through OpenCV. No more than a frame is held in memory."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Iterator, Optional, Union

import cv2
import numpy as np

from ...errors import DataError
from ...whole_files import replaced_file

_CODEC = "mp4v"  # OpenCV's wheels can write it without further packages
_DEFAULT_RATE = 25.0  # frames a second of a file that tells none
_COUNTED = (".mp4", ".mov", ".m4v", ".avi")  # files that hold the number of their frames
_UNCERTAIN_FRAMES = 2  # may be cut away by an edit list, or not come out of the decoder
_UNCERTAIN_SECONDS = 1.0  # between the last frame and the end of a file that holds its length alone


class UnreadableVideo(DataError):
    """Nothing of a video file can be read."""


class VideoReader:
    """The frames of a video file.

    Args:
        path: The file.

    Attributes:
        rate: Frames a second.
        count: The number of frames that the file tells; None: it tells none.
        broken_off: After the last frame: a line that says how many frames are missing; None where the video
            is whole.

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
        self.broken_off: Optional[str] = None

    def __iter__(self) -> Iterator[np.ndarray]:
        """The frames, uint8 [H, W, 3], RGB. Raises UnreadableVideo where there is none."""
        number = 0
        seconds = 0.0
        try:
            while True:
                is_read, frame = self._capture.read()
                if not is_read:
                    break
                number += 1
                seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        finally:
            self._capture.release()
        if number == 0:
            raise UnreadableVideo(f"video {self.path}: no frame of it can be read")
        if self._lacks_frames(number, seconds):
            self.broken_off = f"video {self.path}: only {number} of its {self.count} frames can be read"

    def _lacks_frames(self, number: int, seconds: float) -> bool:
        """Whether fewer frames were read than the file has; seconds: where the last one stands.

        OpenCV tells of no error in the middle of a file: it is passed over, or the video ends there.
        """
        if self.count is None or number >= self.count - _UNCERTAIN_FRAMES:
            return False
        if os.path.splitext(self.path)[1].lower() in _COUNTED:
            return True
        # Its count is the length times the rate, and its frames may be unevenly spaced.
        return seconds < self.count / self.rate - _UNCERTAIN_SECONDS


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
        self._open = contextlib.ExitStack()
        self._rate = rate
        self._writer: Optional[cv2.VideoWriter] = None

    def write(self, frame: np.ndarray) -> None:
        """Add a frame, uint8 [H, W, 3], RGB, of the size of the first one."""
        # The codec takes even sides only.
        height = frame.shape[0] // 2 * 2
        width = frame.shape[1] // 2 * 2
        if self._writer is None:
            codec = cv2.VideoWriter_fourcc(*_CODEC)
            temporary = self._open.enter_context(replaced_file(self.path))
            self._writer = cv2.VideoWriter(str(temporary), codec, self._rate, (width, height))
            if not self._writer.isOpened():
                raise DataError(
                    f"{self.path}: OpenCV cannot write a video of {width}x{height} there; "
                    "choose a folder that can be written, or --no-drawings"
                )
        self._writer.write(cv2.cvtColor(frame[:height, :width], cv2.COLOR_RGB2BGR))

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *error) -> None:
        if self._writer is not None:
            self._writer.release()
        self._open.__exit__(*error)
