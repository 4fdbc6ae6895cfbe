"""Masks against pycocotools, known values and arithmetic."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_api

from src.data.images import masks
from src.errors import DataError


def iou(first, second):
    union = (first | second).sum()
    return (first & second).sum() / union if union else 1.0


def sampled_target(frame, box, roi, size=28):
    """The mask target a network cuts out of a box-frame mask for a RoI: bilinear at cell centres, 0 outside the box, half is set."""
    cells = (np.arange(size) + 0.5) / size
    picked, inside = [], []
    for axis in (1, 0):
        low, high = roi[axis], roi[axis + 2]
        position = (low + cells * (high - low) - box[axis]) / (box[axis + 2] - box[axis]) * len(frame) - 0.5
        inside.append((position >= -0.5) & (position <= len(frame) - 0.5))
        position = np.clip(position, 0, len(frame) - 1)
        weights = np.maximum(1 - np.abs(position[:, None] - np.arange(len(frame))), 0)
        picked.append(weights)
    return (
        (picked[0] @ frame.astype(np.float64) @ picked[1].T >= 127.5) & inside[0][:, None] & inside[1][None]
    )


def real_objects(shared, split="val2017"):
    content = json.loads((shared / f"data/coco/annotations/instances_{split}.json").read_text())
    images = {image["id"]: image for image in content["images"]}
    for annotation in content["annotations"]:
        image = images[annotation["image_id"]]
        x, y, w, h = annotation["bbox"]
        yield annotation, image["height"], image["width"], np.array([x, y, x + w, y + h])


def test_every_kind_of_segmentation_equals_pycocotools_on_real_annotations(shared):
    kinds = set()
    for split in ("train2017", "val2017"):
        for annotation, height, width, _ in real_objects(shared, split):
            segmentation = annotation["segmentation"]
            encoded = mask_api.frPyObjects(segmentation, height, width)
            expected = mask_api.decode(mask_api.merge(encoded) if isinstance(encoded, list) else encoded)
            kinds.add((type(segmentation).__name__, annotation["iscrowd"]))
            assert np.array_equal(masks.segmentation_to_mask(segmentation, height, width), expected)
            compressed = {"size": [height, width], "counts": mask_api.encode(expected)["counts"]}
            assert np.array_equal(masks.rle_to_mask(compressed), expected)
            assert masks.mask_to_rle(expected)["counts"].encode() == compressed["counts"]
    assert kinds == {("list", 0), ("dict", 1)}


def test_box_frame_masks_give_the_targets_that_the_exact_masks_give(shared):
    """RoIs shaken by up to 10% of their size, as proposals are: targets from 112x112 and from the exact full-size mask agree."""
    rng = np.random.default_rng(0)
    agreement = {"polygons": [], "rle": [], "cropped rle": []}
    for annotation, height, width, box in real_objects(shared):
        if annotation["iscrowd"]:
            continue
        exact = masks.segmentation_to_mask(annotation["segmentation"], height, width)
        sides = np.tile(box[2:] - box[:2], 2)
        roi = np.clip(box + rng.uniform(-0.1, 0.1, 4) * sides, 0, [width, height, width, height])
        expected = masks.cut_mask(exact, roi, 28) >= 0.5
        rle = masks.mask_to_rle(exact)
        for kind, segmentation in (
            ("polygons", annotation["segmentation"]),
            ("rle", rle),
            ("cropped rle", masks.crop_rle(rle, box)),
        ):
            frame = masks.box_mask(segmentation, box, height, width, 112)
            assert frame.shape == (112, 112) and frame.dtype == np.uint8
            agreement[kind].append(iou(sampled_target(frame, box, roi), expected))
    assert len(agreement["polygons"]) == 552
    for kind, values in agreement.items():
        assert np.mean(values) >= 0.985, kind
    assert agreement["rle"] == agreement["cropped rle"]


def test_exact_masks_cut_to_28_and_pasted_back_keep_their_iou(shared):
    """known_values.md: mean IoU over 0.94."""
    values = []
    for annotation, height, width, box in real_objects(shared):
        exact = masks.segmentation_to_mask(annotation["segmentation"], height, width)
        pasted = masks.paste_mask(masks.cut_mask(exact, box, 28), box, height, width)
        values.append(iou(pasted, exact))
    assert np.mean(values) > 0.94


def test_box_mask_of_half_a_box_is_exactly_half():
    """A rectangle over the left half of its box covers the left half of the cells, at any size and place."""
    for box in ((10, 20, 74, 52), (3, 5, 1003, 805), (0, 0, 8, 8)):
        x1, y1, x2, y2 = box
        middle = (x1 + x2) / 2
        frame = masks.box_mask([[x1, y1, middle, y1, middle, y2, x1, y2]], box, 1000, 1200, 32)
        # the edge between set and not set lies on the pixel edge, however coarse the pixels are
        assert (frame[2:-2, :15] >= 128).all() and (frame[:, 17:] < 128).all()


def test_box_mask_is_bounded_for_huge_and_tiny_objects():
    huge = masks.box_mask([[0, 0, 20000, 0, 20000, 15000, 0, 15000]], (0, 0, 20000, 15000), 15000, 20000, 112)
    assert huge.mean() > 250
    tiny = masks.box_mask(
        [[10.1, 10.1, 10.4, 10.1, 10.4, 10.4, 10.1, 10.4]], (10.1, 10.1, 10.4, 10.4), 100, 100, 112
    )
    assert tiny.mean() > 200


def test_overlapping_polygons_are_a_union():
    polygon = [2.0, 2.0, 8.0, 2.0, 8.0, 8.0, 2.0, 8.0]
    once = masks.segmentation_to_mask([polygon], 10, 10)
    assert once.sum() == 36
    assert np.array_equal(masks.segmentation_to_mask([polygon, polygon], 10, 10), once)
    assert np.array_equal(
        masks.box_mask([polygon, polygon], (2, 2, 8, 8), 10, 10, 28),
        masks.box_mask([polygon], (2, 2, 8, 8), 10, 10, 28),
    )


def test_uncompressed_rle_known_pixels():
    """10 rows, 5 columns, column by column: 20 pixels set are the first two columns."""
    mask = masks.rle_to_mask({"size": [10, 5], "counts": [0, 20, 30]})
    assert np.array_equal(mask, np.repeat([[1, 1, 0, 0, 0]], 10, 0))


@pytest.mark.parametrize(
    "rle",
    [
        {"size": [10, 5], "counts": [0, 20, 31]},
        {"size": [10, 5], "counts": [0, 20]},
        {"size": [10, 5], "counts": [-1, 51]},
        {"size": [10, 5], "counts": "oooo"},
        {"size": [10, 5], "counts": "\u00e9"},
        {"size": [10, 5], "counts": ""},
        {"size": [10, 5]},
        {"size": "ab", "counts": [50]},
        {"size": [0, 0], "counts": []},
        {"size": [10, 5], "counts": [[1], [2]]},
        {"size": [10, 5], "counts": None},
        {"size": [10, 5], "counts": [0.5, 49.5]},
        {"size": [float("nan"), 5], "counts": [50]},
        {"size": [10, 5], "counts": [10**30]},
        {"counts": [50]},
        {"size": [10, 5], "counts": b"\x00\xff"},
    ],
)
def test_corrupt_rle_is_a_data_error(rle):
    with pytest.raises(DataError):
        masks.rle_to_mask(rle)


@settings(max_examples=200, deadline=None)
@given(
    st.text(alphabet=[chr(code) for code in range(48, 112)], max_size=12),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_any_counts_text_decodes_as_pycocotools_does_or_is_refused(counts, height, width):
    rle = {"size": [height, width], "counts": counts}
    try:
        mask = masks.rle_to_mask(rle)
    except DataError:
        return
    assert np.array_equal(mask, mask_api.decode({"size": [height, width], "counts": counts.encode()}))


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_rle_there_and_back_and_flips(height, width, seed):
    mask = (np.random.default_rng(seed).random((height, width)) < 0.4).astype(np.uint8)
    assert np.array_equal(masks.rle_to_mask(masks.mask_to_rle(mask)), mask)
    assert np.array_equal(masks.flip_mask(masks.flip_mask(mask)), mask)
    assert np.array_equal(masks.flip_mask(mask), np.fliplr(mask))


@settings(max_examples=100, deadline=None)
@given(
    st.tuples(st.integers(0, 150), st.integers(0, 100)),
    st.tuples(st.integers(20, 100), st.integers(20, 100)),
    st.floats(0.6, 1),
)
def test_cutting_and_pasting_an_ellipse(corner, sides, fill):
    """A smooth shape of 20 pixels or more survives being cut to 28x28 and pasted back."""
    height, width = 210, 260
    x1, y1 = corner
    box = np.array([x1, y1, x1 + sides[0], y1 + sides[1]], np.float64)
    rows, columns = np.mgrid[:height, :width] + 0.5
    center, radius = (box[:2] + box[2:]) / 2, np.array(sides) / 2 * fill
    mask = (((columns - center[0]) / radius[0]) ** 2 + ((rows - center[1]) / radius[1]) ** 2 <= 1).astype(
        np.uint8
    )
    if mask.sum() >= 100:
        assert iou(masks.paste_mask(masks.cut_mask(mask, box, 28), box, height, width), mask) > 0.9


def test_paste_known_values():
    """A full mask fills its box exactly; half-pixel-correct: pixels are set by their centres."""
    full = np.ones((28, 28), np.float32)
    pasted = masks.paste_mask(full, (3, 2, 9, 7), 12, 12)
    expected = np.zeros((12, 12), np.uint8)
    expected[2:7, 3:9] = 1
    assert np.array_equal(pasted, expected) and pasted.dtype == np.uint8
    assert np.array_equal(
        masks.paste_mask(full, (2.6, 2, 8.4, 7), 12, 12)[3], [0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0]
    )
    # outside the picture, empty or inverted boxes
    assert masks.paste_mask(full, (-20, -20, -5, -5), 12, 12).sum() == 0
    assert masks.paste_mask(full, (5, 5, 5, 9), 12, 12).sum() == 0
    assert masks.paste_mask(full, (-50, -50, 50, 50), 12, 12).sum() == 144
    # the threshold itself counts as set: .5 lies inside the box, where two halves meet
    half = np.concatenate([np.zeros((28, 14), np.float32), np.ones((28, 14), np.float32)], 1)
    assert np.array_equal(masks.paste_mask(half, (0, 0, 8, 8), 8, 8)[0], [0, 0, 0, 0, 1, 1, 1, 1])


def test_paste_equals_a_plain_loop_over_every_pixel():
    rng = np.random.default_rng(3)
    for _ in range(20):
        prob = rng.random((28, 28)).astype(np.float32)
        x1, y1 = rng.uniform(-10, 30, 2)
        x2, y2 = x1 + rng.uniform(1, 60), y1 + rng.uniform(1, 60)
        padded = np.pad(prob.astype(np.float64), 1)
        value = np.zeros((40, 50))
        for row in range(40):
            for column in range(50):
                v, u = (row + 0.5 - y1) / (y2 - y1) * 28 + 0.5, (column + 0.5 - x1) / (x2 - x1) * 28 + 0.5
                if 0 <= u < 29 and 0 <= v < 29:
                    i, j, b, a = int(v), int(u), v % 1, u % 1
                    value[row, column] = (1 - b) * ((1 - a) * padded[i, j] + a * padded[i, j + 1]) + b * (
                        (1 - a) * padded[i + 1, j] + a * padded[i + 1, j + 1]
                    )
        for threshold in (0.2, 0.5):
            sure = np.abs(value - threshold) > 1e-4
            assert np.array_equal(
                masks.paste_mask(prob, (x1, y1, x2, y2), 40, 50, threshold)[sure], (value >= threshold)[sure]
            )


def test_segmentation_box():
    assert masks.segmentation_box([[1, 2, 5, 2, 5, 9], [0, 3, 1, 3, 1, 4]]) == (0, 2, 5, 9)
    mask = np.zeros((9, 12), np.uint8)
    mask[2:5, 3:11] = 1
    assert masks.segmentation_box(masks.mask_to_rle(mask)) == (3, 2, 11, 5)
    assert masks.segmentation_box(masks.mask_to_rle(np.zeros((4, 4)))) is None
