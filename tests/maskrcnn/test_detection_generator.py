"""Final detections against a plain loop: score threshold, NMS for each class, the best of the picture."""

from __future__ import annotations

import numpy as np
import pytest
from mindspore import Tensor, nn

from src.maskrcnn.from_config import make_box_head, make_detections
from tests.maskrcnn import twins
from tests.small_network import small_config

COUNT = 40
CLASSES = 81
LIMIT = 25
STDS = (0.1, 0.1, 0.2, 0.2)


class Detect(nn.Cell):
    def __init__(self, config):
        super().__init__()
        self.head = make_box_head(config)
        self.generator = make_detections(config)

    def construct(self, probabilities, deltas, proposals, proposal_valid, image_meta):
        return self.generator(probabilities, deltas, proposals, proposal_valid, image_meta, self.head)


def detections(
    probabilities,
    deltas,
    proposals,
    proposal_valid,
    height,
    width,
    threshold=0.05,
    iou=0.5,
    min_size=0,
    limit=LIMIT,
):
    """One picture's (boxes, scores, labels), the best first."""
    found = []
    for label in range(1, probabilities.shape[1]):
        boxes = twins.clip(twins.decode(proposals, deltas[:, label], STDS), height, width)
        scores = probabilities[:, label]
        sides = boxes[:, 2:] - boxes[:, :2]
        valid = (scores > threshold) & proposal_valid & ((sides >= min_size) & (sides > 0)).all(1)
        order = np.flatnonzero(valid)[np.argsort(-scores[valid], kind="stable")]
        order = order[twins.greedy_nms(boxes[order], iou)]
        found += [(scores[i], label, boxes[i]) for i in order]
    found.sort(key=lambda item: -item[0])
    found = found[:limit]
    return (
        np.array([box for _, _, box in found]).reshape(-1, 4),
        np.array([score for score, _, _ in found]),
        np.array([label for _, label, _ in found]),
    )


def draw(rng, scale=1.0):
    """(probabilities, deltas, proposals, proposal_valid); half of the proposals are close to the others."""
    half = COUNT // 2
    probabilities = rng.dirichlet(np.full(CLASSES, 0.03), (2, COUNT)).astype(np.float32)
    proposals = np.stack([twins.random_boxes(rng, COUNT, 128 * scale, 128 * scale) for _ in range(2)])
    proposals[:, half:] = proposals[:, :half] + rng.normal(0, 3 * scale, (2, half, 4))
    probabilities[:, half:] = probabilities[:, :half] * rng.uniform(0.5, 0.99, (2, half, 1))
    proposal_valid = np.ones((2, COUNT), bool)
    proposal_valid[0, 3] = proposal_valid[1, -5:] = False
    deltas = rng.normal(0, 0.3, (2, COUNT, CLASSES, 4)).astype(np.float32)
    return probabilities, deltas, proposals.astype(np.float32), proposal_valid


def run(words, arrays, image_meta, limit=LIMIT):
    """(boxes, scores, labels, det_valid) of `draw`'s arrays."""
    cell = Detect(small_config("coco_classes=auto", "num_classes=81", f"test_max_per_img={limit}", *words))
    outputs = cell(*(Tensor(a) for a in (*arrays, image_meta)))
    boxes, scores, labels, det_valid = (part.asnumpy() for part in outputs)
    assert boxes.shape == (2, limit, 4)
    for padded in (boxes, scores, labels):
        assert not padded[~det_valid].any()
    return boxes, scores, labels, det_valid


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
    arrays = draw(rng)
    image_meta = np.array([[128, 128, 1, 1, 128, 128], [90, 100, 1, 1, 90, 100]], np.float32)
    boxes, scores, labels, det_valid = run(words, arrays, image_meta)
    for n in range(2):
        want_boxes, want_scores, want_labels = detections(
            *(array[n] for array in arrays), *image_meta[n, :2], **settings
        )
        valid = det_valid[n]
        assert valid.sum() == len(want_scores) > 10 and valid[: len(want_scores)].all()
        np.testing.assert_allclose(scores[n][valid], want_scores, atol=1e-6)
        np.testing.assert_array_equal(labels[n][valid], want_labels)
        np.testing.assert_allclose(boxes[n][valid], want_boxes, atol=1e-3)


def test_small_boxes_of_high_classes_on_a_large_canvas(rng):
    """Boxes are moved to keep classes apart, and keep the precision that the IoU of small boxes needs."""
    half = COUNT // 2
    image_meta = np.tile(np.array([768, 1280, 1, 1, 768, 1280], np.float32), (2, 1))
    proposals = np.zeros((2, COUNT, 4), np.float32)
    for n in range(2):  # pairs of boxes of 6 pixels, with IoUs from .4985 to .5015
        corner = rng.uniform(0, [1270, 760], (half, 2))
        over = 0.5 + rng.uniform(0.0004, 0.0015, half)
        under = 0.5 - rng.uniform(0.0004, 0.0015, half)
        overlap = np.where(np.arange(half) % 2, over, under)
        shift = 6 * (1 - overlap) / (1 + overlap)
        first = np.concatenate([corner, corner + 6], 1)
        proposals[n, :half] = first
        proposals[n, half:] = first + np.stack([shift, 0 * shift] * 2, 1)
    labels = rng.integers(60, 81, half)[np.arange(COUNT) % half]
    probabilities = np.zeros((2, COUNT, CLASSES), np.float32)
    probabilities[:, np.arange(COUNT), labels] = np.linspace(0.9, 0.3, COUNT)
    deltas = np.zeros((2, COUNT, CLASSES, 4), np.float32)
    arrays = (probabilities, deltas, proposals, np.ones((2, COUNT), bool))
    _, scores, _, det_valid = run(("img_height=768", "img_width=1280"), arrays, image_meta, limit=COUNT)
    for n in range(2):
        _, want_scores, _ = detections(*(array[n] for array in arrays), 768, 1280, limit=COUNT)
        assert len(want_scores) == 3 * COUNT // 4
        np.testing.assert_allclose(scores[n][det_valid[n]], want_scores, atol=1e-6)


def test_nothing_to_find(rng):
    arrays = draw(rng)
    probabilities = arrays[0]
    probabilities[:] = 0
    probabilities[..., 0] = 1
    image_meta = np.tile(np.array([128, 128, 1, 1, 128, 128], np.float32), (2, 1))
    _, _, _, det_valid = run((), arrays, image_meta)
    assert not det_valid.any()
