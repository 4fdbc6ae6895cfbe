"""Faults that are read as they were meant: the objects have to be those of the data set without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as mask_api

from src.config import load_config
from src.data.annotations.records import DataSource
from src.data.check.data_check import DataCheck, check_data, report_text
from src.data_settings import data_check_settings
from tests.fuzz.all_faults import draw_faulty_set
from tests.fuzz.drawn_set import draw_set
from tests.fuzz.in_process import WORDS


def compare_with_clean(seed: int, folder: Path) -> None:
    """Assert that a seed's data set is read as the same one without its faults.

    Args:
        seed: of the data set, drawn from the faults that keep objects.
        folder: an empty one.
    """
    faulty = draw_faulty_set(seed, keeps_objects=True)
    faulty.write(folder / "faulty")
    draw_set(seed, np.random.default_rng(seed)).write(folder / "clean")
    for split in ("train", "val"):
        clean = _check(folder / "clean", split)
        check = _check(folder / "faulty", split)
        assert check.exit_code < 2, "\n".join(report_text(check))
        assert clean.source is not None and check.source is not None
        _compare_sources(check.source, clean.source)


def _check(root: Path, split: str) -> DataCheck:
    config = load_config([f"coco_root={root}", *WORDS])
    return check_data(data_check_settings(config, split), quiet=True)


def _compare_sources(source: DataSource, clean: DataSource) -> None:
    assert source.has_masks == clean.has_masks
    assert len(source.records) == len(clean.records)
    for record, other in zip(source.records, clean.records):
        assert (record.height, record.width) == (other.height, other.width)
        names = [source.class_names[label] for label in record.labels]
        assert names == [clean.class_names[label] for label in other.labels]
        assert record.crowd.tolist() == other.crowd.tolist()
        np.testing.assert_allclose(record.boxes, other.boxes, atol=1e-6)
        if source.has_masks:
            for mask, other_mask in zip(record.segmentations, other.segmentations):
                size = (record.height, record.width)
                np.testing.assert_array_equal(_pixels(mask, *size), _pixels(other_mask, *size))


def _pixels(segmentation: Any, height: int, width: int) -> np.ndarray:
    """A segmentation as pycocotools draws it, uint8 [height, width]."""
    if isinstance(segmentation, list):
        polygons = [np.asarray(polygon, np.float64).tolist() for polygon in segmentation]
        return mask_api.decode(mask_api.merge(mask_api.frPyObjects(polygons, height, width)))
    if isinstance(segmentation["counts"], list):
        segmentation = mask_api.frPyObjects(segmentation, height, width)
    return mask_api.decode(segmentation)
