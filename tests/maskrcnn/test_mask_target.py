"""The mask head's targets: against a plain loop, and on real objects against targets cut from the whole picture's mask."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.config import load_config
from src.data.images.box_masks import box_mask
from src.data.pipeline.examples import batch_layout
from src.maskrcnn.mask_target import mask_targets
from tests.maskrcnn import twins

SIZE, ROWS = 28, 64


@ms.jit
def targets_graph(rois, truth, masks, picture):
    return mask_targets(rois, truth, masks, picture, SIZE)


def run(rois, truth, masks, picture):
    """Targets [R, 28, 28] of any number of RoIs, ROWS at a time so that one graph serves all."""
    count = len(rois)
    out = []
    for start in range(0, count, ROWS):
        part = [np.zeros((ROWS, *array.shape[1:]), array.dtype) for array in (rois, truth, picture)]
        for whole, array in zip(part, (rois, truth, picture)):
            whole[: len(array[start : start + ROWS])] = array[start : start + ROWS]
        out.append(targets_graph(Tensor(part[0]), Tensor(part[1]), Tensor(masks), Tensor(part[2])).asnumpy())
    return np.concatenate(out)[:count]


def target_twin(roi, box, mask):
    """(value in 0..255 or 0 outside the box, clear bool) [28, 28] at the cells' centres; clear is 'no rounding decides it'."""
    side = len(mask)
    value, clear = np.zeros((SIZE, SIZE)), np.ones((SIZE, SIZE), bool)
    for i in range(SIZE):
        for j in range(SIZE):
            x, y = (
                roi[0] + (roi[2] - roi[0]) * (j + 0.5) / SIZE,
                roi[1] + (roi[3] - roi[1]) * (i + 0.5) / SIZE,
            )
            u, v = (x - box[0]) / (box[2] - box[0]) * side, (y - box[1]) / (box[3] - box[1]) * side
            clear[i, j] = min(abs(u), abs(u - side), abs(v), abs(v - side)) > 1e-3
            if 0 <= u <= side and 0 <= v <= side:
                value[i, j] = twins.interpolate(
                    mask, np.clip(v - 0.5, 0, side - 1), np.clip(u - 0.5, 0, side - 1)
                )
    return value, clear


def test_against_a_plain_loop(rng):
    masks = (rng.uniform(size=(5, 12, 12)) * 255).astype(np.uint8).repeat(2, 1).repeat(2, 2)
    boxes = twins.random_boxes(rng, 5, low=10)
    picture = rng.integers(0, 5, 24).astype(np.int32)
    sides = boxes[picture, 2:] - boxes[picture, :2]
    rois = (boxes[picture] + rng.uniform(-0.3, 0.3, (24, 4)) * np.tile(sides, 2)).astype(np.float32)
    rois[0], rois[1], rois[2] = boxes[picture[0]], boxes[picture[1]] + 500, [0, 0, 200, 150]
    got = run(rois, boxes[picture], masks, picture)
    assert set(np.unique(got)) == {0, 1} and not got[1].any()
    for k in range(24):
        value, clear = target_twin(
            rois[k].astype(np.float64),
            boxes[picture[k]].astype(np.float64),
            masks[picture[k]].astype(np.float64),
        )
        clear &= np.abs(value - 127.5) > 0.1
        assert clear.mean() > 0.9
        np.testing.assert_array_equal(got[k][clear], (value >= 127.5)[clear], err_msg=str(k))


def test_a_full_mask_fills_its_box_and_nothing_else():
    box, roi = np.array([[10, 10, 38, 38]], np.float32), np.array([[10, 10, 66, 38]], np.float32)
    got = run(roi, box, np.full((1, 28, 28), 255, np.uint8), np.zeros(1, np.int32))[0]
    np.testing.assert_array_equal(got, np.tile(np.arange(SIZE) < 14, (SIZE, 1)))


def test_padding_is_harmless():
    assert not run(
        np.zeros((2, 4), np.float32),
        np.zeros((2, 4), np.float32),
        np.zeros((3, 28, 28), np.uint8),
        np.zeros(2, np.int32),
    ).any()


