"""The drawn data set: every property of its docstring, measured on what is written or from the outlines."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from src.data.shapes.drawn_data import OBJECT_COUNTS, draw_shapes, picture_kinds
from src.data.shapes.drawn_object import SHAPE_CLASSES
from src.data.shapes.paint import paint_scene
from src.data.shapes.picture import draw_picture
from src.data.shapes.scene import place_objects
from src.errors import DataError
from tests.conftest import ROOT

SIZE = (256, 256)
SEED = 5
COUNTS = (150, 40)
SPLITS = ("train2017", "val2017")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return draw_shapes(tmp_path_factory.mktemp("drawn") / "shapes", *COUNTS, SIZE, SEED)


@pytest.fixture(scope="module")
def scenes():
    """The DrawnPictures of each split, drawn again: [[DrawnPicture, ...], ...]."""
    return [
        [
            draw_picture(SIZE, kind, (SEED, split, number), OBJECT_COUNTS[split])
            for number, kind in enumerate(picture_kinds(count, (SEED, split)))
        ]
        for split, count in enumerate(COUNTS)
    ]


@pytest.fixture(scope="module")
def full_masks(scenes):
    """Each object's own pixels, as if nothing lay over it: bool [objects, H, W] of each picture of each
    split.
    """
    return [
        [
            np.array([np.any([covered(outline) for outline in item.outlines], axis=0) for item in objects])
            for _, objects in pictures
        ]
        for pictures in scenes
    ]


def load(folder, split):
    """The content of a split's annotation file."""
    return json.loads((folder / "annotations" / f"instances_{split}.json").read_text())


def covered(outline, size=SIZE):
    """Rasterised apart from the code under test: pixel centres inside of the outline, by crossing counts."""
    left, top = outline.min(0).astype(int)
    right, bottom = outline.max(0).astype(int) + 1
    rows, columns = np.mgrid[top:bottom, left:right] + 0.5
    inside = np.zeros(rows.shape, bool)
    for (x1, y1), (x2, y2) in zip(outline, np.roll(outline, -1, 0)):
        if y1 != y2:
            inside ^= ((rows < y1) != (rows < y2)) & (columns < (x2 - x1) * (rows - y1) / (y2 - y1) + x1)
    return np.pad(inside, ((top, size[1] - bottom), (left, size[0] - right)))


def test_layout_and_pictures(folder):
    for split, count in zip(SPLITS, COUNTS):
        content = load(folder, split)
        assert len(content["images"]) == count == len(os.listdir(folder / split))
        for image in content["images"]:
            picture = cv2.imread(str(folder / split / image["file_name"]))
            assert picture.shape == (image["height"], image["width"], 3) == (SIZE[1], SIZE[0], 3)
        assert [item["name"] for item in content["categories"]] == list(SHAPE_CLASSES)
        assert len(SHAPE_CLASSES) >= 3
        assert len({item["id"] for item in content["annotations"]}) == len(content["annotations"])
        assert set(Counter(item["category_id"] for item in content["annotations"])) == {1, 2, 3, 4}
    ids = [image["id"] for split in SPLITS for image in load(folder, split)["images"]]
    assert len(set(ids)) == len(ids)


def test_no_picture_is_in_both_splits_or_twice(folder):
    digests = [
        hashlib.sha256(path.read_bytes()).hexdigest()
        for split in SPLITS
        for path in (folder / split).iterdir()
    ]
    assert len(set(digests)) == sum(COUNTS)


def test_pictures_without_objects_and_with_crowds(folder):
    for split, count in zip(SPLITS, COUNTS):
        content = load(folder, split)
        used = {item["image_id"] for item in content["annotations"]}
        assert 1 <= count - len(used) <= 0.1 * count
        crowds = [item for item in content["annotations"] if item["iscrowd"]]
        assert 0.05 * count <= len({item["image_id"] for item in crowds}) <= 0.2 * count
        for item in crowds:
            assert isinstance(item["segmentation"]["counts"], list)
            assert sum(item["segmentation"]["counts"]) == SIZE[0] * SIZE[1]
        assert all(
            isinstance(item["segmentation"], list) for item in content["annotations"] if not item["iscrowd"]
        )


