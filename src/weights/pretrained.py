"""The weights of `pre_trained`, from which training starts: a whole model of this project, or a backbone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple

import numpy as np
from mindspore import nn

from ..config import Config
from .checkpoint_file import read_checkpoint
from .checkpoint_settings import CAUTION, config_from_checkpoint
from .class_rows import CLASS_LAYERS
from .loading import has_fpn, is_whole_model, load_all_but_classes, load_backbone, load_network
from .mindcv import MINDCV
from .modelzoo import MODELZOO


@dataclass
class PretrainedWeights:
    """The weights that training starts from.

    Attributes:
        path: the file.
        entries: {parameter name: Parameter}.
        settings: what the weights need of the configuration; None if the file does not say.
        is_whole_model: whether it is a Mask R-CNN, not a backbone.
        remarks: lines to print when the weights are loaded.
    """

    path: str
    entries: Dict[str, Any]
    settings: Optional[Dict[str, Any]] = None
    is_whole_model: bool = False
    remarks: Tuple[str, ...] = ()


def open_pretrained(config: Config) -> Tuple[Config, PretrainedWeights]:
    """Read the file of `pre_trained`.

    Classes that the user wrote replace those of a whole model, unless `pretrain_epoch_size` says that the
    model's training is continued.

    Returns:
        (the configuration with what the weights need, the weights).
    """
    path = config.pre_trained
    entries, settings, _ = read_checkpoint(path)
    weights = PretrainedWeights(path, entries, settings, is_whole_model(entries))
    if not weights.is_whole_model and settings is None:
        _recognise_classifier(weights)
        weights.settings = {
            name: value for name, value in (weights.settings or {}).items() if name not in config.written
        }
    caution = (weights.settings or {}).get(CAUTION)
    if caution:
        weights.remarks = (f"{path}: {caution}",)
    own_classes = config.pretrain_epoch_size == 0
    return config_from_checkpoint(config, weights.settings, path, own_classes), weights


def load_pretrained(network: nn.Cell, weights: PretrainedWeights, config: Config) -> Tuple[str, ...]:
    """Load the weights into the network that was built for `config`.

    Where the classes differ, the class layers keep their initial values and all else is loaded.

    Returns:
        Lines that say what was loaded.
    """
    path = weights.path
    if not weights.is_whole_model:
        load_backbone(network, weights.entries, path)
        what = "backbone and pyramid" if has_fpn(weights.entries) else "backbone"
        return (f"{what} from {path}", *weights.remarks)
    if config.pretrain_epoch_size or _same_classes(weights, config):
        load_network(network, weights.entries, path)
        return (f"model from {path}", *weights.remarks)
    load_all_but_classes(network, weights.entries, path)
    rows = weights.entries.get("box_head.cls.weight")
    return (
        f"model from {path}, all but the class layers",
        f"its {len(rows) - 1 if rows is not None else '?'} classes are not the "
        f"{config.num_classes - 1} here, so these start anew: {', '.join(CLASS_LAYERS)}",
        *weights.remarks,
    )


def _same_classes(weights, config):
    """Whether the file's classes are the configuration's: by name, or by number if it has no names."""
    names = (weights.settings or {}).get("coco_classes")
    if names is not None:
        return tuple(names) == config.coco_classes
    rows = weights.entries.get("box_head.cls.weight")
    return rows is None or config.num_classes == len(rows)


def _recognise_classifier(weights):
    """Rename the entries of a classifier of MindCV or the model zoo, as `convert_weights.py` would."""
    arrays = {
        name: np.empty(tuple(entry.shape), np.uint8)
        for name, entry in weights.entries.items()
        if hasattr(entry, "shape")
    }
    scheme = max((MINDCV, MODELZOO), key=lambda scheme: scheme.matching_share(arrays))
    if scheme.matching_share(arrays) <= 0.5:
        return
    requirements = scheme.read_requirements(arrays, {})
    weights.entries = {
        scheme.own_name(name) or name: entry
        for name, entry in weights.entries.items()
        if not scheme.is_ignored(name)
    }
    weights.settings = {**requirements.settings, CAUTION: requirements.caution}
