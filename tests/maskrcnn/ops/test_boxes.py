"""Box arithmetic against the known tables of other projects and plain NumPy, in compiled graphs."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mindspore import Tensor

from src.maskrcnn.ops import boxes as box_ops
from tests.maskrcnn import twins

UNIT = Tensor(np.ones(4, np.float32))
ZERO = Tensor(np.zeros(4, np.float32))
COUNT = 6


@ms.jit
def iou_graph(gt_boxes, boxes):
    return box_ops.pairwise_iou(gt_boxes, boxes)


@ms.jit
def encode_graph(boxes, targets, means, stds):
    return box_ops.encode(boxes, targets, means, stds)


@ms.jit
def decode_graph(boxes, deltas, means, stds):
    return box_ops.decode(boxes, deltas, means, stds)


@ms.jit
def clip_graph(boxes, image_meta):
    return box_ops.clip(boxes, image_meta)


def iou(a, b):
    a, b = (Tensor(np.asarray(boxes, np.float32)[None]) for boxes in (a, b))
    return iou_graph(a, b).asnumpy()[0]


def encode(boxes, targets, means=ZERO, stds=UNIT):
    boxes, targets = (Tensor(np.asarray(array, np.float32)) for array in (boxes, targets))
    return encode_graph(boxes, targets, means, stds).asnumpy()


def decode(boxes, deltas, means=ZERO, stds=UNIT):
    boxes, deltas = (Tensor(np.asarray(array, np.float32)) for array in (boxes, deltas))
    return decode_graph(boxes, deltas, means, stds).asnumpy()


def box_arrays(low):
    """Boxes float32 [COUNT, 4] with sides of `low` to 600 pixels."""

    def join(parts):
        corner, sides = parts
        return np.concatenate([corner, corner + sides], 1).astype(np.float32)

    corner = arrays(np.float64, (COUNT, 2), elements=st.floats(-100, 1300, width=32))
    return st.tuples(corner, arrays(np.float64, (COUNT, 2), elements=st.floats(low, 600))).map(join)


def test_iou_of_the_known_table():
    boxes = [(0, 0, 100, 100), (0, 0, 50, 50), (200, 200, 300, 300), (0, 0, 25, 25)]
    expected = [[1, 0.25, 0], [0.25, 1, 0], [0, 0, 1], [0.0625, 0.25, 0]]
    np.testing.assert_allclose(iou(boxes, boxes[:3]), expected, atol=1e-7)


@settings(max_examples=60, deadline=None)
@given(box_arrays(0), box_arrays(0))
def test_iou_is_symmetric_bounded_and_what_it_is_defined_as(a, b):
    forward = iou(a, b)
    backward = iou(b, a)
    np.testing.assert_allclose(forward, backward.T, atol=1e-6)
    assert (forward >= 0).all() and (forward <= 1 + 1e-5).all()
    # boxes of float32 coordinates: sides under a thousandth of a pixel are rounding alone
    a_is_wide = (a[:, None, 2:] - a[:, None, :2]).min(-1) > 0.1
    b_is_wide = (b[None, :, 2:] - b[None, :, :2]).min(-1) > 0.1
    wide = a_is_wide | b_is_wide
    np.testing.assert_allclose(forward[wide], twins.iou(a, b)[wide], atol=2e-4)


@settings(max_examples=30, deadline=None)
@given(box_arrays(0.5))
def test_a_box_has_iou_1_with_itself(boxes):
    np.testing.assert_allclose(np.diag(iou(boxes, boxes)), 1, atol=1e-5)


def test_iou_of_boxes_without_area_is_0():
    point = [(5, 5, 5, 5)]
    assert iou(point, point) == 0 and iou(point, [(0, 0, 10, 10)]) == 0


def test_one_set_of_boxes_serves_all_pictures(rng):
    gt_boxes = np.stack([twins.random_boxes(rng, 3) for _ in range(2)])
    anchors = twins.random_boxes(rng, 7)
    got = iou_graph(Tensor(gt_boxes), Tensor(anchors[None])).asnumpy()
    assert got.shape == (2, 3, 7)
    for n in range(2):
        np.testing.assert_allclose(got[n], twins.iou(gt_boxes[n], anchors), atol=1e-6)


def test_decoding_of_the_known_table():
    rois = [(0, 0, 1, 1), (0, 0, 1, 1), (0, 0, 1, 1), (5, 5, 5, 5)]
    got = decode(rois, [(0, 0, 0, 0), (1, 1, 1, 1), (0, 0, 2, -1), (0.7, -1.9, -0.5, 0.3)])
    meta = Tensor(np.array([[32, 32, 1, 1, 32, 32]], np.float32))
    expected = [(0, 0, 1, 1), (0.1409, 0.1409, 2.8591, 2.8591), (0, 0.3161, 4.1945, 0.6839), (5, 5, 5, 5)]
    np.testing.assert_allclose(clip_graph(Tensor(got[None]), meta).asnumpy()[0], expected, atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(box_arrays(8), box_arrays(8))
def test_decoding_undoes_encoding(boxes, targets):
    size = np.log((targets[:, 2:] - targets[:, :2]) / (boxes[:, 2:] - boxes[:, :2]))
    within = (np.abs(size) < np.log(1000 / 16)).all(1)
    stds = Tensor(np.array([0.1, 0.1, 0.2, 0.2], np.float32))
    for pair in ((ZERO, UNIT), (Tensor(np.array([0.1, -0.2, 0.3, 0], np.float32)), stds)):
        back = decode(boxes, encode(boxes, targets, *pair), *pair)
        np.testing.assert_allclose(back[within], targets[within], atol=0.02)


@settings(max_examples=40, deadline=None)
@given(box_arrays(2), arrays(np.float32, (COUNT, 4), elements=st.floats(-3, 3, width=32)))
def test_encoding_undoes_decoding(boxes, deltas):
    moved = decode(boxes, deltas)
    large = ((moved[:, 2:] - moved[:, :2]) > 1).all(1)
    np.testing.assert_allclose(encode(boxes, moved)[large], deltas[large], atol=5e-3)


def test_coding_equals_its_definition(rng):
    boxes = twins.random_boxes(rng, COUNT)
    targets = twins.random_boxes(rng, COUNT)
    stds = np.array([0.1, 0.1, 0.2, 0.2], np.float32)
    deltas = encode(boxes, targets, stds=Tensor(stds))
    np.testing.assert_allclose(deltas, twins.encode(boxes, targets, stds), rtol=1e-4, atol=1e-4)
    got = decode(boxes, deltas, stds=Tensor(stds))
    np.testing.assert_allclose(got, twins.decode(boxes, deltas, stds), atol=1e-3)


def test_a_side_grows_or_shrinks_at_most_1000_over_16_times():
    got = decode([(0, 0, 16, 16)] * 2, [(0, 0, 50, -50), (0, 0, 1e30, 1e30)])
    np.testing.assert_allclose(got[0], [8 - 500, 8 - 0.128, 8 + 500, 8 + 0.128], rtol=1e-5)
    np.testing.assert_allclose(got[1], [-492, -492, 508, 508], rtol=1e-5)


def test_padding_encodes_to_finite_deltas():
    nothing = np.zeros((2, 4), np.float32)
    assert np.isfinite(encode(nothing, nothing)).all()
    assert np.isfinite(encode(nothing, [(3, 4, 50, 60)] * 2)).all()


def test_clipping_is_to_the_real_picture_of_each_canvas():
    boxes = np.array([[-3, -4, 500, 600], [10, 20, 30, 40], [300, 300, 400, 400]], np.float32)
    boxes = np.tile(boxes, (2, 1, 1))
    meta = Tensor(np.array([[100, 200, 1, 1, 100, 200], [50, 25, 1, 1, 50, 25]], np.float32))
    expected = [
        [(0, 0, 200, 100), (10, 20, 30, 40), (200, 100, 200, 100)],
        [(0, 0, 25, 50), (10, 20, 25, 40), (25, 50, 25, 50)],
    ]
    np.testing.assert_array_equal(clip_graph(Tensor(boxes), meta).asnumpy(), expected)


@pytest.mark.parametrize(
    ("box", "size", "enough"),
    [
        ((0, 0, 2, 3), 2, True),
        ((0, 0, 2, 1.9), 2, False),
        ((5, 5, 5, 5), 0, False),
        ((0, 0, 1, 9), 1.5, False),
        ((0, 0, 0.01, 9), 0, True),
        ((7, 0, 7, 9), 0, False),
    ],
)
def test_a_box_is_large_enough_where_both_sides_are(box, size, enough):
    """A box without area, which clipping leaves at a picture's border, is never large enough."""
    got = box_ops.is_large_enough(Tensor(np.array([box], np.float32)), size)
    assert bool(got.asnumpy()[0]) is enough


def test_areas_have_no_plus_one():
    assert box_ops.areas(Tensor(np.array([[1, 2, 4, 7]], np.float32))).asnumpy()[0] == 15
