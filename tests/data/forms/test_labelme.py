"""LabelMe files, written by hand from its documentation and the files that version 5.5 saves."""

import base64
import json
import math

import cv2
import numpy as np
import pytest

from src.errors import DataError

from .labels import found, pixels, read_form, write_picture


def png(mask):
    """A mask as LabelMe has it: base64 of a PNG."""
    done, data = cv2.imencode(".png", np.asarray(mask, np.uint8) * 255)
    assert done
    return base64.b64encode(data.tobytes()).decode()


def write_labels(path, shapes, picture="a.png", **changes):
    content = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": picture, "imageData": None}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**content, "imageHeight": 60, "imageWidth": 80, **changes}))


def shape(label, kind, points, group=None, **others):
    return {"label": label, "points": points, "group_id": group, "shape_type": kind, "flags": {}, **others}


def square(left, top, side):
    return [[left, top], [left + side, top], [left + side, top + side], [left, top + side]]


def test_every_shape(tmp_path):
    write_picture(tmp_path / "a.png")
    mask = [[0, 1, 1], [1, 1, 0]]
    write_labels(
        tmp_path / "a.json",
        [
            shape("cat", "polygon", square(10, 10, 20), group=1),
            shape("dog", "circle", [[40, 40], [40, 50]]),
            shape("cat", "polygon", square(60, 10, 5), group=1),
            shape("dog", "rectangle", [[70, 50], [60, 40]]),
            shape("bit", "mask", [[5, 50], [7, 51]], mask=png(mask)),
            shape("way", "linestrip", [[0, 0], [1, 1]]),
            shape("__ignore__", "polygon", square(0, 0, 5)),
        ],
    )
    source, findings = read_form(tmp_path, "labelme")
    (record,) = source.records
    assert source.class_names == ("background", "bit", "cat", "dog")
    assert (record.width, record.height) == (80, 60)
    assert record.labels.tolist() == [2, 3, 3, 1]
    # the group's box holds both squares; the circle's radius is 10; a mask of 3 by 2 pixels at (5, 50)
    assert record.boxes.tolist() == [[10, 10, 65, 30], [30, 30, 50, 50], [60, 40, 70, 50], [5, 50, 8, 52]]
    assert pixels(record, 0).sum() == 20 * 20 + 5 * 5
    assert pixels(record, 1).sum() == pytest.approx(math.pi * 100, rel=0.02)
    assert pixels(record, 3)[50:52, 5:8].tolist() == [[False, True, True], [True, True, False]]
    assert pixels(record, 3).sum() == 4
    assert found(findings) == {
        "label_without_area": ["a.json: shapes[5]"],
        "label_ignored": ["a.json: shapes[6]"],
        "box_as_mask": ["a.json: shapes[3]"],
    }


def test_rectangles_alone_are_boxes(tmp_path):
    write_picture(tmp_path / "a.png")
    write_labels(tmp_path / "a.json", [shape("cat", "rectangle", [[10, 10], [30, 20]])])
    source, findings = read_form(tmp_path, "labelme")
    assert not source.has_masks
    assert source.records[0].boxes.tolist() == [[10, 10, 30, 20]]
    assert not findings.counts


def test_a_mask_joined_with_a_polygon(tmp_path):
    write_picture(tmp_path / "a.png")
    mask = shape("cat", "mask", [[0, 0], [3, 3]], group=7, mask=png(np.ones((4, 4))))
    write_labels(tmp_path / "a.json", [shape("cat", "polygon", square(20, 20, 10), group=7), mask])
    source, _ = read_form(tmp_path, "labelme")
    assert len(source.records[0].labels) == 1
    assert pixels(source.records[0], 0).sum() == 100 + 16


@pytest.mark.parametrize("written", ["..\\pictures\\a.png", "C:\\data\\a.png", "/home/me/a.png", "a.png"])
def test_pictures_that_were_moved(tmp_path, written):
    write_picture(tmp_path / "pictures" / "a.png")
    write_labels(tmp_path / "labels" / "a.json", [shape("cat", "polygon", square(1, 1, 9))], written)
    source, findings = read_form(tmp_path / "labels", "labelme", f"IMAGE_DIR={tmp_path / 'pictures'}")
    assert source.records[0].path == str(tmp_path / "pictures" / "a.png")
    assert not findings.counts


def test_a_picture_outside_is_not_taken(tmp_path):
    write_picture(tmp_path / "secret.png")
    write_labels(tmp_path / "labels" / "a.json", [shape("cat", "polygon", square(1, 1, 9))], "../secret.png")
    _, findings = read_form(tmp_path / "labels", "labelme")
    assert found(findings)["label_picture_missing"] == ["a.json"]


def test_a_picture_within_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixel_rows = np.arange(60 * 80 * 3, dtype=np.uint8).reshape(60, 80, 3)
    done, data = cv2.imencode(".png", pixel_rows)
    assert done
    text = base64.b64encode(data.tobytes()).decode()
    write_labels(
        tmp_path / "labels" / "a.json",
        [shape("cat", "polygon", square(1, 1, 9))],
        imageData=text,
        imageWidth=None,
        imageHeight=None,
    )
    source, findings = read_form(tmp_path / "labels", "labelme")
    assert (source.records[0].width, source.records[0].height) == (80, 60)
    assert (cv2.imread(source.records[0].path) == pixel_rows).all()
    assert not findings.counts


BAD = {
    "label_file_syntax": '{"version": "5.5.0", "imagePath": "a.png", "shapes": [{"label"',
    "label_file_form": '{"version": "5.5.0", "imagePath": "a.png", "shapes": {}, "shape_type": 1}',
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_named_and_the_others_are_read(tmp_path, kind):
    write_picture(tmp_path / "a.png")
    write_labels(tmp_path / "a.json", [shape("cat", "polygon", square(1, 1, 9))])
    (tmp_path / "b.json").write_text(BAD[kind])
    source, findings = read_form(tmp_path, "labelme")
    assert len(source.records) == 1
    assert found(findings) == {kind: ["b.json"]}


def test_an_empty_folder_is_one_line(tmp_path):
    with pytest.raises(DataError, match="no labelled picture"):
        read_form(tmp_path, "labelme")


ODD_SHAPES = [
    None,
    {},
    shape(None, "polygon", square(1, 1, 9)),
    shape("cat", "polygon", [[1, 2, 3]]),
    shape("cat", "polygon", [["1", "2"]]),
    shape("cat", "polygon", [[math.nan, 1], [1, 2], [3, 4]]),
    shape("cat", "circle", [[1, 1]]),
    shape("cat", "mask", [[1, 1], [2, 2]], mask="%%%"),
    shape("cat", "mask", [[1, 1], [2, 2]], mask=""),
    shape("cat", "cube", square(1, 1, 9)),
]


def test_odd_shapes_are_left_out(tmp_path):
    write_picture(tmp_path / "a.png")
    write_labels(tmp_path / "a.json", [*ODD_SHAPES, shape("cat", "polygon", square(1, 1, 9))])
    source, findings = read_form(tmp_path, "labelme")
    assert len(source.records[0].labels) == 1
    assert found(findings) == {"label_shape": [f"a.json: shapes[{i}]" for i in range(len(ODD_SHAPES))]}
