"""Shared by the tests of the COCO reader."""

from __future__ import annotations

from src.config import load_config
from src.data.annotations.coco_reader import read_coco
from src.data_settings import annotation_settings

CLASSES = "coco_classes=[background,square,disc]"


def read(root, *words):
    """The DataSource of the training split below root, with the classes of `coco_folder`."""
    return read_coco(annotation_settings(load_config([f"coco_root={root}", CLASSES, *words])))
