"""Shared by the tests of the forms of labels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as mask_api

from src.config import load_config
from src.data.findings import Findings
from src.data.sources.read import read_annotations
from src.data_settings import annotation_settings


def write_picture(path: Path, width: int = 80, height: int = 60) -> None:
    """A grey picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((height, width, 3), 120, np.uint8))


def read_form(root, form, *words, split="train"):
    """(DataSource, Findings) of the labels below `root`, all findings collected."""
    config = load_config([f"dataset={form}", f"coco_root={root}", "coco_classes=auto", *words])
    settings = annotation_settings(config, split)
    findings = Findings(str(settings.path), collect=True, limit=100)
    return read_annotations(settings, findings), findings


def found(findings):
    """{kind: the places} of the findings."""
    return {kind: [one.location for one in listed] for kind, listed in findings.listed.items()}


def pixels(record, index):
    """The mask bool [height, width] of an object of a record."""
    segmentation = record.segmentations[index]
    if isinstance(segmentation, list):
        polygons = [list(map(float, polygon)) for polygon in segmentation]
        segmentation = mask_api.merge(mask_api.frPyObjects(polygons, record.height, record.width))
    return mask_api.decode(segmentation).astype(bool)
