"""Exported ONNX files in ONNX Runtime."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Dict, List, Optional, Union

import numpy as np

from ..config import keys_with
from ..errors import CheckpointError
from ..log import logger
from ..weights.checkpoint_settings import SETTINGS_ENTRY
from .cpu_instructions import has_8_bit_products

# Keys that an exported file fixes, besides those that its weights need.
EXPORTED_KEYS = keys_with("exported")
# Further entries of an exported file: {"precision": ..., and what wrote it}, and the proof
# of export.py --prove.
ORIGIN_ENTRY = "maskrcnn_origin"
PROOF_ENTRY = "maskrcnn_proof"
FLOAT32, FLOAT16_WEIGHTS, INT8 = "float32", "float16 weights", "int8"
OUTPUTS = ("boxes", "scores", "labels", "found", "masks")


def is_onnx(path: Optional[Union[str, Path]]) -> bool:
    """Whether a path has the suffix of an ONNX file."""
    return path is not None and Path(path).suffix.lower() == ".onnx"


class OnnxNetwork:
    """A network that `export.py --file-format ONNX` wrote, in ONNX Runtime on the CPU.

    Args:
        path: the file.
        threads: threads of an operator; None for one on each core.
        profile: how the name of ONNX Runtime's profile begins, which `session.end_profiling()` writes;
            None for no profile.

    Attributes:
        session: ONNX Runtime's session.
        settings: the settings that are stored in the file.
        metadata: everything that is stored in the file beside the network, {entry: text}.

    Raises:
        CheckpointError: for a file that is missing, damaged or not of this project, and if ONNX Runtime is
            not installed.
    """

    def __init__(self, path: Union[str, Path], threads: Optional[int] = None, profile: Optional[str] = None):
        try:
            import onnxruntime
        except ImportError:
            raise CheckpointError(
                f"{path}: running it needs ONNX Runtime, which this project does not install: "
                "pip install onnxruntime"
            ) from None
        if not Path(path).is_file():
            raise CheckpointError(f"{path}: no such file")
        options = onnxruntime.SessionOptions()
        if threads is not None:
            options.intra_op_num_threads = threads
        if profile is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(profile)
        options.log_severity_level = 3  # errors only
        try:
            self.session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime has many exception types
            raise CheckpointError(
                f"{path}: not an ONNX file that ONNX Runtime can run ({' '.join(str(error).split())[:160]})"
            ) from None
        self.metadata: Dict[str, str] = dict(self.session.get_modelmeta().custom_metadata_map)
        settings = self.metadata.get(SETTINGS_ENTRY)
        if settings is None:
            raise CheckpointError(
                f"{path}: an ONNX file of another project; "
                "one that export.py --file-format ONNX wrote expected"
            )
        self.settings = json.loads(settings)
        origin = json.loads(self.metadata.get(ORIGIN_ENTRY, "{}"))
        if origin.get("precision") == INT8 and not has_8_bit_products():
            logger.warning(
                "%s: a file in 8 bits, and this CPU has no VNNI: it may be slower here than the float32 "
                "file, and find less",
                path,
            )

    def __call__(self, image: np.ndarray, image_meta: np.ndarray) -> List[np.ndarray]:
        """Run the network on a batch of any size.

        Args:
            image: uint8 [B, H, W, 3].
            image_meta: float32 [B, 6].

        Returns:
            boxes float32 [B, D, 4] in canvas pixels, scores float32 [B, D], labels int32 [B, D],
            found bool [B, D] and masks float32 [B, D, 28, 28].
        """
        return self.session.run(
            list(OUTPUTS),
            {
                "image": np.ascontiguousarray(image, np.uint8),
                "image_meta": np.ascontiguousarray(image_meta, np.float32),
            },
        )
