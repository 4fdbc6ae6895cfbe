"""Merging what was found in several views: drawn masks, cut as tiles cut them, have to come out whole."""

import numpy as np
import pytest

from src.data.images.box_masks import box_mask_of_mask, paste_mask
from src.data.images.placement import Window
from src.engine.inference.merging import MergeSettings, merge_views
from src.engine.inference.views import View

HEIGHT = 120
WIDTH = 240
SIZE = (HEIGHT, WIDTH)
WHOLE = View(Window(0, 0, HEIGHT, WIDTH))
LEFT = View(Window(0, 0, HEIGHT, 140))
RIGHT = View(Window(0, 100, HEIGHT, 140))
SETTINGS = MergeSettings(iou_threshold=0.5, mask_threshold=0.5, max_detections=None)


def ellipse(x, y, radius_x, radius_y):
    """bool [H, W]."""
    yy, xx = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    return ((xx - x) / radius_x) ** 2 + ((yy - y) / radius_y) ** 2 <= 1


def seen(view, *objects):
    """What a perfect network finds in a view of (mask, score, label) objects."""
    boxes = []
    masks = []
    kept = []
    window = view.window
    for mask, score, label in objects:
        shown = np.zeros_like(mask)
        rows = slice(window.top, window.top + window.height)
        columns = slice(window.left, window.left + window.width)
        shown[rows, columns] = mask[rows, columns]
        if not shown.any():
            continue
        ys, xs = np.nonzero(shown)
        box = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        boxes.append(box)
        masks.append(box_mask_of_mask(shown.astype(np.uint8), box, 28) / np.float32(255))
        kept.append((score, label))
    return {
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "scores": np.array([score for score, _ in kept], np.float32),
        "labels": np.array([label for _, label in kept], np.int32),
        "masks": np.array(masks, np.float32).reshape(-1, 28, 28),
    }


def merge(*pairs, settings=SETTINGS):
    return merge_views([found for _, found in pairs], [view for view, _ in pairs], SIZE, settings)


def mask_iou(detections, i, expected):
    mask = paste_mask(detections["masks"][i], detections["boxes"][i], HEIGHT, WIDTH).astype(bool)
    return (mask & expected).sum() / (mask | expected).sum()


def test_an_object_over_a_border_is_one_again():
    """Found in both tiles, cut by each; the whole picture does not show it."""
    disc = ellipse(120, 60, 50, 40)
    merged = merge(
        (WHOLE, seen(WHOLE)), (LEFT, seen(LEFT, (disc, 0.8, 1))), (RIGHT, seen(RIGHT, (disc, 0.9, 1)))
    )
    assert merged["scores"].tolist() == pytest.approx([0.9]) and merged["labels"].tolist() == [1]
    np.testing.assert_allclose(merged["boxes"], [[70, 20, 170, 100]])
    assert mask_iou(merged, 0, disc) > 0.95


def test_an_object_much_longer_than_the_overlap():
    """The two parts share 40 of 220 columns: less than half of either."""
    bar = ellipse(120, 60, 110, 20)
    merged = merge((LEFT, seen(LEFT, (bar, 0.8, 2))), (RIGHT, seen(RIGHT, (bar, 0.7, 2))))
    assert len(merged["scores"]) == 1 and mask_iou(merged, 0, bar) > 0.95
    assert len(merged["masks"][0]) > 28  # its cells are as fine as those of the parts


def test_what_the_whole_picture_shows_takes_the_parts_in():
    disc = ellipse(120, 60, 50, 40)
    for score in (0.3, 0.99):
        merged = merge(
            (WHOLE, seen(WHOLE, (disc, score, 1))),
            (LEFT, seen(LEFT, (disc, 0.8, 1))),
            (RIGHT, seen(RIGHT, (disc, 0.9, 1))),
        )
        assert merged["scores"].tolist() == pytest.approx([max(score, 0.9)])
        np.testing.assert_allclose(merged["boxes"], [[70, 20, 170, 100]])
        assert mask_iou(merged, 0, disc) > 0.95


