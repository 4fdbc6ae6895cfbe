"""Drawn pictures: what is tinted, where, and in which colours."""

import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from src.engine.display.visualize import (
    draw_detections,
    draw_ground_truth,
    instance_colours,
    save_png,
    side_by_side,
)
from src.errors import DataError
from tests.conftest import ROOT

NAMES = ("background", "circle", "Zürich")


def two_found():
    """On the left a full mask, on the right one that fills the upper half of its box."""
    masks = np.ones((2, 28, 28), np.float32)
    masks[1, 14:] = 0
    return {
        "boxes": np.array([[50, 100, 250, 300], [300, 100, 500, 300]], np.float32),
        "scores": np.array([0.9, 0.6], np.float32),
        "labels": np.array([1, 2], np.int32),
        "masks": masks,
    }


def picture(height=400, width=600, level=100):
    return np.full((height, width, 3), level, np.uint8)


def tinted(drawn):
    """Which pixels a colour was mixed into: on grey, those that are not grey."""
    return np.ptp(drawn.astype(int), axis=2) > 10


def test_masks_are_tinted_where_they_are():
    drawn = draw_detections(picture(), two_found(), NAMES, 0.5)
    assert drawn.shape == (400, 600, 3) and drawn.dtype == np.uint8
    where = tinted(drawn)
    assert where[110:290, 60:240].all() and where[110:195, 310:490].all()
    assert (
        not where[210:290, 310:490].any()
        and not where[310:].any()
        and not where[:, :40].any()
        and not where[:70].any()
    )
    first = drawn[200, 150]
    second = drawn[150, 400]
    assert np.abs(first.astype(int) - second).max() > 40  # each instance in its own colour
    assert np.array_equal(first, np.round(100 * 0.55 + 0.45 * np.array(instance_colours(2)[0])))


def test_boxes_are_drawn_at_their_corners():
    drawn = draw_detections(picture(), {**two_found(), "masks": None}, NAMES, 0.5)
    where = tinted(drawn)
    assert where[100:301, 50].all() and where[100:301, 250].all() and where[300, 50:251].all()
    assert not where[120:280, 60:240].any()


def test_threshold_and_nothing_found():
    assert not tinted(draw_detections(picture(), two_found(), NAMES, 0.95)).any()
    assert not tinted(draw_detections(picture(), two_found(), NAMES, 0.7))[:, 290:].any()
    nothing = {
        "boxes": np.zeros((0, 4)),
        "scores": np.zeros(0),
        "labels": np.zeros(0, int),
        "masks": np.zeros((0, 28, 28)),
    }
    original = picture()
    assert np.array_equal(draw_detections(original, nothing, NAMES), original)


def test_the_picture_itself_is_left_alone():
    original = picture()
    draw_detections(original, two_found(), NAMES)
    assert (original == 100).all()


@pytest.mark.parametrize("size, factor", [((400, 700), 1), ((399, 400), 2), ((256, 256), 2), ((64, 100), 7)])
def test_small_pictures_are_enlarged(size, factor):
    found = two_found()
    found["boxes"] *= min(size) / 600
    drawn = draw_detections(picture(*size), found, NAMES)
    assert drawn.shape == (size[0] * factor, size[1] * factor, 3)
    x1, y1, x2, y2 = found["boxes"][0] * factor
    assert tinted(drawn)[round((y1 + y2) / 2), round((x1 + x2) / 2)]


def test_captions_can_be_read():
    """The plate has the instance's colour, the ink a very different brightness, at the picture's edge too."""
    found = two_found()
    found["boxes"] = np.array([[0, 0, 80, 80], [560, 350, 600, 400]], np.float32)
    drawn = draw_detections(picture(), {**found, "masks": None}, NAMES)
    for colour in instance_colours(2):
        plate = np.abs(drawn.astype(int) - colour).max(2) < 3
        rows, columns = np.nonzero(plate)
        assert len(rows) > 500
    ink = drawn[:16, :80].astype(int).mean(2)
    assert np.ptp(ink) > 80


def test_ground_truth_takes_polygons_rle_and_nothing():
    boxes = [[50, 100, 250, 300], [300, 100, 500, 300], [520, 20, 590, 90]]
    counts = np.zeros((400, 600), np.uint8)
    counts[100:300, 300:500] = 1
    edges = np.flatnonzero(np.diff(np.concatenate([[0], counts.ravel(order="F"), [0]]).astype(int)))
    rle = {"size": [400, 600], "counts": np.diff(np.concatenate([[0], edges, [counts.size]])).tolist()}
    triangle = [[50, 100, 250, 100, 50, 300]]
    drawn = draw_ground_truth(picture(), boxes, [1, 2, 1], NAMES, [triangle, rle, None], [False, True, False])
    where = tinted(drawn)
    assert where[110:150, 60:180].all() and not where[250:290, 200:240].any()
    assert where[110:290, 310:490].all() and not where[45:85, 530:580].any()
    assert np.array_equal(draw_ground_truth(picture(), [], [], NAMES, []), picture())


