"""Augmented examples: boxes and masks against the pixels of objects that are known by their colour."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.data.pipeline.colored_pictures import colored_data, compare_with_pixels, examples


@pytest.mark.parametrize("rle", [False, True])
@pytest.mark.parametrize(
    "words",
    [
        ["crop_ratio=1", "crop_min_side=0.4"],
        ["large_scale_jitter=[0.4,2.0]"],
        ["multi_scale=[64,96]"],
        ["crop_ratio=0.7", "large_scale_jitter=[0.5,2.0]"],
    ],
)
def test_boxes_and_masks_of_cut_and_scaled_pictures_are_those_of_their_pixels(tmp_path, words, rle):
    root = colored_data(tmp_path / "data", rle)
    compared = sum(compare_with_pixels(example, 0.85) for example in examples(root, tmp_path, *words))
    assert compared > 20


def test_colors_alone_change_with_color_jitter(tmp_path):
    root = colored_data(tmp_path / "data")
    plain = list(examples(root, tmp_path, epochs=2))
    jittered = list(examples(root, tmp_path, "color_jitter=[0.4,0.4,0.4,0.1]", epochs=2))
    assert all(
        np.array_equal(a[name], b[name]) for a, b in zip(plain, jittered) for name in a if name != "image"
    )
    assert sum(not np.array_equal(a["image"], b["image"]) for a, b in zip(plain, jittered)) > 10


def test_pictures_look_the_same_in_opencv(tmp_path):
    """The colours that the other tests rely on: nothing blends where nothing is resized."""
    example = next(examples(colored_data(tmp_path / "data"), tmp_path, "flip_ratio=0"))
    picture = cv2.imread(str(tmp_path / f"data/train2017/{example['image_id']}.png"))[..., ::-1]
    assert np.array_equal(example["image"], picture)