def test_neighbours_and_classes_stay_apart():
    """Two objects that touch at the border, one of another class over the first, and one far away."""
    first = ellipse(95, 60, 25, 40)
    second = ellipse(145, 60, 25, 40)
    far = ellipse(20, 20, 12, 12)
    objects = ((first, 0.9, 1), (second, 0.8, 1), (first, 0.7, 2), (far, 0.6, 1))
    merged = merge(*((view, seen(view, *objects)) for view in (WHOLE, LEFT, RIGHT)))
    assert merged["labels"].tolist() == [1, 1, 2, 1]
    for i, (mask, score, _) in enumerate(objects):
        assert merged["scores"][i] == pytest.approx(score) and mask_iou(merged, i, mask) > 0.9


def test_a_poor_detection_over_two_objects_does_not_join_them():
    """The whole picture shows two discs, and with a low score both as one."""
    first = ellipse(60, 60, 30, 40)
    second = ellipse(130, 60, 30, 40)
    objects = ((first, 0.9, 1), (second, 0.8, 1), (first | second, 0.2, 1))
    merged = merge(
        (WHOLE, seen(WHOLE, *objects)), (LEFT, seen(LEFT, *objects[:2])), (RIGHT, seen(RIGHT, *objects[:2]))
    )
    assert merged["scores"].tolist() == pytest.approx([0.9, 0.8, 0.2])
    assert mask_iou(merged, 0, first) > 0.9 and mask_iou(merged, 1, second) > 0.9


def test_a_mirrored_view_gives_the_mean_of_the_masks():
    """0.9 and 0.3 with scores 0.6 and 0.2: (0.6 * 0.9 + 0.2 * 0.3) / 0.8 = 0.75."""
    box = np.array([[40, 30, 96, 86]], np.float32)

    def found(score, probability):
        return {
            "boxes": box,
            "scores": np.array([score], np.float32),
            "labels": np.array([1], np.int32),
            "masks": np.full((1, 28, 28), probability, np.float32),
        }

    merged = merge((WHOLE, found(0.6, 0.9)), (WHOLE._replace(flip=True), found(0.2, 0.3)))
    assert merged["scores"].tolist() == pytest.approx([0.6]) and merged["boxes"].tolist() == box.tolist()
    np.testing.assert_allclose(merged["masks"][0], 0.75, atol=1e-6)
    # Below the IoU of duplicates (here 28 of 84 columns are shared, 1/3) both stay.
    moved = found(0.2, 0.3)
    moved["boxes"] = box + np.array([28, 0, 28, 0], np.float32)
    assert len(merge((WHOLE, found(0.6, 0.9)), (WHOLE._replace(flip=True), moved))["scores"]) == 2


def test_the_best_are_kept_and_nothing_is_fine():
    objects = [(ellipse(20 + 40 * i, 60, 15, 15), 0.9 - 0.1 * i, 1) for i in range(5)]
    two = MergeSettings(0.5, 0.5, max_detections=2)
    pairs = [(view, seen(view, *objects)) for view in (WHOLE, WHOLE._replace(flip=True))]
    assert merge(*pairs, settings=two)["scores"].tolist() == pytest.approx([0.9, 0.8])
    empty = merge((WHOLE, seen(WHOLE)), (LEFT, seen(LEFT)))
    assert empty["boxes"].shape == (0, 4) and empty["masks"] == []


def test_what_an_enlarged_part_cuts_is_left_out():
    """Half a disc may be taken for another class. The same in a tile stays: nothing else may show it."""
    disc = ellipse(120, 60, 50, 40)
    small = ellipse(40, 60, 20, 20)
    whole = (WHOLE, seen(WHOLE, (disc, 0.8, 1)))
    in_part = seen(LEFT, (disc, 0.9, 2), (small, 0.7, 3))
    merged = merge(whole, (LEFT._replace(whole_only=True), in_part))
    assert merged["labels"].tolist() == [1, 3]
    assert merged["scores"].tolist() == pytest.approx([0.8, 0.7])
    assert merge(whole, (LEFT, in_part))["labels"].tolist() == [2, 1, 3]
