"""Segmentations in other forms than COCO's: read as they are meant, or left out with what they look like."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from src.config import load_config
from src.data.annotations.coco_reader import read_coco
from src.data.annotations.mending.segmentations import mend_segmentation
from src.data.annotations.mending.via_shapes import via_polygons
from src.data.images.rle import mask_to_rle
from src.data_settings import annotation_settings
from tests.data.check.checking import check, found

SQUARE = [10, 20, 50, 20, 50, 50, 10, 50]
TRIANGLE = [30, 30, 50, 30, 50, 44.5]
PAIRS = [[10, 20], [50, 20], [50, 50], [10, 50]]
TRIANGLE_PAIRS = [[30, 30], [50, 30], [50, 44.5]]
POINTS = [{"x": x, "y": y} for x, y in PAIRS]
VIA = {"name": "polygon", "all_points_x": [10, 50, 50, 10], "all_points_y": [20, 20, 50, 50]}
RECTANGLE = {"name": "rect", "x": 10, "y": 20, "width": 40, "height": 30}

# segmentation as written, what it means, how it was written
FORMS = [
    (SQUARE, [SQUARE], "segmentation_flat"),
    (PAIRS, [SQUARE], "segmentation_pairs"),
    ([PAIRS], [SQUARE], "segmentation_pairs"),
    ([PAIRS, TRIANGLE_PAIRS], [SQUARE, TRIANGLE], "segmentation_pairs"),
    ([SQUARE, TRIANGLE_PAIRS], [SQUARE, TRIANGLE], "segmentation_pairs"),
    ([[point] for point in PAIRS], [SQUARE], "segmentation_pairs"),
    ([[[point] for point in PAIRS]], [SQUARE], "segmentation_pairs"),
    ([[PAIRS]], [SQUARE], "segmentation_pairs"),
    ([[SQUARE]], [SQUARE], "segmentation_nested"),
    (POINTS, [SQUARE], "segmentation_points"),
    ([POINTS], [SQUARE], "segmentation_points"),
    (VIA, [SQUARE], "segmentation_via"),
    ([VIA], [SQUARE], "segmentation_via"),
    ([{**VIA, "name": "polyline"}, RECTANGLE], [SQUARE, SQUARE], "segmentation_via"),
    ({"shape_attributes": VIA, "region_attributes": {}}, [SQUARE], "segmentation_via"),
    (
        {"0": {"shape_attributes": VIA}, "1": {"shape_attributes": RECTANGLE}},
        [SQUARE] * 2,
        "segmentation_via",
    ),
    (json.dumps([SQUARE]), [SQUARE], "segmentation_text"),
    (str([SQUARE]), [SQUARE], "segmentation_text"),
]
# what cannot be known
UNCLEAR = [
    "10 20 50 20 50 50",
    "",
    5,
    True,
    ["10", "20"],
    [None, PAIRS],
    [PAIRS[0], PAIRS[1], "x"],
    [[10, 20, 3], [50, 20, 3], [50, 50, 3]],
    [POINTS[0], PAIRS[1], PAIRS[2]],
    [{"x": 1}, {"x": 2}, {"x": 3}],
    [{"x": "1", "y": 2}] * 3,
    {"name": "point", "cx": 3, "cy": 4},
    {**VIA, "all_points_y": [20, 20, 50]},
    {**VIA, "all_points_y": [20, 20, 50, None]},
    {"name": "circle", "cx": 3, "cy": 4, "r": 0},
    {"name": "circle", "cx": 3, "cy": 4, "r": 10**400},
    {"name": "ellipse", "cx": 3, "cy": 4, "rx": 1, "ry": 2, "theta": 45},
    {"0": VIA, "1": {"name": "point"}},
    '{"a": 1}',
    "[" * 100_000,
]


def with_first(**changes):
    """A change of the first annotation, within the box of SQUARE."""
    return lambda content: content["annotations"][0].update(bbox=[10, 20, 40, 30], area=1200, **changes)


@pytest.mark.parametrize("written, meant, kind", FORMS)
def test_a_form_that_is_certain_is_read_and_said(coco_folder, written, meant, kind):
    result = check(coco_folder(pictures=3, change=with_first(segmentation=written)))
    (one,) = found(result, kind)
    assert one["action"] == "fixed"
    assert one["place"] == "annotations[0].segmentation"
    assert one["annotation_id"] == 1
    assert result.exit_code == 0
    polygons = result.source.records[0].segmentations[0]
    assert [polygon.tolist() for polygon in polygons] == meant


def test_forms_in_text_are_read_too():
    for written, meant, kind in FORMS[:-2]:
        assert mend_segmentation(json.dumps(written)) == (meant, ("segmentation_text", kind))
        assert mend_segmentation(repr(written)) == (meant, ("segmentation_text", kind))


@pytest.mark.parametrize("written", UNCLEAR)
def test_what_is_unclear_is_left_as_it_is(coco_folder, written):
    assert mend_segmentation(written) == (written, ())
    result = check(coco_folder(pictures=3, change=with_first(segmentation=written)))
    assert result.exit_code == 1
    assert found(result, "mask_missing")[0]["annotation_id"] == 1
    kinds = ("segmentation_form", "polygon_form", "polygon_short")
    details = [one["detail"] for kind in kinds for one in found(result, kind)]
    assert details and all(details)


@pytest.mark.parametrize("written", [[SQUARE], [SQUARE, TRIANGLE], [[1, 2, 3, 4]], [], None, {}])
def test_the_form_of_coco_is_left_as_it_is(written):
    assert mend_segmentation(written) == (written, ())


@pytest.mark.parametrize("written", [[], {}, None, [[]]])
def test_an_empty_segmentation_is_none(coco_folder, written):
    def change(content):
        for item in content["annotations"]:
            item["segmentation"] = written

    result = check(coco_folder(change=change))
    assert result.source is not None
    assert not result.source.has_masks
    assert result.source.records[0].segmentations is None
    assert not found(result, "rle_corrupt")


def test_rle_counts_that_are_bytes_as_text(coco_folder):
    mask = np.zeros((96, 128), np.uint8)
    mask[20:50, 10:50] = 1
    mask[70:96, 3:90:2] = 1
    rle = mask_to_rle(mask)
    assert "\\" in rle["counts"]
    printed = {"size": [96, 128], "counts": str(rle["counts"].encode())}
    forms = [printed, json.dumps(printed), str({**rle, "counts": rle["counts"].encode()})]
    for number, written in enumerate(forms):
        change = with_first(segmentation=written)
        result = check(coco_folder(pictures=3, change=change, name=str(number)))
        assert result.source.records[0].segmentations[0] == rle
        assert len(found(result, "segmentation_text")) == int(number > 0)
        assert len(found(result, "rle_bytes_text")) == int(number < 2)


def test_the_corners_of_a_circle_lie_on_it():
    (points,) = via_polygons({"name": "circle", "cx": 40, "cy": 30.5, "r": 20})
    x = np.array(points[0::2])
    y = np.array(points[1::2])
    assert len(x) == 128
    assert np.allclose(np.hypot(x - 40, y - 30.5), 20)
    area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    assert math.pi * 400 * 0.999 < area < math.pi * 400


def test_an_ellipse_is_turned_by_theta():
    """The long radius of 20 points 30 degrees below the x axis of a picture."""
    shape = {"name": "ellipse", "cx": 40, "cy": 50, "rx": 20, "ry": 8, "theta": math.pi / 6}
    (points,) = via_polygons(shape)
    points = np.array(points).reshape(-1, 2) - (40, 50)
    distance = np.hypot(*points.T)
    tip = points[distance.argmax()]
    assert np.allclose(np.abs(tip), (20 * math.sqrt(3) / 2, 10))
    assert tip[0] * tip[1] > 0
    assert np.isclose(distance.min(), 8)
    (plain,) = via_polygons({**shape, "theta": 0})
    assert np.isclose(max(plain[0::2]), 60)
    assert np.isclose(max(plain[1::2]), 58)


@pytest.mark.parametrize(
    "name, kind",
    [
        ("flat_segmentation", "segmentation_flat"),
        ("pairs_segmentation", "segmentation_pairs"),
        ("via_dict_segmentation", "segmentation_via"),
        ("text_segmentation_only", "segmentation_text"),
        ("rle_bytes_text", "rle_bytes_text"),
    ],
)
def test_reported_files_give_the_masks_of_the_clean_one(shared, name, kind):
    sources = {}
    for folder in (name, "clean"):
        config = load_config([f"coco_root={shared}/data/reports/{folder}", "coco_classes=auto"])
        result = check_words(shared, folder)
        sources[folder] = read_coco(annotation_settings(config))
        if folder == name:
            assert result.findings.counts == {**check_words(shared, "clean").findings.counts, kind: 12}
    assert sources[name].has_masks
    for record, clean in zip(sources[name].records, sources["clean"].records):
        assert record.boxes.tolist() == clean.boxes.tolist()
        for one, other in zip(record.segmentations, clean.segmentations):
            if kind == "rle_bytes_text":
                # all objects are rectangles, whose pixels are those of their boxes
                x1, y1, x2, y2 = (int(value) for value in (*other[0][:2], *other[0][4:6]))
                mask = np.zeros((record.height, record.width), np.uint8)
                mask[y1:y2, x1:x2] = 1
                assert one == mask_to_rle(mask)
            else:
                assert [polygon.tolist() for polygon in one] == [polygon.tolist() for polygon in other]


def check_words(shared, folder):
    """The DataCheck of one of the reported data sets."""
    return check(shared / "data" / "reports" / folder, "coco_classes=auto")
