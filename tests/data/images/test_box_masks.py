"""Masks in the frame of their box, against exact masks, known values and plain loops."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence, Tuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data.images.box_masks import box_mask, paste_mask, sample_mask
from src.data.images.crop import crop_rle
from src.data.images.rasterize import segmentation_to_mask
from src.data.images.rle import mask_to_rle
from tests.data.images.real_objects import real_objects


def iou(first: np.ndarray, second: np.ndarray) -> float:
    union = (first | second).sum()
    return (first & second).sum() / union if union else 1.0


def sampled_target(
    frame: np.ndarray, box: Sequence[float], roi: Sequence[float], size: int = 28
) -> np.ndarray:
    """The mask target for a RoI: a box-frame mask sampled bilinearly at cell centres, set from a half on."""
    cells = (np.arange(size) + 0.5) / size
    weights = []
    inside = []
    for axis in (1, 0):
        low = roi[axis]
        high = roi[axis + 2]
        position = (low + cells * (high - low) - box[axis]) / (box[axis + 2] - box[axis]) * len(frame) - 0.5
        inside.append((position >= -0.5) & (position <= len(frame) - 0.5))
        position = np.clip(position, 0, len(frame) - 1)
        weights.append(np.maximum(1 - np.abs(position[:, None] - np.arange(len(frame))), 0))
    coverage = weights[0] @ frame.astype(np.float64) @ weights[1].T
    return (coverage >= 127.5) & inside[0][:, None] & inside[1][None]


def test_box_frame_masks_give_the_targets_that_the_exact_masks_give(shared: Path) -> None:
    """RoIs moved by up to 10% of their size: targets from 112x112 and from the full-size mask agree."""
    rng = np.random.default_rng(0)
    agreement = {"polygons": [], "rle": [], "cropped rle": []}
    for annotation, height, width, box in real_objects(shared):
        if annotation["iscrowd"]:
            continue
        exact = segmentation_to_mask(annotation["segmentation"], height, width)
        sides = np.tile(box[2:] - box[:2], 2)
        roi = np.clip(box + rng.uniform(-0.1, 0.1, 4) * sides, 0, [width, height, width, height])
        expected = sample_mask(exact, roi, 28) >= 0.5
        rle = mask_to_rle(exact)
        for kind, segmentation in (
            ("polygons", annotation["segmentation"]),
            ("rle", rle),
            ("cropped rle", crop_rle(rle, box)),
        ):
            frame = box_mask(segmentation, box, height, width, 112)
            assert frame.shape == (112, 112) and frame.dtype == np.uint8
            agreement[kind].append(iou(sampled_target(frame, box, roi), expected))
    assert len(agreement["polygons"]) == 552
    for kind, values in agreement.items():
        assert np.mean(values) >= 0.985, kind
    assert agreement["rle"] == agreement["cropped rle"]


def test_exact_masks_sampled_at_28_and_pasted_back_keep_their_iou(shared: Path) -> None:
    """known_values.md: mean IoU over 0.94."""
    values = []
    for annotation, height, width, box in real_objects(shared):
        exact = segmentation_to_mask(annotation["segmentation"], height, width)
        pasted = paste_mask(sample_mask(exact, box, 28), box, height, width)
        values.append(iou(pasted, exact))
    assert np.mean(values) > 0.94


def test_box_mask_of_half_a_box_is_exactly_half() -> None:
    """A rectangle over the left half of its box covers the left half of the cells, whatever its size."""
    for box in ((10, 20, 74, 52), (3, 5, 1003, 805), (0, 0, 8, 8)):
        x1, y1, x2, y2 = box
        middle = (x1 + x2) / 2
        frame = box_mask([[x1, y1, middle, y1, middle, y2, x1, y2]], box, 1000, 1200, 32)
        # the edge between set and not set lies on the pixel edge, however coarse the pixels are
        assert (frame[2:-2, :15] >= 128).all() and (frame[:, 17:] < 128).all()


def test_box_mask_is_bounded_for_huge_and_tiny_objects() -> None:
    huge = box_mask([[0, 0, 20000, 0, 20000, 15000, 0, 15000]], (0, 0, 20000, 15000), 15000, 20000, 112)
    assert huge.mean() > 250
    tiny = box_mask(
        [[10.1, 10.1, 10.4, 10.1, 10.4, 10.4, 10.1, 10.4]], (10.1, 10.1, 10.4, 10.4), 100, 100, 112
    )
    assert tiny.mean() > 200


@settings(max_examples=100, deadline=None)
@given(
    st.tuples(st.integers(0, 150), st.integers(0, 100)),
    st.tuples(st.integers(20, 100), st.integers(20, 100)),
    st.floats(0.6, 1),
)
def test_sampling_and_pasting_an_ellipse(
    corner: Tuple[int, int], sides: Tuple[int, int], fill: float
) -> None:
    """A smooth shape of 20 pixels or more survives being sampled at 28x28 and pasted back."""
    height = 210
    width = 260
    x1, y1 = corner
    box = np.array([x1, y1, x1 + sides[0], y1 + sides[1]], np.float64)
    rows, columns = np.mgrid[:height, :width] + 0.5
    center = (box[:2] + box[2:]) / 2
    radius = np.array(sides) / 2 * fill
    distance = ((columns - center[0]) / radius[0]) ** 2 + ((rows - center[1]) / radius[1]) ** 2
    mask = (distance <= 1).astype(np.uint8)
    if mask.sum() >= 100:
        assert iou(paste_mask(sample_mask(mask, box, 28), box, height, width), mask) > 0.9


def test_paste_known_values() -> None:
    """A full mask fills its box exactly; half-pixel-correct: pixels are set by their centres."""
    full = np.ones((28, 28), np.float32)
    pasted = paste_mask(full, (3, 2, 9, 7), 12, 12)
    expected = np.zeros((12, 12), np.uint8)
    expected[2:7, 3:9] = 1
    assert np.array_equal(pasted, expected) and pasted.dtype == np.uint8
    assert np.array_equal(paste_mask(full, (2.6, 2, 8.4, 7), 12, 12)[3], [0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0])
    # outside the picture, empty or inverted boxes
    assert paste_mask(full, (-20, -20, -5, -5), 12, 12).sum() == 0
    assert paste_mask(full, (5, 5, 5, 9), 12, 12).sum() == 0
    assert paste_mask(full, (-50, -50, 50, 50), 12, 12).sum() == 144
    # the threshold itself counts as set: .5 lies inside the box, where two halves meet
    half = np.concatenate([np.zeros((28, 14), np.float32), np.ones((28, 14), np.float32)], 1)
    assert np.array_equal(paste_mask(half, (0, 0, 8, 8), 8, 8)[0], [0, 0, 0, 0, 1, 1, 1, 1])


def test_paste_equals_a_plain_loop_over_every_pixel() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        prob = rng.random((28, 28)).astype(np.float32)
        x1, y1 = rng.uniform(-10, 30, 2)
        x2 = x1 + rng.uniform(1, 60)
        y2 = y1 + rng.uniform(1, 60)
        padded = np.pad(prob.astype(np.float64), 1)
        value = np.zeros((40, 50))
        for row in range(40):
            for column in range(50):
                v = (row + 0.5 - y1) / (y2 - y1) * 28 + 0.5
                u = (column + 0.5 - x1) / (x2 - x1) * 28 + 0.5
                if 0 <= u < 29 and 0 <= v < 29:
                    i = int(v)
                    j = int(u)
                    upper = (1 - u % 1) * padded[i, j] + u % 1 * padded[i, j + 1]
                    lower = (1 - u % 1) * padded[i + 1, j] + u % 1 * padded[i + 1, j + 1]
                    value[row, column] = (1 - v % 1) * upper + v % 1 * lower
        for threshold in (0.2, 0.5):
            sure = np.abs(value - threshold) > 1e-4
            assert np.array_equal(
                paste_mask(prob, (x1, y1, x2, y2), 40, 50, threshold)[sure], (value >= threshold)[sure]
            )