def sampling(low, high, length):
    """float64 [28, length]: what each cell of a side reads of a mask's pixels: RoIAlign's samples, at least one a pixel, averaged."""
    samples = max(1, int(np.ceil((high - low) / SIZE)))
    position = low + (high - low) * (np.arange(SIZE * samples) + 0.5) / (SIZE * samples) - 0.5
    position = np.where((position < -1) | (position > length), np.inf, np.clip(position, 0, length - 1))
    return (
        np.maximum(1 - np.abs(position[:, None] - np.arange(length)), 0)
        .reshape(SIZE, samples, length)
        .mean(1)
    )


def exact_target(mask, roi):
    """bool [28, 28] cut from a picture's whole mask [H, W], as detectron2 does it: aligned RoIAlign, at least half."""
    down, across = sampling(roi[1], roi[3], mask.shape[0]), sampling(roi[0], roi[2], mask.shape[1])
    return down @ mask @ across.T >= 0.5


def test_real_objects_against_targets_cut_from_the_whole_mask(shared):
    """The 90 pictures' objects, a RoI each whose sides are off by up to a tenth; the masks travel at the default size."""
    from pycocotools.coco import COCO

    coco = COCO(str(shared / "data/coco/annotations/instances_train2017.json"))
    side, rng, overlaps, pictures = load_config().gt_mask_size, np.random.default_rng(0), [], 0
    for image in coco.loadImgs(sorted(coco.getImgIds())):
        objects = [
            a for a in coco.loadAnns(coco.getAnnIds(image["id"], iscrowd=False)) if min(a["bbox"][2:]) > 0
        ]
        pictures += 1
        if not objects:
            continue
        boxes = np.array([a["bbox"] for a in objects])
        boxes[:, 2:] += boxes[:, :2]
        rois = boxes + rng.uniform(-0.1, 0.1, boxes.shape) * np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        height, width = image["height"], image["width"]
        rois = twins.clip(rois, height, width)
        masks = np.zeros((ROWS, side, side), np.uint8)
        for start in range(0, len(objects), ROWS):
            part = slice(start, start + ROWS)
            for k, item in enumerate(objects[part]):
                masks[k] = box_mask(item["segmentation"], boxes[start + k], height, width, side)
            picture = np.arange(len(objects[part]), dtype=np.int32)
            got = run(rois[part].astype(np.float32), boxes[part].astype(np.float32), masks, picture)
            for k, item in enumerate(objects[part]):
                want = exact_target(coco.annToMask(item), rois[start + k])
                union = (want | (got[k] > 0)).sum()
                if union:
                    overlaps.append((want & (got[k] > 0)).sum() / union)
    assert pictures == 90 and len(overlaps) > 780
    print(
        f"{len(overlaps)} objects: mean IoU {np.mean(overlaps):.4f}, 5th percentile {np.percentile(overlaps, 5):.4f}"
    )
    assert np.mean(overlaps) >= 0.97 and np.percentile(overlaps, 5) >= 0.85


def test_masks_of_a_picture_are_at_most_3_megabytes():
    layout = batch_layout(load_config(), 1)
    assert np.prod(layout["gt_masks"][1]) * layout["gt_masks"][0].itemsize <= 3e6


@pytest.mark.parametrize("side", [28, 56])
def test_other_mask_sizes(rng, side):
    """A disc, whose targets follow from its formula."""
    cells = (np.mgrid[0:side, 0:side] + 0.5) / side * 2 - 1
    mask = (255 * (cells[0] ** 2 + cells[1] ** 2 <= 1)).astype(np.uint8)
    box, roi = np.array([[20, 30, 120, 90]], np.float32), np.array([[10, 24, 105, 92]], np.float32)
    got = run(roi, box, mask[None], np.zeros(1, np.int32))[0]
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    u = (10 + 95 * x / SIZE - 70) / 50
    v = (24 + 68 * y / SIZE - 60) / 30
    want = u**2 + v**2 <= 1
    assert (want & (got > 0)).sum() / (want | (got > 0)).sum() > 0.96
