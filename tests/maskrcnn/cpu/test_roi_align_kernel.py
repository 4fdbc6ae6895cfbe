"""RoIAlign's CPU kernel against a plain loop in float64, and its gradient against finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from src.maskrcnn.cpu.roi_align_kernel import pool_rois, pool_rois_gradient
from tests.maskrcnn import twins
from tests.maskrcnn.roi_align_inputs import ALIGNED, CHANNELS, SHAPES, STRIDES, draw_maps


def draw_rois(rng):
    """RoIs float32 [2, 16, 4] and their levels, two slots empty.

    RoIs are inside, across every border, outside, smaller than a cell, and without area.
    """
    rois = np.stack([twins.random_boxes(rng, 16, 192, 128) for _ in range(2)])
    rois[0, :6] = [
        (-20, -30, 30, 40),
        (150, 90, 230, 190),
        (-50, -50, -9, -9),
        (300, 10, 400, 90),
        (20, 20, 20.7, 21.1),
        (-3, 126, 3, 131),
    ]
    rois[1, :4] = [(191, 127, 192, 128), (60, 60, 60, 60), (0, 0, 192, 128), (189.5, 3, 192, 70)]
    levels = rng.integers(0, 4, (2, 16)).astype(np.int32)
    levels[0, 9] = levels[1, 15] = -1
    return rois, levels


def kernel_setting(size, samples, aligned):
    return np.array(STRIDES, np.float32), np.float32(0.5 if aligned else 0), aligned, size, samples


def run_pool(maps, rois, levels, size, samples, aligned):
    out = np.full((levels.size, maps[0].shape[1], size, size), np.nan, np.float32)
    pool_rois(*maps, rois, levels, *kernel_setting(size, samples, aligned), out)
    return out


def run_gradient(gradient, shapes, rois, levels, size, samples, aligned):
    maps = [np.zeros((levels.shape[0], gradient.shape[1], *shape), np.float32) for shape in shapes]
    pool_rois_gradient(gradient, rois, levels, *kernel_setting(size, samples, aligned), *maps)
    return maps


@ALIGNED
@pytest.mark.parametrize(("size", "samples"), [(7, 2), (3, 1), (3, 0)])
def test_the_kernel_equals_a_plain_loop(rng, aligned, size, samples):
    maps = draw_maps(rng)
    rois, levels = draw_rois(rng)
    got = run_pool(maps, rois, levels, size, samples, aligned).reshape(2, 16, CHANNELS, size, size)
    for n in range(2):
        for k in range(16):
            level = levels[n, k]
            want = (
                twins.roi_align(maps[level][n], rois[n, k], STRIDES[level], size, samples, aligned)
                if level >= 0
                else np.zeros(1)
            )
            np.testing.assert_allclose(
                got[n, k], np.broadcast_to(want, got[n, k].shape), atol=2e-5, err_msg=f"image {n}, RoI {k}"
            )


@ALIGNED
@pytest.mark.parametrize("samples", [2, 0])
def test_the_gradient_is_the_transpose(rng, aligned, samples):
    """<pool(x), g> = <x, gradient(g)> for every x and g, as pooling is linear."""
    maps = draw_maps(rng)
    rois, levels = draw_rois(rng)
    pooled = run_pool(maps, rois, levels, 7, samples, aligned)
    for _ in range(3):
        gradient = rng.normal(0, 1, pooled.shape).astype(np.float32)
        back = run_gradient(gradient, SHAPES, rois, levels, 7, samples, aligned)
        left = (pooled.astype(np.float64) * gradient).sum()
        right = sum((x.astype(np.float64) * d).sum() for x, d in zip(maps, back))
        assert left == pytest.approx(right, rel=1e-5, abs=1e-3)


@ALIGNED
def test_the_gradient_equals_finite_differences(rng, aligned):
    maps = draw_maps(rng, 1)
    rois, levels = draw_rois(rng)
    rois = rois[:1, :8]
    levels = levels[:1, :8]
    gradient = rng.normal(0, 1, (8, CHANNELS, 3, 3)).astype(np.float32)
    back = run_gradient(gradient, SHAPES, rois, levels, 3, 2, aligned)

    def value(level, plane):
        """The sum of the pooled RoIs of one level, weighted by `gradient`, in float64."""
        return sum(
            (twins.roi_align(plane, rois[0, k], STRIDES[level], 3, 2, aligned) * gradient[k]).sum()
            for k in np.flatnonzero(levels[0] == level)
        )

    for level in sorted(set(levels[0].tolist())):
        plane = maps[level][0].astype(np.float64)
        strongest = np.argsort(-np.abs(back[level][0]).ravel())[:3]
        for position in [*strongest, *rng.integers(0, plane.size, 2)]:
            step = np.zeros(plane.size)
            step[position] = 0.5
            step = step.reshape(plane.shape)
            assert back[level][0].ravel()[position] == pytest.approx(
                value(level, plane + step) - value(level, plane - step), abs=1e-5
            )


def test_no_rois():
    maps = [np.ones((1, CHANNELS, *shape), np.float32) for shape in SHAPES]
    rois = np.zeros((1, 0, 4), np.float32)
    levels = np.zeros((1, 0), np.int32)
    assert run_pool(maps, rois, levels, 7, 2, True).shape == (0, CHANNELS, 7, 7)
    assert not any(
        d.any()
        for d in run_gradient(np.zeros((0, CHANNELS, 7, 7), np.float32), SHAPES, rois, levels, 7, 2, True)
    )
