"""RoIAlign, the CPU kernel and the operator: known tables, a plain loop, gradients, and each other."""

from __future__ import annotations

import functools

import mindspore as ms
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mindspore import Tensor

from src.config import load_config
from src.maskrcnn.from_config import make_roi_align
from src.maskrcnn.roi_align import KernelPool, PackedPool
from tests.maskrcnn import twins
from tests.maskrcnn.roi_align_inputs import ALIGNED, CHANNELS, SHAPES, STRIDES, draw_maps

BOTH = pytest.mark.parametrize("kernel", [True, False], ids=["kernel", "operator"])


def single_map(kernel, size, samples, aligned, plane):
    """A function of RoIs [S, 4] in cells that pools one map [H, W], and its gradient of the sum."""
    height, width = plane.shape
    others = [(-(-height // step), -(-width // step)) for step in (2, 4, 8)]
    setting = (size, samples, aligned, (1, 1, 1, 1))
    cell = KernelPool(*setting, [(height, width), *others]) if kernel else PackedPool(*setting)
    maps = [Tensor(np.asarray(plane, np.float32)[None, None])] + [
        Tensor(np.full((1, 1, *shape), 1e3, np.float32)) for shape in others
    ]

    def run(rois):
        rois = np.asarray(rois, np.float32)[None]
        pooled, gradient = ms.value_and_grad(cell)(
            *maps, Tensor(rois), Tensor(np.zeros(rois.shape[:2], np.int32))
        )
        return pooled.asnumpy()[:, 0], gradient.asnumpy()[0, 0]

    return run


@BOTH
@pytest.mark.parametrize(("aligned", "first"), [(True, 4.5), (False, 7.5)])
def test_detectron2s_ramp(kernel, aligned, first):
    got, _ = single_map(kernel, 4, 2, aligned, np.arange(25).reshape(5, 5))([(1, 1, 3, 3)])
    np.testing.assert_allclose(got[0], first + 0.5 * np.arange(4) + 2.5 * np.arange(4)[:, None], atol=1e-5)


@BOTH
def test_mmcvs_smallest_map(kernel):
    got, gradient = single_map(kernel, 2, 2, True, np.array([[1, 2], [3, 4]]))([(0, 0, 1, 1)])
    np.testing.assert_allclose(got[0], [[1, 1.25], [1.5, 1.75]], atol=1e-6)
    np.testing.assert_allclose(gradient, [[3.0625, 0.4375], [0.4375, 0.0625]], atol=1e-6)


@BOTH
def test_mmcvs_second_map(kernel):
    plane = np.array([[1, 2, 5, 6], [3, 4, 7, 8], [9, 10, 13, 14], [11, 12, 15, 16]])
    np.testing.assert_allclose(
        single_map(kernel, 2, 2, True, plane)([(0, 0, 3, 3)])[0][0],
        [[1.9375, 4.75], [7.5625, 10.375]],
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("samples", "row", "sum_of_gradient"), [(0, [0, 0, 0, 0], 0), (2, [20.25, 20.75, 21.25, 21.5], 16)]
)
def test_a_box_without_height(samples, row, sum_of_gradient):
    """detectron2's table.

    With adaptive sampling (0) the box has no sample: it gives zeros and has no gradient. With 2 samples
    it is pooled along its line; the last sample is past the last cell's centre.
    """
    got, gradient = single_map(True, 4, samples, True, np.arange(25).reshape(5, 5))([(3, 4, 5, 4)])
    np.testing.assert_allclose(got[0], np.tile(row, (4, 1)), atol=1e-5)
    assert gradient.sum() == pytest.approx(sum_of_gradient, abs=1e-4) and gradient.any() == (samples > 0)


@functools.lru_cache(maxsize=None)
def cell(kernel, aligned, size=7):
    """RoIAlign on a canvas of 128x192 whose levels change at 16, 32 and 64 pixels."""
    return make_roi_align(
        load_config(
            ["img_height=128", "img_width=192", "roi_align_finest_scale=8", f"roi_align_aligned={aligned}"]
        ),
        size,
        kernel,
    )


@BOTH
def test_maps_can_be_prepared_once_for_two_sizes(rng, kernel):
    maps = tuple(Tensor(m) for m in draw_maps(rng))
    rois = np.stack([twins.random_boxes(rng, 6, 192, 128) for _ in range(2)])
    arrays = (Tensor(rois), Tensor(np.ones((2, 6), bool)))
    cells = [cell(kernel, True, size) for size in (7, 14)]

    @ms.jit
    def pool(maps, rois, valid):
        prepared = cells[0].prepare(maps)
        return [align(prepared, rois, valid) for align in cells]

    for got, align in zip(pool(maps, *arrays), cells):
        np.testing.assert_array_equal(got.asnumpy(), align(maps, *arrays).asnumpy())


@functools.lru_cache(maxsize=None)
def weighted(kernel, aligned):
    """((sum, pooled), gradients) of RoIAlign weighted by `gradient`."""
    align = cell(kernel, aligned)

    def total(p2, p3, p4, p5, rois, valid, gradient):
        pooled = align((p2, p3, p4, p5), rois, valid)
        return (pooled * gradient).sum(), pooled

    return ms.value_and_grad(total, (0, 1, 2, 3, 4), has_aux=True)


@BOTH
@ALIGNED
@settings(max_examples=12, deadline=None)
@given(arrays(np.float32, (3, 4), elements=st.floats(0, 1, width=32)), st.integers(0, 2**31))
def test_any_roi_equals_a_plain_loop_and_its_gradient_finite_differences(kernel, aligned, units, seed):
    """Three RoIs of the second image, sides from half a pixel to the canvas's; other slots are empty."""
    rng = np.random.default_rng(seed)
    # not aligned, the operator's packed map ends where a RoI that is widened to a cell may not
    canvas = np.array([192, 128] if aligned or kernel else [160, 96])
    sides = 0.5 + units[:, 2:] ** 2 * (canvas - 0.5)
    corner = units[:, :2] * (canvas - sides)
    rois = np.zeros((2, 24, 4), np.float32)
    valid = np.zeros((2, 24), bool)
    rois[1, :3] = np.concatenate([corner, corner + sides], 1)
    valid[1, :3] = True
    maps = draw_maps(rng)
    gradient = rng.normal(0, 1, (48, CHANNELS, 7, 7)).astype(np.float32)
    gradient[~valid.ravel()] = 0
    (_, pooled), back = weighted(kernel, aligned)(
        *(Tensor(m) for m in maps), Tensor(rois), Tensor(valid), Tensor(gradient)
    )
    levels = [
        twins.level(roi * 7) for roi in rois[1, :3].astype(np.float64)
    ]  # the finest scale is 8 here, not 56
    for k, level in enumerate(levels):
        want = twins.roi_align(maps[level][1], rois[1, k], STRIDES[level], 7, 2, aligned)
        np.testing.assert_allclose(pooled.asnumpy()[24 + k], want, atol=5e-5)
    level = levels[0]
    got = back[level].asnumpy()[1]
    plane = maps[level][1].astype(np.float64)
    for position in (np.abs(got).argmax(), rng.integers(0, got.size)):
        step = np.zeros(got.size)
        step[position] = 0.5
        step = step.reshape(got.shape)
        difference = sum(
            (
                (
                    twins.roi_align(plane + step, rois[1, k], STRIDES[level], 7, 2, aligned)
                    - twins.roi_align(plane - step, rois[1, k], STRIDES[level], 7, 2, aligned)
                )
                * gradient[24 + k]
            ).sum()
            for k in range(3)
            if levels[k] == level
        )
        assert got.ravel()[position] == pytest.approx(difference, abs=2e-4)


def rois_on_canvas(rng):
    """RoIs within the canvas and up to its borders, some narrower than a cell of their level; valid bool."""
    rois = np.stack([twins.random_boxes(rng, 24, 192, 128, low=12) for _ in range(2)])
    rois[0, :4] = [(0, 0, 192, 128), (0, 100, 40, 128), (180, 0, 192, 30), (188, 124, 192, 128)]
    rois[1, :4] = [
        (50.2, 60.1, 52.9, 90.3),
        (10, 10, 60, 11.5),
        (100.3, 40.2, 103.1, 42.7),
        (20.5, 90, 23.5, 94),
    ]
    valid = np.ones((2, 24), bool)
    valid[1, 5:9] = False
    return rois, valid


@ALIGNED
def test_operator_and_kernel_give_the_same(rng, aligned):
    maps = [Tensor(m) for m in draw_maps(rng)]
    rois, valid = rois_on_canvas(rng)
    levels = cell(True, aligned).levels(Tensor(rois)).asnumpy()
    assert set(levels.ravel().tolist()) == {0, 1, 2, 3}
    cells = (rois[..., 2:] - rois[..., :2]) / np.array(STRIDES)[levels][..., None]
    # Not aligned, a RoI that is widened to a cell can leave its map.
    # In the packed map another level begins there.
    inside = (rois[..., 2:] + np.array(STRIDES)[levels][..., None] <= [192, 128]).all(-1)
    same = valid & ((cells.min(-1) >= 1) | inside | aligned)
    assert same.sum() >= 36 and (cells[same].min(-1) < 1).sum() >= 3
    rois = Tensor(rois)
    valid = Tensor(same)
    gradient = Tensor(
        (rng.normal(0, 1, (same.size, CHANNELS, 7, 7)) * same.reshape(-1, 1, 1, 1)).astype(np.float32)
    )
    (_, got), ours = weighted(False, aligned)(*maps, rois, valid, gradient)
    (_, want), theirs = weighted(True, aligned)(*maps, rois, valid, gradient)
    np.testing.assert_allclose(got.asnumpy()[same.ravel()], want.asnumpy()[same.ravel()], atol=2e-5)
    for a, b in zip(ours[:4], theirs[:4]):
        np.testing.assert_allclose(a.asnumpy(), b.asnumpy(), atol=5e-5)
    assert not ours[4].asnumpy().any() and not theirs[4].asnumpy().any()  # RoIs have no gradient


@BOTH
def test_empty_slots_give_finite_values_and_gradients(rng, kernel):
    maps = [Tensor(m) for m in draw_maps(rng)]
    rois, valid = rois_on_canvas(rng)
    none_valid = np.zeros_like(valid)
    ones = Tensor(np.ones((valid.size, CHANNELS, 7, 7), np.float32))
    (_, pooled), gradients = weighted(kernel, True)(*maps, Tensor(rois), Tensor(none_valid), ones)
    assert np.isfinite(pooled.asnumpy()).all() and all(np.isfinite(d.asnumpy()).all() for d in gradients)
    if kernel:
        assert not pooled.asnumpy().any() and not any(d.asnumpy().any() for d in gradients)


@BOTH
def test_half_precision_features_are_pooled_where_the_boxes_are(rng, kernel):
    """Coordinates of the packed map do not fit half precision. A ramp shows RoIs a quarter of a cell off."""
    maps = [np.tile(np.arange(shape[1], dtype=np.float16), (2, CHANNELS, shape[0], 1)) for shape in SHAPES]
    rois, valid = rois_on_canvas(rng)
    got = cell(kernel, True)([Tensor(m) for m in maps], Tensor(rois), Tensor(valid))
    want = cell(True, True)(
        [Tensor(m.astype(np.float32)) for m in maps], Tensor(rois), Tensor(valid)
    ).asnumpy()
    assert got.dtype == ms.float32
    np.testing.assert_allclose(got.asnumpy()[valid.ravel()], want[valid.ravel()], atol=1e-4)


@pytest.mark.parametrize(
    ("side", "level"), [(1, 0), (111.9, 0), (112, 1), (223.9, 1), (224, 2), (447.9, 2), (448, 3), (2000, 3)]
)
def test_levels_of_the_fpn_paper(side, level):
    align = make_roi_align(load_config(), 7, False)
    square = (10, 20, 10 + side, 20 + side)
    flat = (0, 0, side * 2, side / 2)
    assert align.levels(Tensor(np.array([[square, flat]], np.float32))).asnumpy().tolist() == [[level, level]]


def test_levels_are_those_of_the_formula(rng):
    rois = np.exp(rng.uniform(0, 7, (200, 2))).astype(np.float32)
    rois = np.concatenate([np.zeros((200, 2), np.float32), rois], 1)
    got = make_roi_align(load_config(), 7, False).levels(Tensor(rois[None])).asnumpy()[0]
    assert got.tolist() == [twins.level(roi) for roi in rois]
