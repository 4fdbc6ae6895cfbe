"""Mistakes in the box, the area or the mask of the first annotation (image 10, id 1)."""

from __future__ import annotations

from tests.data.check.checking import Mistake
from tests.data.check.list_mistakes import FIRST, first

BOX = [10.0, 20.0, 40.0, 30.0]
SQUARE = [10, 20, 50, 20, 50, 50, 10, 50]
# one column of pixels at x = 10, from y = 20 to 50
RUNS = {"size": [96, 128], "counts": [96 * 10 + 20, 30, 96 * 117 + 46]}


def _box_as_corners(content):
    """The first box as corners, which its mask shows."""
    x, y, w, h = content["annotations"][0]["bbox"]
    content["annotations"][0]["bbox"] = [x, y, x + w, y + h]


def _mask(*polygons):
    """A change of the first annotation's mask, within BOX."""
    return first(bbox=BOX, segmentation=list(polygons))


def _runs(size, counts):
    return first(segmentation={"size": size, "counts": counts})


# kind, action, part of the annotation, the change that makes it
_MISTAKES = [
    ("box_form", "skipped", ".bbox", first(bbox=[1, 2, 3])),
    ("box_form", "skipped", ".bbox", first(bbox="1,2,3,4")),
    ("box_infinite", "skipped", ".bbox", first(bbox=[float("nan"), 2, 3, 4])),
    ("box_infinite", "skipped", ".bbox", first(bbox=[1, 2, float("inf"), 4])),
    ("box_infinite", "skipped", ".bbox", first(bbox=[1, 2, 10**400, 4])),
    ("box_empty", "skipped", ".bbox", first(bbox=[1, 2, 0, 4])),
    ("box_empty", "skipped", ".bbox", first(bbox=[50, 50, -20, 10])),
    ("box_outside", "skipped", ".bbox", first(bbox=[200, 10, 20, 20])),
    (
        "box_partly",
        "fixed",
        ".bbox",
        first(bbox=[-20, 20, 40, 30], segmentation=[[0, 20, 20, 20, 20, 50, 0, 50]], area=600),
    ),
    ("box_missing", "fixed", ".bbox", first(bbox=None)),
    ("box_corners", "fixed", ".bbox", _box_as_corners),
    ("area_form", "fixed", ".area", first(area=None)),
    ("area_form", "fixed", ".area", first(area=-4)),
    ("area_form", "fixed", ".area", first(area="9")),
    ("area_wrong", "kept", ".area", first(area=5)),
    ("area_wrong", "kept", ".area", first(area=12000)),
    ("polygon_form", "skipped", ".segmentation[0]", first(segmentation=[["a", 2, 3, 4, 5, 6]])),
    ("polygon_short", "skipped", ".segmentation[1]", _mask(SQUARE, [10, 20, 50, 20])),
    ("polygon_odd", "skipped", ".segmentation[1]", _mask(SQUARE, [10, 20, 50, 20, 50, 50, 3])),
    ("polygon_far", "skipped", ".segmentation[1]", _mask(SQUARE, [1e5, 20, 50, 20, 50, 50])),
    ("polygon_far", "skipped", ".segmentation[1]", _mask(SQUARE, [float("nan"), 20, 50, 20, 50, 50])),
    ("polygon_outside", "skipped", ".segmentation[1]", _mask(SQUARE, [130, 20, 140, 20, 140, 50])),
    (
        "polygon_partly",
        "fixed",
        ".segmentation[0]",
        first(bbox=[100, 20, 28, 30], segmentation=[[100, 20, 140, 20, 140, 50, 100, 50]]),
    ),
    ("polygon_crossing", "kept", ".segmentation[0]", _mask([10, 20, 50, 50, 50, 20, 10, 50])),
    (
        "polygon_no_pixel",
        "kept",
        ".segmentation[0]",
        first(bbox=[10.1, 20.1, 0.2, 0.2], segmentation=[[10.1, 20.1, 10.3, 20.1, 10.3, 20.3]]),
    ),
    ("rle_corrupt", "skipped", ".segmentation", _runs([96, 128], "oooo")),
    ("rle_corrupt", "skipped", ".segmentation", _runs([96, 128], [5])),
    ("rle_size", "skipped", ".segmentation.size", _runs([5, 5], [5, 20])),
    ("rle_empty", "skipped", ".segmentation.counts", _runs([96, 128], [96 * 128])),
    ("segmentation_form", "skipped", ".segmentation", first(segmentation=5)),
    ("mask_missing", "skipped", ".segmentation", first(segmentation=[])),
    ("mask_apart", "skipped", "", _mask([80, 20, 90, 20, 90, 30])),
    ("mask_box", "kept", "", first(bbox=BOX, segmentation=RUNS)),
]
OBJECT_MISTAKES = [
    Mistake(kind, action, FIRST + part, 10, 1, change) for kind, action, part, change in _MISTAKES
]
