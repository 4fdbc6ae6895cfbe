"""Every reader of a form on label files changed at random: right records, or the project's own error."""

from __future__ import annotations

import collections
import json

import numpy as np
import pytest

from src.config import load_config
from src.data.findings import Findings
from src.data.forms.listing import Listing
from src.data.sources.find_form import found_forms
from src.data.sources.read import read_annotations
from src.data_settings import annotation_settings
from src.errors import UserError
from tests.data.annotations.test_reader_fuzz import assert_right_records

from . import test_cityscapes as cityscapes
from . import test_cvat as cvat
from . import test_masks as masks
from . import test_supervisely as supervisely
from .labels import write_picture
from .mutations import mutated


def write_masks(root):
    for name in "ab":
        write_picture(root / "images" / f"{name}.jpg")
        write_picture(root / name / "images" / "1.png")
        masks.write_mask(root / name / "masks" / "dog" / "2.png", masks.ids((255, 0, 0, 9)))
    masks.write_mask(root / "masks" / "a.png", masks.ids((3, 0, 0, 5), (4, 20, 20, 30)))
    masks.write_mask(root / "masks" / "dog" / "b.tif", masks.ids((3, 0, 0, 5), dtype=np.uint16))
    masks.write_mask(root / "masks" / "a" / "cat" / "1.png", masks.ids((255, 0, 0, 5)))


def write_cvat(root):
    for name in "ab":
        write_picture(root / "images" / f"{name}.jpg")
        crowd = '<attribute name="is_crowd">true</attribute>'
        grouped = cvat.polygon("car", cvat.SQUARE, group_id=1).replace("/>", f">{crowd}</polygon>")
        turned = '<box label="car" xtl="20" ytl="20" xbr="40" ybr="30" rotation="30"/>'
        shapes = "\n".join([*cvat.SHAPES, turned, grouped, grouped])
        cvat.write(root / f"{name}.xml", cvat.image(shapes, f"{name}.jpg", subset="train"))


def write_cityscapes(root):
    for name in "ab":
        values = cityscapes.ids((26000, 0, 0, 10), (24, 20, 0, 5), (29003, 40, 0, 20))
        cityscapes.write(root, values, name)
    rows = [f"{i} 0 0 class {i}" for i in range(40)]
    (root / "label_colors.txt").write_text("\n".join(rows))


def write_supervisely(root):
    hole = [[15.5, 15], [25, 15], [25, 25]]
    for name in ("a.jpg", "b.jpg"):
        objects = [
            supervisely.shape("cat", "polygon", supervisely.square(10, 10, 20), [hole], instance="7"),
            supervisely.shape("cat", "polygon", supervisely.square(50, 10, 20), instance="7"),
            supervisely.shape("dog", "rectangle", [[70, 50], [60, 40]]),
            supervisely.bitmap("dog", supervisely.MASK, [5, 50]),
        ]
        supervisely.write(root, objects, name)


WRITERS = {
    "masks": write_masks,
    "cvat": write_cvat,
    "cityscapes": write_cityscapes,
    "supervisely": write_supervisely,
}


def read_many(form, root, count):
    """Change `count` times one or two label files, and read each time for training and for a check.

    Returns:
        A Counter of "read", "checked to the end", and each kind of finding.
    """
    WRITERS[form](root)
    labels = {
        path: path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.suffix in (".json", ".xml", ".txt", ".png", ".tif")
        and not {"images", "img", "leftImg8bit"} & set(path.parts)
    }
    paths = list(labels)
    settings = annotation_settings(load_config([f"dataset={form}", f"coco_root={root}", "coco_classes=auto"]))
    seen = collections.Counter()
    for seed in range(count):
        rng = np.random.default_rng(seed)
        chosen = [paths[int(i)] for i in rng.choice(len(paths), int(rng.integers(1, 3)), replace=False)]
        for path in chosen:
            path.write_bytes(mutated(labels[path], path.suffix, rng))
        for collect in (False, True):
            findings = Findings(str(root), collect=collect)
            try:
                assert_right_records(read_annotations(settings, findings))
                seen["checked to the end" if collect else "read"] += 1
            except UserError as error:
                assert str(error).isprintable(), seed
            except Exception as error:
                raise AssertionError(f"{form}, seed {seed}: {error!r}") from error
            assert all(line.isprintable() for line in findings.summary()), seed
            json.dumps(findings.as_json())
            seen.update(findings.counts if collect else ())
        found_forms(Listing(root))
        for path in chosen:
            path.write_bytes(labels[path])
    return seen


@pytest.mark.parametrize(
    "count", [60, pytest.param(5_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
@pytest.mark.parametrize("form", WRITERS)
def test_any_files_give_records_or_a_user_error(form, count, tmp_path):
    seen = read_many(form, tmp_path, count)
    # a reader that comes to its end has read what it could and checked its records one by one
    assert seen["checked to the end"] >= 0.5 * count, seen
    assert seen["read"] >= 0.1 * count, seen
    assert "label_file_syntax" in seen
    assert len(seen) >= 6, seen
