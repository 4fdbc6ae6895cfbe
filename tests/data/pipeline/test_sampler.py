"""The order of an epoch: every picture, repeats as LVIS defines them, and the ranks' shares."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Tuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.config import Config, load_config
from src.data.mindrecord.manifest import Manifest
from src.data.mindrecord.shard_reader import ShardReader
from src.data.pipeline.sampler import epoch_length, epoch_order, rank_steps, repeat_factors
from src.dataset import ensure_mindrecord, steps_per_epoch


def test_repeat_factors_are_those_of_lvis():
    """r(c) = max(1, sqrt(t / f(c))), f counting pictures, not objects.

    A picture takes its largest (LVIS, section 5).
    """
    objects = [2, 1, 0, 3] + [1] * 96
    labels = [1, 1, 2, 1, 3, 3] + [1] * 96
    factors = repeat_factors(objects, np.array(labels), 0.04)
    assert factors[:4].tolist() == pytest.approx([1, 2, 1, 2]) and (factors[4:] == 1).all()
    assert repeat_factors(objects, np.array(labels), 0.0001).tolist() == [1] * 100
    assert repeat_factors([0, 0], np.zeros(0), 0.5).tolist() == [1, 1]


def conversion(
    coco_folder: Callable[..., Path], tmp_path: Path, *words: str, pictures: int = 40
) -> Tuple[Config, Path, Manifest]:
    """A conversion in which class 2 ("disc") is in two pictures alone, with its settings and its manifest."""

    def change(content):
        for item in content["annotations"]:
            item["category_id"] = 7 if item["image_id"] in (50, 120) else 3

    config = load_config(
        [
            f"coco_root={coco_folder(pictures=pictures, change=change)}",
            "coco_classes=auto",
            f"mindrecord_dir={tmp_path}/m",
            *words,
        ]
    )
    folder, manifest = ensure_mindrecord(config)
    return config, folder, manifest


def order_of(config: Config, manifest: Manifest, epoch: int) -> np.ndarray:
    return epoch_order(manifest, epoch, config.seed, config.repeat_factor_threshold)


def test_rare_classes_repeat_their_pictures(coco_folder, tmp_path):
    config, folder, manifest = conversion(coco_folder, tmp_path, "repeat_factor_threshold=0.3")
    # Frequency 2 / 40, so sqrt(0.3 / 0.05) = 2.449 for these two, and 38 + 2 * 2.449 = 42.9 rows in all.
    assert epoch_length(manifest, config.repeat_factor_threshold) == 43
    assert steps_per_epoch(config, manifest) == 22
    assert steps_per_epoch(config, manifest, 4) == 6
    rare = np.isin(ShardReader(folder).rows["image_id"], (50, 120))
    counts = np.array([np.bincount(order_of(config, manifest, epoch), minlength=40) for epoch in range(400)])
    assert (counts.sum(1) == 43).all()
    assert counts.min() == 1
    assert set(counts[:, rare].ravel()) == {2, 3}
    assert counts[:, ~rare].max() == 1
    assert 2.4 < counts[:, rare].mean(0).min()
    # 43 - 38 for both
    assert counts[:, rare].mean() == 2.5
    assert len({order_of(config, manifest, epoch).tobytes() for epoch in range(10)}) == 10
    assert np.array_equal(order_of(config, manifest, 3), order_of(config, manifest, 3))


def test_without_repeats_every_picture_comes_once(coco_folder, tmp_path):
    config, _, manifest = conversion(coco_folder, tmp_path, pictures=9)
    for epoch in range(3):
        assert sorted(order_of(config, manifest, epoch).tolist()) == list(range(9))
    assert (
        epoch_length(manifest, config.repeat_factor_threshold) == 9 and steps_per_epoch(config, manifest) == 5
    )


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 60), st.integers(1, 5), st.integers(1, 5))
def test_ranks_see_every_row_and_no_row_twice_but_for_the_last_step(count, batch_size, device_num):
    order = np.random.default_rng(count).permutation(count)
    ranks = [rank_steps(order, batch_size, rank, device_num) for rank in range(device_num)]
    assert len({steps.shape for steps in ranks}) == 1 and ranks[0].shape[1] == batch_size
    # One row for each step of all ranks.
    joined = np.concatenate(ranks, 1)
    total = batch_size * device_num
    assert set(joined.ravel()) == set(range(count)) and len(joined) == -(-count // total)
    assert joined.ravel()[:count].tolist() == order.tolist()
    assert np.array_equal(joined.reshape(-1), rank_steps(order, total, 0, 1).reshape(-1))
