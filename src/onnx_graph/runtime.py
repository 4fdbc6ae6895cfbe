"""An exported ONNX file in ONNX Runtime."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..errors import CheckpointError

SETTINGS = "maskrcnn_settings"  # the metadata entry that holds the settings as JSON, as in a checkpoint
# Settings that are fixed in a file besides what its weights need.
EXPORTED_KEYS = (
    "img_width",
    "img_height",
    "rpn_nms_across_levels",
    "rpn_nms_pre",
    "rpn_nms_post",
    "rpn_max_num",
    "rpn_nms_thr",
    "rpn_min_bbox_min_size",
    "test_score_thr",
    "test_iou_thr",
    "test_max_per_img",
    "test_nms_pre",
    "test_min_bbox_size",
)
OUTPUTS = ("boxes", "scores", "labels", "found", "masks")


def is_onnx(path):
    return path is not None and Path(path).suffix.lower() == ".onnx"


class OnnxNetwork:
    """A file that `export.py --file-format ONNX` wrote, called with arrays: image uint8 [B, H, W, 3], image_meta float32 [B, 6].

    Gives boxes float32 [B, D, 4] in canvas pixels, scores [B, D], labels int32 [B, D], found bool [B, D] and masks float32 [B, D, 28, 28].
    `settings` is what travels inside the file. threads: of an operator; None is one a core. profile: how the name of ONNX Runtime's profile
    begins, which `session.end_profiling()` writes; None is no profile. Raises CheckpointError for a file that is missing, damaged or not of
    this project, or where ONNX Runtime is not installed.
    """

    def __init__(self, path, threads=None, profile=None):
        try:
            import onnxruntime
        except ImportError:
            raise CheckpointError(
                f"{path}: running it needs ONNX Runtime, which this project does not install: pip install onnxruntime"
            ) from None
        if not Path(path).is_file():
            raise CheckpointError(f"{path}: no such file")
        options = onnxruntime.SessionOptions()
        if threads is not None:
            options.intra_op_num_threads = threads
        if profile is not None:
            options.enable_profiling, options.profile_file_prefix = True, str(profile)
        options.log_severity_level = 3  # errors only
        try:
            self.session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime raises a dozen types of its own
            raise CheckpointError(
                f"{path}: not an ONNX file that ONNX Runtime can run ({' '.join(str(error).split())[:160]})"
            ) from None
        carried = self.session.get_modelmeta().custom_metadata_map.get(SETTINGS)
        if carried is None:
            raise CheckpointError(
                f"{path}: an ONNX file of another project; one that export.py --file-format ONNX wrote expected"
            )
        self.settings = json.loads(carried)

    def __call__(self, image, image_meta):
        return self.session.run(
            list(OUTPUTS),
            {
                "image": np.ascontiguousarray(image, np.uint8),
                "image_meta": np.ascontiguousarray(image_meta, np.float32),
            },
        )
