"""Supervisely's files, by hand from developer.supervisely.com's description of its annotation format."""

import base64
import json
import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as mask_api

from src.config import load_config
from src.data.check.data_check import check_data
from src.data.forms.part_masks import holed_polygon
from src.data_settings import data_check_settings

from .labels import found, pixels, read_form, write_picture

META = {
    "classes": [
        {"title": "dog", "shape": "bitmap", "color": "#F6FF00"},
        {"title": "cat", "shape": "polygon", "color": "#BE55CE"},
        {"title": "spot", "shape": "point", "color": "#BE55CE"},
    ],
    "tags": [],
}


def write(root, objects, name="a.jpg", dataset="ds 1", meta=META, **changes):
    (root / dataset / "ann").mkdir(parents=True, exist_ok=True)
    if meta is not None:
        (root / "meta.json").write_text(meta if isinstance(meta, str) else json.dumps(meta))
    content = {"description": "", "tags": [], "size": {"height": 60, "width": 80}, "objects": objects}
    (root / dataset / "ann" / f"{name}.json").write_text(json.dumps({**content, **changes}))
    write_picture(root / dataset / "img" / name)


def shape(title, kind, exterior, interior=(), **others):
    points = {"exterior": exterior, "interior": list(interior)}
    return {"classTitle": title, "geometryType": kind, "points": points, "tags": [], **others}


def square(left, top, side):
    return [[left, top], [left + side, top], [left + side, top + side], [left, top + side]]


def bitmap(title, mask, origin, compress=zlib.compress):
    """As the SDK writes it: a palette PNG, index 0 transparent."""
    image = Image.fromarray(np.asarray(mask, np.uint8))
    image.putpalette([0, 0, 0, 255, 255, 255])
    file = BytesIO()
    image.save(file, format="PNG", transparency=0, optimize=0)
    data = base64.b64encode(compress(file.getvalue())).decode()
    return {"classTitle": title, "geometryType": "bitmap", "bitmap": {"data": data, "origin": origin}}


MASK = [[0, 1, 1], [1, 1, 0]]


def test_every_shape_with_fractions(tmp_path):
    hole = [[15.0, 15.0], [25.0, 15.0], [25.0, 25.0], [15.0, 25.0]]
    objects = [
        shape("cat", "polygon", square(10, 10, 20), [hole]),
        shape("cat", "polygon", [[50.5, 10.5], [60.5, 10.5], [60.5, 20.5]]),
        shape("dog", "rectangle", [[70, 50], [60, 40]]),
        bitmap("dog", MASK, [5, 50]),
        bitmap("dog", MASK, [70, 10], compress=lambda data: data),
        shape("cat", "line", [[0, 0], [1, 1]]),
        {"classTitle": "spot", "geometryType": "point", "points": {"exterior": [[1, 1]], "interior": []}},
    ]
    write(tmp_path, objects)
    source, findings = read_form(tmp_path, "supervisely")
    (record,) = source.records
    assert source.class_names == ("background", "dog", "cat")
    assert record.labels.tolist() == [2, 2, 1, 1, 1]
    expected = [
        [10, 10, 30, 30],
        [50.5, 10.5, 60.5, 20.5],
        [60, 40, 70, 50],
        [5, 50, 8, 52],
        [70, 10, 73, 12],
    ]
    assert record.boxes.tolist() == expected
    assert pixels(record, 0).sum() == 20 * 20 - 10 * 10
    assert not pixels(record, 0)[20, 20]
    assert pixels(record, 3)[50:52, 5:8].tolist() == np.array(MASK, bool).tolist()
    place = "ds 1/ann/a.jpg.json: objects[{}]".format
    assert found(findings) == {"label_without_area": [place(5), place(6)], "box_as_mask": [place(2)]}


def test_whole_numbers_are_the_middles_of_pixels(tmp_path):
    objects = [shape("cat", "polygon", square(10, 10, 20)), shape("dog", "rectangle", [[60, 40], [69, 49]])]
    write(tmp_path, objects)
    (record,) = read_form(tmp_path, "supervisely")[0].records
    assert record.boxes.tolist() == [[10.5, 10.5, 30.5, 30.5], [60, 40, 70, 50]]


def test_a_hole_is_what_cocos_drawing_leaves():
    """A polygon's hole, beside the difference of two whole pictures."""
    rng = np.random.default_rng(1)
    for _ in range(50):
        angles = np.sort(rng.random(9) * 2 * np.pi)
        outline = np.stack([40 + 30 * np.cos(angles), 30 + 25 * np.sin(angles)], 1)
        ring = outline.ravel().tolist()
        hole = ((outline - (40, 30)) * 0.4 + (41.3, 29.1)).ravel().tolist()
        drawn = mask_api.decode(mask_api.frPyObjects([ring, hole], 60, 80)).astype(bool)
        part = holed_polygon(ring, [hole])
        whole = np.zeros((60, 80), bool)
        height, width = part.pixels.shape
        whole[part.top : part.top + height, part.left : part.left + width] = part.pixels
        assert (whole == (drawn[..., 0] & ~drawn[..., 1])).all()
    assert holed_polygon([0.0, 0.0, 1e8, 0.0, 1e8, 1e8], []) is None


