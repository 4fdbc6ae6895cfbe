"""Predictions as answers: JSON, and drawings as PNG."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Tuple

import cv2
import numpy as np

from ..engine.prediction.outputs import draw_prediction, instance_row
from ..predictor import Prediction, Predictor
from .query import NONE, PNG, Wish


def encode_answer(picture: np.ndarray, prediction: Prediction, wish: Wish) -> Tuple[bytes, str]:
    """What was found in a picture in the form that was asked for.

    Args:
        picture: uint8 [H, W, 3], RGB.
        prediction: What was found in it.
        wish: Threshold and form.

    Returns:
        (the answer's bytes, their media type)
    """
    prediction = prediction.above(wish.threshold)
    if wish.format == PNG:
        return _png(draw_prediction(picture, prediction)), "image/png"
    masks = None if wish.masks == NONE else wish.masks
    content = {
        "width": prediction.width,
        "height": prediction.height,
        "objects": [instance_row(instance, masks) for instance in prediction],
    }
    return json.dumps(content, ensure_ascii=False).encode(), "application/json"


def _png(picture: np.ndarray) -> bytes:
    is_encoded, data = cv2.imencode(".png", picture[:, :, ::-1])
    if not is_encoded:
        raise RuntimeError(f"OpenCV did not encode a picture of shape {picture.shape}")
    return data.tobytes()


def describe_model(predictor: Predictor, max_bytes: int, max_pixels: int) -> Dict[str, Any]:
    """What `/v1/model` tells."""
    config = predictor.config
    return {
        "name": Path(config.checkpoint_path).name,
        "classes": [{"id": i, "name": name} for i, name in enumerate(predictor.class_names) if i > 0],
        "canvas": {"width": config.img_width, "height": config.img_height},
        "max_objects": config.test_max_per_img,
        "lowest_score": config.test_score_thr,
        "limits": {"bytes": max_bytes, "pixels": max_pixels},
    }
