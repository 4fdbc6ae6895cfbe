"""Exported files as networks that take and give NumPy arrays. An ONNX file needs no MindSpore."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Union

import numpy as np

from ...errors import CheckpointError
from ...onnx_graph.runtime import ORIGIN_ENTRY, OnnxNetwork
from ...weights.checkpoint_settings import SETTINGS_ENTRY

# The entry of a MINDIR file's settings with the number of pictures that it takes in a call.
_BATCH = "batch"


def is_mindir(path: Optional[Union[str, Path]]) -> bool:
    """Whether a path has the suffix of a MINDIR file."""
    return path is not None and Path(path).suffix.lower() == ".mindir"


def runs_on_arrays(network: Any) -> bool:
    """Whether a network is an exported file, which takes and gives NumPy arrays."""
    return isinstance(network, (OnnxNetwork, MindirNetwork))


def mindir_text(settings: Mapping[str, Any], batch: int, origin: Mapping[str, str]) -> str:
    """The text of a MINDIR file (its doc_string): settings, which `MindirNetwork` reads, and origin."""
    return json.dumps({SETTINGS_ENTRY: {**settings, _BATCH: batch}, ORIGIN_ENTRY: dict(origin)})


class MindirNetwork:
    """A network that `export.py` wrote as MINDIR, run by MindSpore on the current device.

    Args:
        path: The file.

    Attributes:
        settings: The settings that are stored in the file.
        batch: How many pictures the file takes in a call.

    Raises:
        CheckpointError: The file is missing or damaged, or carries no settings.
    """

    def __init__(self, path: Union[str, Path]):
        import mindspore as ms

        if not Path(path).is_file():
            raise CheckpointError(f"{path}: no such file")
        self.settings = read_mindir_text(path)[SETTINGS_ENTRY]
        self.batch = self.settings.pop(_BATCH)
        try:
            self._cell = ms.nn.GraphCell(ms.load(str(path)))
        except (RuntimeError, ValueError, TypeError) as error:
            raise _not_mindir(path, error) from None
        self._tensor = ms.Tensor

    def __call__(self, image: np.ndarray, image_meta: np.ndarray) -> List[np.ndarray]:
        """Run the network on a batch of any size, in parts of the file's own batch.

        Args, Returns: As of `OnnxNetwork`.
        """
        parts = []
        for first in range(0, len(image), self.batch):
            rows = np.minimum(np.arange(first, first + self.batch), len(image) - 1)
            outputs = self._cell(self._tensor(image[rows]), self._tensor(image_meta[rows]))
            real = min(self.batch, len(image) - first)
            parts.append([output.asnumpy()[:real] for output in outputs])
        return [np.concatenate(arrays) for arrays in zip(*parts)]


def read_mindir_text(path: Union[str, Path]) -> Dict[str, Any]:
    """What `mindir_text` wrote. MindSpore's own loading drops it.

    Raises:
        CheckpointError: The file is damaged, or carries no settings.
    """
    from google.protobuf.message import DecodeError
    from mindspore.train.mind_ir_pb2 import ModelProto

    model = ModelProto()
    try:
        model.ParseFromString(Path(path).read_bytes())
    except (DecodeError, OSError) as error:
        raise _not_mindir(path, error) from None
    if SETTINGS_ENTRY not in model.doc_string:
        raise CheckpointError(
            f"{path}: a MINDIR file without this project's settings; write it again with export.py"
        )
    return json.loads(model.doc_string)


def _not_mindir(path, error) -> CheckpointError:
    reason = " ".join(str(error).split())[:160]
    return CheckpointError(f"{path}: not a MINDIR file that MindSpore can run ({reason})")
