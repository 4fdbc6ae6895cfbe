"""A network's detections in pictures, with the time and memory that they take, in a process of its own.

So both networks of a proof start from nothing, and an ONNX file runs without MindSpore as it does where it is
deployed.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Sequence, Union

import numpy as np

from ...config import Config
from ...data.images.decode import read_picture
from ...errors import UserError
from ..inference.opening import open_network
from ..inference.picture_detector import picture_detector

_ROOT = Path(__file__).resolve().parents[3]
_PROGRAM = (
    "import importlib, sys; sys.path = [sys.argv[1], *filter(None, sys.path)]; "
    "importlib.import_module(sys.argv[2]).main(*sys.argv[3:])"
)


@dataclass(frozen=True)
class Measured:
    """What a network did with pictures.

    Attributes:
        found: Of each picture what `detect` gives.
        seconds: The median time of a picture, from its pixels to its detections; without the first picture,
            which is also run once before.
        memory_mb: The most memory that the process held, MiB.
    """

    found: List[Dict[str, np.ndarray]]
    seconds: float
    memory_mb: int


def measure(config: Config, pictures: Sequence[Union[str, Path]]) -> Measured:
    """Run the network of `checkpoint_path` on pictures, one at a time.

    Raises:
        UserError: The process could not do it.
    """
    with tempfile.TemporaryDirectory(prefix="maskrcnn-proof-") as folder:
        task, answer = Path(folder) / "task", Path(folder) / "answer"
        task.write_bytes(pickle.dumps((config, [str(path) for path in pictures])))
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(_ROOT), __name__, str(task), str(answer)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            last_line = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise UserError(f"{config.checkpoint_path}: the run of the proof failed ({last_line[:300]})")
        return pickle.loads(answer.read_bytes())


def main(task: str, answer: str) -> None:
    """What the process does: read the task's file, write the answer's."""
    config, pictures = pickle.loads(Path(task).read_bytes())
    network, config = open_network(config)
    detector = picture_detector(network, config)
    found = []
    seconds = []
    for number, path in enumerate(pictures):
        picture = read_picture(path)
        if number == 0:
            detector(picture)  # the first run of a network takes longer
        start = time.perf_counter()
        found.append(detector(picture))
        seconds.append(time.perf_counter() - start)
    measured = Measured(found, float(np.median(seconds[1:] or seconds)), _peak_memory())
    Path(answer).write_bytes(pickle.dumps(measured))


def _peak_memory() -> int:
    """MiB. Not ru_maxrss: that begins with what the parent held."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) // 1024
    except OSError as error:
        raise UserError(f"--prove measures memory on Linux only: {error}") from None
    raise UserError("/proc/self/status has no line VmHWM: the memory cannot be measured on this system")