def test_sizes_of_objects(folder):
    sides = [
        max(item["bbox"][2:]) / min(SIZE)
        for split in SPLITS
        for item in load(folder, split)["annotations"]
        if not item["iscrowd"]
    ]
    assert min(sides) >= 0.08 and max(sides) <= 0.60
    assert min(sides) < 0.10 and max(sides) > 0.50 and 0.1 < np.median(sides) < 0.3


def test_a_fifth_of_the_pictures_hide_a_quarter_of_an_object(scenes, full_masks):
    """Areas from the outlines alone: an object's own pixels, and those that one later object covers."""
    for pictures, masks in zip(scenes, full_masks):
        hiding = 0
        for (_, objects), full in zip(pictures, masks):
            hiding += any(
                (below & above).sum() >= 0.25 * below.sum()
                for i, below in enumerate(full)
                if not objects[i].crowd
                for above in full[i + 1 :]
            )
        assert hiding >= 0.2 * len(pictures)


def test_annotations_are_the_visible_masks(folder, scenes, full_masks):
    """Boxes, areas and polygons, read by pycocotools, against outlines rasterised one over the other."""
    for split, pictures, masks in zip(SPLITS, scenes, full_masks):
        api = COCO(str(folder / "annotations" / f"instances_{split}.json"))
        for image_id, (_, objects), full in zip(sorted(api.imgs), pictures, masks):
            annotations = api.imgToAnns[image_id]
            assert len(annotations) == len(objects)
            for i, (item, drawn) in enumerate(zip(annotations, objects)):
                assert SHAPE_CLASSES[item["category_id"] - 1] == drawn.shape
                visible = full[i] & ~np.any([np.zeros_like(full[i]), *full[i + 1 :]], axis=0)
                written = api.annToMask(item).astype(bool)
                assert (written & drawn.visible).sum() > 0.95 * (written | drawn.visible).sum()
                # the two ways of rasterising treat half-covered pixels differently
                assert (written & visible).sum() > 0.85 * (written | visible).sum()
                assert item["area"] == drawn.visible.sum()
                rows, columns = np.nonzero(drawn.visible)
                assert item["bbox"] == [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]


