"""The mask head's targets: against a plain loop, and against targets cut from a picture's whole mask."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.config import load_config
from src.data.images.box_masks import box_mask
from src.data.pipeline.training_example import batch_layout
from src.data_settings import example_settings
from src.maskrcnn.ops.mask_targets import mask_targets
from tests.maskrcnn import twins

SIZE = 28
ROWS = 64  # of a compiled graph


@ms.jit
def targets_graph(rois, matched_gt_boxes, gt_masks, gt_index):
    return mask_targets(rois, matched_gt_boxes, gt_masks, gt_index, SIZE)


def run(rois, matched_gt_boxes, gt_masks, gt_index):
    """Targets [R, 28, 28] of any number of RoIs, ROWS at a time, so that one graph serves all."""
    out = []
    for start in range(0, len(rois), ROWS):
        padded = []
        for array in (rois, matched_gt_boxes, gt_index):
            part = array[start : start + ROWS]
            padded.append(np.concatenate([part, np.zeros((ROWS - len(part), *part.shape[1:]), part.dtype)]))
        roi_rows, box_rows, index_rows = (Tensor(array) for array in padded)
        out.append(targets_graph(roi_rows, box_rows, Tensor(gt_masks), index_rows).asnumpy())
    return np.concatenate(out)[: len(rois)]


def target_twin(roi, box, mask):
    """The mask's value [28, 28] at the cells' centres, and bool [28, 28]: rounding does not decide it.

    Values are 0 to 255, and 0 outside the box.
    """
    side = len(mask)
    value = np.zeros((SIZE, SIZE))
    clear = np.ones((SIZE, SIZE), bool)
    for i in range(SIZE):
        for j in range(SIZE):
            x = roi[0] + (roi[2] - roi[0]) * (j + 0.5) / SIZE
            y = roi[1] + (roi[3] - roi[1]) * (i + 0.5) / SIZE
            u = (x - box[0]) / (box[2] - box[0]) * side
            v = (y - box[1]) / (box[3] - box[1]) * side
            clear[i, j] = min(abs(u), abs(u - side), abs(v), abs(v - side)) > 1e-3
            if 0 <= u <= side and 0 <= v <= side:
                value[i, j] = twins.interpolate(
                    mask, np.clip(v - 0.5, 0, side - 1), np.clip(u - 0.5, 0, side - 1)
                )
    return value, clear


def test_against_a_plain_loop(rng):
    masks = (rng.uniform(size=(5, 12, 12)) * 255).astype(np.uint8).repeat(2, 1).repeat(2, 2)
    boxes = twins.random_boxes(rng, 5, low=10)
    gt_index = rng.integers(0, 5, 24).astype(np.int32)
    matched = boxes[gt_index]
    sides = matched[:, 2:] - matched[:, :2]
    rois = (matched + rng.uniform(-0.3, 0.3, (24, 4)) * np.tile(sides, 2)).astype(np.float32)
    rois[0] = matched[0]
    rois[1] = matched[1] + 500
    rois[2] = [0, 0, 200, 150]
    got = run(rois, matched, masks, gt_index)
    assert set(np.unique(got)) == {0, 1} and not got[1].any()
    for k in range(24):
        value, clear = target_twin(
            rois[k].astype(np.float64), matched[k].astype(np.float64), masks[gt_index[k]].astype(np.float64)
        )
        clear &= np.abs(value - 127.5) > 0.1
        assert clear.mean() > 0.9
        np.testing.assert_array_equal(got[k][clear], (value >= 127.5)[clear], err_msg=str(k))


def test_a_full_mask_fills_its_box_and_nothing_else():
    box = np.array([[10, 10, 38, 38]], np.float32)
    roi = np.array([[10, 10, 66, 38]], np.float32)
    got = run(roi, box, np.full((1, 28, 28), 255, np.uint8), np.zeros(1, np.int32))[0]
    np.testing.assert_array_equal(got, np.tile(np.arange(SIZE) < 14, (SIZE, 1)))


def test_padding_is_harmless():
    boxes = np.zeros((2, 4), np.float32)
    assert not run(boxes, boxes, np.zeros((3, 28, 28), np.uint8), np.zeros(2, np.int32)).any()


def sampling(low, high, length):
    """float64 [28, length]: the weights of a mask's pixels in each cell of a RoI's side.

    A cell is the mean of RoIAlign's samples, at least one for each pixel.
    """
    samples = max(1, int(np.ceil((high - low) / SIZE)))
    position = low + (high - low) * (np.arange(SIZE * samples) + 0.5) / (SIZE * samples) - 0.5
    position = np.where((position < -1) | (position > length), np.inf, np.clip(position, 0, length - 1))
    weights = np.maximum(1 - np.abs(position[:, None] - np.arange(length)), 0)
    return weights.reshape(SIZE, samples, length).mean(1)


def exact_target(mask, roi):
    """bool [28, 28] cut from a picture's whole mask [H, W] as in detectron2: RoIAlign, at least 1/2."""
    down = sampling(roi[1], roi[3], mask.shape[0])
    across = sampling(roi[0], roi[2], mask.shape[1])
    return down @ mask @ across.T >= 0.5


def test_real_objects_against_targets_cut_from_the_whole_mask(shared):
    """Each object of 90 pictures has a RoI with sides off by up to a tenth; masks have the default size."""
    from pycocotools.coco import COCO

    coco = COCO(str(shared / "data/coco/annotations/instances_train2017.json"))
    side = load_config().gt_mask_size
    rng = np.random.default_rng(0)
    overlaps = []
    pictures = 0
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
            gt_index = np.arange(len(objects[part]), dtype=np.int32)
            got = run(rois[part].astype(np.float32), boxes[part].astype(np.float32), masks, gt_index)
            for k, item in enumerate(objects[part]):
                want = exact_target(coco.annToMask(item), rois[start + k])
                union = (want | (got[k] > 0)).sum()
                if union:
                    overlaps.append((want & (got[k] > 0)).sum() / union)
    assert pictures == 90 and len(overlaps) > 780
    mean = np.mean(overlaps)
    low = np.percentile(overlaps, 5)
    print(f"{len(overlaps)} objects: mean IoU {mean:.4f}, 5th percentile {low:.4f}")
    assert mean >= 0.97 and low >= 0.85


def test_masks_of_a_picture_are_at_most_3_megabytes():
    layout = batch_layout(example_settings(load_config()), 1)["gt_masks"]
    assert np.prod(layout.shape) * layout.dtype.itemsize <= 3e6


@pytest.mark.parametrize("side", [28, 56])
def test_other_mask_sizes(rng, side):
    """A disc, whose targets follow from its formula."""
    cells = (np.mgrid[0:side, 0:side] + 0.5) / side * 2 - 1
    mask = (255 * (cells[0] ** 2 + cells[1] ** 2 <= 1)).astype(np.uint8)
    box = np.array([[20, 30, 120, 90]], np.float32)
    roi = np.array([[10, 24, 105, 92]], np.float32)
    got = run(roi, box, mask[None], np.zeros(1, np.int32))[0]
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    u = (10 + 95 * x / SIZE - 70) / 50
    v = (24 + 68 * y / SIZE - 60) / 30
    want = u**2 + v**2 <= 1
    assert (want & (got > 0)).sum() / (want | (got > 0)).sum() > 0.96