def test_splits_and_the_check(tmp_path):
    write(tmp_path, [bitmap("dog", MASK, [5, 50])], "à.b.png", "train")
    write(tmp_path, [], "c.png", "val")
    write(tmp_path, [bitmap("cat", MASK, [5, 50])], "d.png", "val")
    for split, count in (("train", 1), ("val", 2)):
        config = load_config(
            ["dataset=auto", f"coco_root={tmp_path}", "coco_classes=auto", "keep_empty=True"]
        )
        check = check_data(data_check_settings(config, split), quiet=True)
        assert check.settings.annotations.format == "supervisely"
        assert check.source.class_names == ("background", "dog", "cat")
        assert len(check.source.records) == count
        assert check.exit_code == 0


def _bomb():
    compressor = zlib.compressobj(9)
    pieces = [compressor.compress(b"\0" * 10**6) for _ in range(200)]
    return base64.b64encode(b"".join(pieces) + compressor.flush()).decode()


ODD = [
    None,
    {},
    shape("", "polygon", square(1, 1, 9)),
    shape("cat", "polygon", [[1, 2, 3]]),
    shape("cat", "polygon", [["1", "2"]]),
    shape("cat", "polygon", square(1, 1, 9), [[1, 2]]),
    shape("cat", "polygon", square(1, 1, 9), [None]),
    {**shape("cat", "polygon", square(1, 1, 9)), "points": [[1, 2]]},
    shape("cat", "rectangle", square(1, 1, 9)),
    shape("cat", "cuboid", square(1, 1, 9)),
    shape("cat", [1], square(1, 1, 9)),
    {"classTitle": "cat", "geometryType": "bitmap"},
    {"classTitle": "cat", "geometryType": "bitmap", "bitmap": {"data": "%%", "origin": [1, 1]}},
    {"classTitle": "cat", "geometryType": "bitmap", "bitmap": {"data": "", "origin": [1, 1]}},
    {"classTitle": "cat", "geometryType": "bitmap", "bitmap": {"data": "eJwBgQd+", "origin": [1, 1]}},
    {"classTitle": "cat", "geometryType": "bitmap", "bitmap": {"data": _bomb(), "origin": [1, 1]}},
    {**bitmap("cat", MASK, [1]), "x": 1},
    {**bitmap("cat", MASK, ["1", 2]), "x": 1},
]


def test_odd_shapes_are_left_out(tmp_path):
    write(tmp_path, [*ODD, bitmap("cat", MASK, [5, 5])])
    source, findings = read_form(tmp_path, "supervisely")
    assert len(source.records[0].labels) == 1
    assert found(findings) == {"label_shape": [f"ds 1/ann/a.jpg.json: objects[{i}]" for i in range(len(ODD))]}


@pytest.mark.parametrize(
    ("meta", "kinds"),
    [
        (None, []),
        ("{", ["label_file_syntax"]),
        ({"classes": {}}, ["label_file_form"]),
        ({"classes": 1.5}, ["label_file_form"]),
        ({"classes": [{"shape": "polygon"}]}, ["label_file_form"]),
        ({"classes": [{"title": "dog"}]}, ["category_unlisted"]),
    ],
)
def test_projects_with_odd_classes(tmp_path, meta, kinds):
    write(tmp_path, [bitmap("cat", MASK, [5, 5])], meta=meta)
    source, findings = read_form(tmp_path, "supervisely")
    assert list(findings.counts) == kinds
    assert "cat" in source.class_names


def test_bad_files(tmp_path):
    write(tmp_path, [bitmap("cat", MASK, [5, 5])])
    write(tmp_path, [bitmap("cat", MASK, [5, 5])], "b.jpg", size=None)
    write(tmp_path, {}, "c.jpg")
    write(tmp_path, [], "d.jpg")
    (tmp_path / "ds 1" / "img" / "d.jpg").unlink()
    (tmp_path / "ds 1" / "ann" / "e.jpg.json").write_text('{"objects": [')
    source, findings = read_form(tmp_path, "supervisely")
    assert [record.width for record in source.records] == [80, 80]  # of the second from the picture
    assert found(findings) == {
        "label_file_form": ["ds 1/ann/c.jpg.json"],
        "label_picture_missing": ["ds 1/ann/d.jpg.json"],
        "label_file_syntax": ["ds 1/ann/e.jpg.json"],
    }
    assert cv2.imread(source.records[0].path) is not None
