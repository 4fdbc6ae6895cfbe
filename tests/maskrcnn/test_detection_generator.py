"""Final detections against a plain loop: score threshold, NMS a class at a time, the best of the picture."""

from __future__ import annotations

import numpy as np
import pytest
from mindspore import Tensor, nn

from src.maskrcnn.detection_generator import DetectionGenerator
from src.maskrcnn.rcnn_cls import BoxHead
from tests.maskrcnn import twins
from tests.small_network import small_config

COUNT, CLASSES, LIMIT = 40, 81, 25
STDS = (0.1, 0.1, 0.2, 0.2)


class Detect(nn.Cell):
    def __init__(self, config):
        super().__init__()
        self.head, self.generator = BoxHead(config), DetectionGenerator(config)

    def construct(self, probabilities, deltas, rois, valid, image_meta):
        return self.generator(probabilities, deltas, rois, valid, image_meta, self.head)


def detections(
    probabilities, deltas, rois, valid, height, width, threshold=0.05, iou=0.5, min_size=0, limit=LIMIT
):
    """One picture's (boxes, scores, labels), best first."""
    found = []
    for label in range(1, probabilities.shape[1]):
        boxes = twins.clip(twins.decode(rois, deltas[:, label], STDS), height, width)
        sides = boxes[:, 2:] - boxes[:, :2]
        usable = (probabilities[:, label] > threshold) & valid & ((sides >= min_size) & (sides > 0)).all(1)
        order = np.flatnonzero(usable)[np.argsort(-probabilities[usable, label], kind="stable")]
        order = order[twins.greedy_nms(boxes[order], iou)]
        found += [(probabilities[i, label], label, boxes[i]) for i in order]
    found.sort(key=lambda item: -item[0])
    found = found[:limit]
    return (
        np.array([box for _, _, box in found]).reshape(-1, 4),
        np.array([s for s, _, _ in found]),
        np.array([label for _, label, _ in found]),
    )


def draw(rng, scale=1.0):
    probabilities = rng.dirichlet(np.full(CLASSES, 0.03), (2, COUNT)).astype(np.float32)
    rois = np.stack([twins.random_boxes(rng, COUNT, 128 * scale, 128 * scale) for _ in range(2)])
    rois[:, COUNT // 2 :] = rois[:, : COUNT // 2] + rng.normal(
        0, 3 * scale, (2, COUNT // 2, 4)
    )  # neighbours that NMS has to choose from
    probabilities[:, COUNT // 2 :] = probabilities[:, : COUNT // 2] * rng.uniform(
        0.5, 0.99, (2, COUNT // 2, 1)
    )
    valid = np.ones((2, COUNT), bool)
    valid[0, 3] = valid[1, -5:] = False
    return (
        probabilities,
        rng.normal(0, 0.3, (2, COUNT, CLASSES, 4)).astype(np.float32),
        rois.astype(np.float32),
        valid,
    )


def run(words, probabilities, deltas, rois, valid, meta, limit=LIMIT):
    cell = Detect(small_config("coco_classes=auto", "num_classes=81", f"test_max_per_img={limit}", *words))
    boxes, scores, labels, found = (
        part.asnumpy() for part in cell(*(Tensor(a) for a in (probabilities, deltas, rois, valid, meta)))
    )
    assert (
        boxes.shape == (2, limit, 4)
        and not boxes[~found].any()
        and not scores[~found].any()
        and not labels[~found].any()
    )
    return boxes, scores, labels, found


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ((), {}),
        (
            ("test_min_bbox_size=14", "test_iou_thr=0.3", "test_score_thr=0.2"),
            {"min_size": 14, "iou": 0.3, "threshold": 0.2},
        ),
    ],
    ids=["plain", "other thresholds"],
)
def test_against_a_plain_loop(rng, words, settings):
    arrays, meta = draw(rng), np.array([[128, 128, 1, 1, 128, 128], [90, 100, 1, 1, 90, 100]], np.float32)
    boxes, scores, labels, found = run(words, *arrays, meta)
    for n in range(2):
        want = detections(*(array[n] for array in arrays), *meta[n, :2], **settings)
        assert found[n].sum() == len(want[1]) > 10 and found[n][: len(want[1])].all()
        np.testing.assert_allclose(scores[n][found[n]], want[1], atol=1e-6)
        np.testing.assert_array_equal(labels[n][found[n]], want[2])
        np.testing.assert_allclose(boxes[n][found[n]], want[0], atol=1e-3)


def test_small_boxes_of_high_classes_on_a_large_canvas(rng):
    """Classes are kept apart by moving their boxes: a shift must not cost the precision that the IoU of small boxes needs."""
    words, meta = (
        ("img_height=768", "img_width=1280"),
        np.tile(np.array([768, 1280, 1, 1, 768, 1280], np.float32), (2, 1)),
    )
    rois = np.zeros((2, COUNT, 4), np.float32)
    for n in range(2):  # pairs of boxes of 6 pixels, with IoUs from .4985 to .5015
        corner = rng.uniform(0, [1270, 760], (COUNT // 2, 2))
        overlap = np.where(
            np.arange(COUNT // 2) % 2,
            0.5 + rng.uniform(0.0004, 0.0015, COUNT // 2),
            0.5 - rng.uniform(0.0004, 0.0015, COUNT // 2),
        )
        shift = 6 * (1 - overlap) / (1 + overlap)
        first = np.concatenate([corner, corner + 6], 1)
        rois[n, : COUNT // 2], rois[n, COUNT // 2 :] = first, first + np.stack([shift, 0 * shift] * 2, 1)
    probabilities = np.zeros((2, COUNT, CLASSES), np.float32)
    order = np.linspace(0.9, 0.3, COUNT)
    probabilities[:, np.arange(COUNT), rng.integers(60, 81, COUNT // 2)[np.arange(COUNT) % (COUNT // 2)]] = (
        order
    )
    arrays = (probabilities, np.zeros((2, COUNT, CLASSES, 4), np.float32), rois, np.ones((2, COUNT), bool))
    _, scores, _, found = run(words, *arrays, meta, limit=COUNT)
    for n in range(2):
        want = detections(*(array[n] for array in arrays), 768, 1280, limit=COUNT)
        assert len(want[1]) == 3 * COUNT // 4
        np.testing.assert_allclose(scores[n][found[n]], want[1], atol=1e-6)


def test_nothing_to_find(rng):
    probabilities, deltas, rois, valid = draw(rng)
    probabilities[:] = 0
    probabilities[..., 0] = 1
    assert not run(
        (),
        probabilities,
        deltas,
        rois,
        valid,
        np.tile(np.array([128, 128, 1, 1, 128, 128], np.float32), (2, 1)),
    )[3].any()
