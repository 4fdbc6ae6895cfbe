"""Reading annotations in any format: `read_source`, and the class names that come with the data."""

from __future__ import annotations

from typing import Optional

from ...config import Config
from ...errors import ConfigError
from ..findings import Findings
from .coco_reader import read_coco
from .records import DataSource
from .txt_reader import read_txt


def read_source(config: Config, split: str = "train", findings: Optional[Findings] = None) -> DataSource:
    """Read a split ("train" or "val") in the format that `dataset` names: COCO JSON, or txt for 'other'.

    findings: Findings to fill. Without it, the reader logs what it finds (see the readers).
    """
    reader = read_coco if config.dataset == "coco" else read_txt
    return reader(config, split, findings=findings)


def resolve_classes(config: Config, source) -> Config:
    """The configuration with the data's class names instead of coco_classes=auto; else `config` itself.

    Args:
        source: anything with `class_names`: a DataSource or a Manifest.

    Raises:
        ConfigError: num_classes was written and is not the number of names.
    """
    if config.coco_classes != "auto":
        return config
    count = len(source.class_names)
    if "num_classes" in config.written and config.num_classes != count:
        raise ConfigError(
            f"num_classes={config.num_classes} contradicts coco_classes=auto, "
            f"which finds {count} names with the background: leave it out or change the other"
        )
    return config.replace(coco_classes=tuple(source.class_names), num_classes=count)