def test_forty_colours_differ():
    colours = instance_colours(40)
    assert len(set(colours)) == 40 and all(0 <= part <= 255 for colour in colours for part in colour)
    assert min(np.abs(np.subtract(a, b)).max() for a, b in zip(colours, colours[1:])) > 60


def test_side_by_side():
    sheet = side_by_side([picture(100, 50, 10), picture(200, 60, 20)], ["left", "right"], gap=4)
    assert sheet.shape == (200 + 30 + 8, 4 + 100 + 4 + 60 + 4, 3)
    assert (
        (sheet[34:234, 4:104] == 10).all()
        and (sheet[34:234, 108:168] == 20).all()
        and (sheet[:, :4] == 255).all()
    )
    assert side_by_side([picture(10, 10)], gap=0).shape == (10, 10, 3)


def test_png_is_what_was_drawn(tmp_path):
    drawn = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    save_png(tmp_path / "new" / "a.png", drawn)
    assert np.array_equal(cv2.imread(str(tmp_path / "new" / "a.png"))[:, :, ::-1], drawn)
    save_png(tmp_path / "grey.png", drawn[:, :, 0])
    assert np.array_equal(cv2.imread(str(tmp_path / "grey.png"), cv2.IMREAD_UNCHANGED), drawn[:, :, 0])
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file"):
        save_png(tmp_path / "file" / "a.png", drawn)


def test_imports_start_neither_a_device_nor_matplotlib():
    code = (
        "import sys, src.util, src.data.shapes, src.engine.display.visualize, src.engine.display.progress; "
        "sys.exit(' '.join(name for name in ('mindspore', 'matplotlib.pyplot') if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


SIZES = [(1, 3000), (3000, 1), (2, 9000), (1500, 2), (4, 1500), (1, 20000), (3, 3), (1, 1)]


@pytest.mark.parametrize("size", SIZES)
def test_strange_pictures_are_drawn_within_a_second(size):
    """The limit is 4096 pixels a side; enlarged to a height of 400 the first would be 1.2 million wide."""
    height, width = size
    strip = picture(*size)
    found = {
        "boxes": np.tile([0.0, 0.0, width, height], (5, 1)),
        "scores": np.full(5, 0.9),
        "labels": np.ones(5, int),
        "masks": np.ones((5, 28, 28), np.float32),
    }
    outline = [[0, 0, width, 0, width, height, 0, height]]
    started = time.perf_counter()
    drawn = draw_detections(strip, found, NAMES)
    annotated = draw_ground_truth(strip, found["boxes"], found["labels"], NAMES, [outline] * 5)
    sheet = side_by_side([drawn, annotated, picture()], ["a", "b", "c"])
    assert time.perf_counter() - started < 2
    for array in (drawn, annotated, sheet):
        assert max(array.shape) <= 4096
        assert tinted(array).any()
    # Not changed in shape, but by rounding to whole pixels.
    factor = drawn.shape[1] / width if width > height else drawn.shape[0] / height
    assert drawn.shape[:2] == annotated.shape[:2]
    assert abs(drawn.shape[0] - height * factor) < 1 and abs(drawn.shape[1] - width * factor) < 1


def test_large_pictures_are_reduced_with_what_is_on_them():
    large = picture(3000, 6000)
    found = two_found()
    found["boxes"] = found["boxes"] * 10
    found["boxes"][:, [1, 3]] -= 800  # y from 200 to 2200
    drawn = draw_detections(large, found, NAMES)
    assert drawn.shape == (2048, 4096, 3)
    scale = 4096 / 6000
    where = tinted(drawn)
    y1, y2, x1, x2 = (round(value * scale) for value in (250, 2150, 550, 2450))
    assert (
        where[y1:y2, x1:x2].all()
        and not where[: round(80 * scale)].any()
        and not where[round(2250 * scale) :].any()
    )
    box = found["boxes"][:1]
    outline = [[[500, 200, 2500, 200, 2500, 2200, 500, 2200]]]
    annotated = draw_ground_truth(large, box, [1], NAMES, outline)
    where = tinted(annotated)
    assert annotated.shape == drawn.shape and where[y1:y2, x1:x2].all()
    assert not where[:, round(2600 * scale) :].any() and not where[round(2250 * scale) :].any()
    assert draw_detections(picture(4096, 4000), two_found(), NAMES).shape == (4096, 4000, 3)


def test_pictures_side_by_side_are_within_the_limit():
    sheet = side_by_side([picture(2000, 4000, 10), picture(2000, 4000, 20)])
    assert (
        sheet.shape[1] <= 4096
        and (sheet[200:600, 100:1900] == 10).all()
        and (sheet[200:600, 2200:4000] == 20).all()
    )
    sheet = side_by_side([picture(5000, 100, 10), picture(100, 100, 20)], ["a", "b"])
    assert max(sheet.shape) <= 4096
