"""Both readers on thousands of drawn files: no errors but the project's own, and right Records."""

from __future__ import annotations

import collections
import dataclasses
import json
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from src.config import load_config
from src.data.annotations.coco_reader import read_coco
from src.data.annotations.txt_reader import read_txt
from src.data.findings import Findings
from src.data.images.rle import rle_counts
from src.data_settings import annotation_settings
from src.errors import UserError
from tests.data.annotations.drawn_files import coco_bytes, txt_bytes

COCO_KINDS = {
    *("file_syntax", "file_form", "respelled", "annotation_category", "annotation_id"),
    *("box_empty", "box_outside", "box_partly"),
    *("polygon_odd", "polygon_far", "polygon_crossing", "rle_corrupt", "mask_missing"),
}
TXT_KINDS = {
    *("row_form", "row_number", "row_class", "masks_mixed", "windows_line_ends"),
    *("box_partly", "polygon_odd", "picture_missing"),
}


def assert_right_records(source, num_classes=None):
    """Assert what a Record promises; num_classes: without the background, those of the file by default.

    A check goes on with the file's own names, where the configuration lacks some.
    """
    num_classes = num_classes or len(source.class_names) - 1
    for record in source.records:
        columns = (record.boxes, record.crowd, record.annotation_ids, record.areas)
        assert {len(column) for column in columns} <= {len(record.labels)}
        assert (record.boxes[:, 2:] > record.boxes[:, :2]).all()
        assert (record.boxes >= 0).all()
        assert (record.boxes <= [record.width, record.height] * 2).all()
        assert ((record.labels >= 1) & (record.labels <= num_classes)).all()
        assert (record.areas >= 0).all()
        for mask, crowd in zip(record.segmentations or (), record.crowd):
            assert mask is not None or crowd
            if isinstance(mask, dict):
                assert rle_counts(mask).sum() == record.width * record.height
                continue
            for polygon in mask or ():
                assert len(polygon) >= 6
                assert len(polygon) % 2 == 0
                assert np.isfinite(polygon).all()


def read_many(reader, make_file, config, folder, count):
    """Read `count` drawn files, each for training (a fatal finding ends it) and for a check (it goes on).

    Args:
        reader: function(config, path, folder, findings) -> DataSource.
        make_file: function(drawn bytes) -> the bytes of a file.
        config: the configuration, with two classes.
        folder: the pictures' folder.
        count: how many files.

    Returns:
        A Counter of "inputs", "read", "checked to the end", and each kind of finding.
    """
    seen = collections.Counter()
    memory = os.memfd_create("annotations")  # writing to a disk would take longer than reading
    path = f"/proc/self/fd/{memory}"

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.binary(min_size=40, max_size=200))
    def read_one(data):
        os.ftruncate(memory, 0)
        os.pwrite(memory, make_file(data), 0)
        seen["inputs"] += 1
        for collect in (False, True):
            findings = Findings(path, collect=collect)
            try:
                source = reader(config, path, folder, findings)
                assert_right_records(source, None if collect else 2)
                seen["checked to the end" if collect else "read"] += 1
            except UserError as error:
                assert "\n" not in str(error)
                assert path in str(error)
            assert all("\n" not in line and line.isprintable() for line in findings.summary())
            json.dumps(findings.as_json())
            seen.update(findings.counts if collect else ())

    read_one()
    os.close(memory)
    return seen


def _read_coco(config, path, folder, findings):
    settings = annotation_settings(config)
    return read_coco(dataclasses.replace(settings, path=path, folder=folder), findings)


def _read_txt(config, path, folder, findings):
    return read_txt(dataclasses.replace(annotation_settings(config), path=path), findings)


@pytest.mark.parametrize(
    "count", [1000, pytest.param(50_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
@pytest.mark.parametrize("form", ["coco", "txt"])
def test_any_file_gives_records_or_a_user_error(form, count, tmp_path):
    classes = "coco_classes=[background,square,disc]"
    if form == "coco":
        kinds = COCO_KINDS
        seen = read_many(_read_coco, coco_bytes, load_config([classes]), tmp_path, count)
    else:
        kinds = TXT_KINDS
        for name in ("a.jpg", "b.jpg"):
            Image.new("RGB", (30, 20)).save(tmp_path / name)
        config = load_config(["dataset=other", f"IMAGE_DIR={tmp_path}", "ANNO_PATH=rows.txt", classes])
        seen = read_many(_read_txt, txt_bytes, config, tmp_path, count)
    assert seen["inputs"] >= count
    # a reader that comes to its end has parsed the file and checked its records one by one
    assert seen["checked to the end"] >= 0.5 * seen["inputs"], seen
    assert kinds - set(seen) == set()