def test_shapes_are_what_they_are_called(scenes):
    """Area over the smallest enclosing circle's: 1 for a circle.

    At most 2/pi for a rectangle, 0.413 for a triangle; 0.39 for the star.
    """
    bounds = {"circle": (0.97, 1.0), "rectangle": (0.45, 0.64), "triangle": (0.2, 0.42), "star": (0.36, 0.42)}
    directions = {name: set() for name in SHAPE_CLASSES}
    for _, objects in scenes[0]:
        for item in objects:
            for outline in item.outlines:
                area = cv2.contourArea(outline.astype(np.float32))
                _, radius = cv2.minEnclosingCircle(outline.astype(np.float32))
                low, high = bounds[item.shape]
                assert low <= area / (np.pi * radius**2) <= high
                # the direction from the centre to the first vertex, in steps of 30 degrees
                x, y = outline[0] - outline.mean(0)
                directions[item.shape].add(round(float(np.degrees(np.arctan2(y, x))) // 30))
    assert all(len(steps) == 12 for steps in directions.values())


def test_colour_and_texture_tell_nothing_of_the_class(scenes):
    """Chi-square of class against an object's hue, brightness and contrast.

    9, 9 and 6 degrees of freedom: 27.9, 22.5 at p = 0.001.
    """
    rows = []
    for picture, objects in (scene for split in scenes for scene in split):
        hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
        for item in objects:
            inner = cv2.erode(item.visible.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
            if inner.sum() >= 12:
                hue = np.median(hsv[:, :, 0][inner])
                value = hsv[:, :, 2][inner].astype(float)
                rows.append((SHAPE_CLASSES.index(item.shape), hue, value.mean(), value.std() / value.mean()))
    labels, *measures = np.array(rows).T
    assert len(labels) > 400
    for measure, bins, limit in zip(measures, (4, 4, 3), (27.9, 27.9, 22.5)):
        cells = np.digitize(measure, np.quantile(measure, np.arange(1, bins) / bins))
        table = np.array([[((labels == i) & (cells == j)).sum() for j in range(bins)] for i in range(4)])
        expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
        assert ((table - expected) ** 2 / expected).sum() < limit


def test_the_paint_is_drawn_from_a_stream_of_its_own():
    """Painting depends on the outlines and not on the class; placing has another generator."""
    objects = place_objects(np.random.default_rng(3), SIZE, "plain")
    first = paint_scene(np.random.default_rng(9), SIZE, objects)
    circles = [dataclasses.replace(item, shape="circle") for item in objects]
    second = paint_scene(np.random.default_rng(9), SIZE, circles)
    assert (first == second).all()


def test_kinds_never_undercut_their_shares():
    for count in (1, 2, 7, 50, 400):
        kinds = Counter(picture_kinds(count, (1, 0)))
        assert sum(kinds.values()) == count and kinds["occluded"] >= 0.22 * count
    assert picture_kinds(0, 1) == []


def files_with_times(folder):
    """{path: (time of its last change, content)} of every file."""
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()
    }


def test_same_settings_do_nothing_and_others_draw_anew(tmp_path):
    folder = draw_shapes(tmp_path / "shapes", 3, 2, (96, 64), 1)
    files = files_with_times(folder)
    assert len(files) == 3 + 2 + 2 + 1
    draw_shapes(folder, 3, 2, (96, 64), 1)
    assert files_with_times(folder) == files
    again = draw_shapes(tmp_path / "again", 3, 2, (96, 64), 1)
    for path, (_, content) in files.items():
        assert (again / path.relative_to(folder)).read_bytes() == content
    draw_shapes(folder, 4, 2, (96, 64), 2)
    assert len(os.listdir(folder / "train2017")) == 4
    assert load(folder, "train2017")["images"][0]["width"] == 96


def test_a_killed_drawing_is_done_again(tmp_path):
    whole = draw_shapes(tmp_path / "whole", 30, 4, (128, 128), 1)
    code = (
        "from src.data.shapes.drawn_data import draw_shapes; "
        f"draw_shapes({str(tmp_path / 'killed')!r}, 30, 4, (128, 128), 1)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    deadline = time.monotonic() + 30
    while len(list((tmp_path / "killed" / "train2017").glob("*.jpg"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert json.loads((tmp_path / "killed" / "shapes.json").read_text())["state"] == "drawing"
    killed = draw_shapes(tmp_path / "killed", 30, 4, (128, 128), 1)
    assert {path.relative_to(killed): path.read_bytes() for path in killed.rglob("*.*")} == {
        path.relative_to(whole): path.read_bytes() for path in whole.rglob("*.*")
    }


def test_other_peoples_data_is_left_alone(tmp_path):
    (tmp_path / "train2017").mkdir()
    (tmp_path / "train2017" / "mine.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match="did not draw"):
        draw_shapes(tmp_path, 1, 1)
    assert (tmp_path / "train2017" / "mine.jpg").read_bytes() == b"x"


@pytest.mark.parametrize("settings", [{"size": (32, 256)}, {"train_count": -1}, {"seed": -1}])
def test_impossible_settings(tmp_path, settings):
    with pytest.raises(DataError):
        draw_shapes(tmp_path / "shapes", **settings)
    assert not (tmp_path / "shapes").exists()


@pytest.mark.parametrize("size", [(64, 64), (320, 192), (100, 400)])
def test_other_sizes(size):
    for number, kind in enumerate(("plain", "occluded", "crowd", "empty") * 3):
        picture, objects = draw_picture(size, kind, (1, number))
        assert picture.shape == (size[1], size[0], 3) and picture.dtype == np.uint8
        assert (kind == "empty") == (not objects)
        assert (kind == "crowd") == any(item.crowd for item in objects)
        for item in objects:
            longer_side = max(np.ptp(np.nonzero(item.visible), axis=1) + 1)
            assert 0.08 <= longer_side / min(size) <= 0.6


def test_nothing_is_printed(tmp_path):
    code = (
        "from src.data.shapes.drawn_data import draw_shapes; "
        f"draw_shapes({str(tmp_path / 'quiet')!r}, 2, 1, (64, 64), 1)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout == b"" and done.stderr == b""
