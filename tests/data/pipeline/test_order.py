"""The same bytes for any number of workers, ranks and restarts."""

from __future__ import annotations

import numpy as np
import pytest

from src.dataset import create_maskrcnn_dataset, start_workers, steps_per_epoch
from tests.data.pipeline.batches import prepare, same


def test_same_seed_same_bytes_for_any_number_of_workers(coco_folder, tmp_path):
    config, folder, _ = prepare(coco_folder(pictures=9), tmp_path)
    runs = [
        list(create_maskrcnn_dataset(config.replace(num_parallel_workers=count), folder, 3))
        for count in (1, 2, 5)
    ]
    assert len(runs[0]) == 5 and all(same(a, b) for run in runs[1:] for a, b in zip(runs[0], run))
    with start_workers(config, folder, True) as shared_workers:
        for _ in range(2):
            again = list(create_maskrcnn_dataset(config, folder, 3, workers=shared_workers))
            assert all(same(a, b) for a, b in zip(runs[0], again))
    orders = [create_maskrcnn_dataset(config, folder, epoch).rows.ravel().tolist() for epoch in range(4)]
    assert len({tuple(order) for order in orders}) == 4
    other_seed = next(iter(create_maskrcnn_dataset(config.replace(seed=2), folder, 3)))
    assert not same(other_seed, runs[0][0])


def test_each_epoch_augments_a_row_otherwise_and_has_another_key(coco_folder, tmp_path):
    config, folder, _ = prepare(coco_folder(pictures=9), tmp_path)
    row = 0
    image_ids = set()
    keys = set()
    boxes = set()
    with start_workers(config, folder, True) as shared_workers:
        for epoch in range(4):
            step, position = np.argwhere(create_maskrcnn_dataset(config, folder, epoch).rows == row)[0]
            batches = create_maskrcnn_dataset(
                config, folder, epoch, start_step=int(step), workers=shared_workers
            )
            batch = next(iter(batches))
            image_ids.add(int(batch["image_id"][position]))
            keys.add(int(batch["sample_key"][position]))
            boxes.add(batch["gt_boxes"][position].tobytes())
    assert len(keys) == 4 and len(image_ids) == 1
    assert len(boxes) >= 3


# Every augmentation but these: multi_scale and large_scale_jitter exclude each other.
EVERYTHING = [
    "crop_ratio=0.5",
    "color_jitter=[0.4,0.4,0.4,0.1]",
    "copy_paste_ratio=0.5",
    "repeat_factor_threshold=0.9",
    "keep_empty=True",
]


@pytest.mark.parametrize(
    "words", [["multi_scale=[96,128,192]", "expand_ratio=0.5"], ["large_scale_jitter=[0.1,2.0]"]]
)
def test_with_every_augmentation_too(coco_folder, tmp_path, words):
    """Any number of workers, any step to begin with, two ranks for one: the same bytes.

    Another epoch, others.
    """
    config, folder, manifest = prepare(coco_folder(pictures=9), tmp_path, *EVERYTHING, *words)
    steps = steps_per_epoch(config, manifest)
    with start_workers(config, folder, True) as two:
        expected = list(create_maskrcnn_dataset(config, folder, 1, workers=two))
        other = list(create_maskrcnn_dataset(config, folder, 2, workers=two))
        rest = list(create_maskrcnn_dataset(config, folder, 1, start_step=steps - 2, workers=two))
    assert len(expected) == steps
    assert all(same(a, b) for a, b in zip(expected[-2:], rest))
    assert not same(expected[0], other[0])
    single = config.replace(batch_size=1, num_parallel_workers=3)
    with start_workers(single, folder, True) as three:
        ranks = [
            list(create_maskrcnn_dataset(single, folder, 1, rank, 2, workers=three)) for rank in range(2)
        ]
    for step, batch in enumerate(expected):
        assert same(batch, {name: np.concatenate([rank[step][name] for rank in ranks]) for name in batch})
    # A picture has three objects of its own; more are pasted ones.
    assert any(batch["gt_valid"].sum(1).max() > 3 for batch in expected)


def test_an_epoch_can_be_taken_up_at_any_step(coco_folder, tmp_path):
    config, folder, _ = prepare(coco_folder(pictures=9), tmp_path)
    with start_workers(config, folder, True) as shared_workers:
        whole = list(create_maskrcnn_dataset(config, folder, 1, workers=shared_workers))
        for start in (0, 1, 3, 5):
            batches = create_maskrcnn_dataset(config, folder, 1, start_step=start, workers=shared_workers)
            assert len(batches) == 5 - start
            rest = list(batches)
            assert len(rest) == 5 - start and all(same(a, b) for a, b in zip(whole[start:], rest))


def test_ranks_share_the_steps_of_one(coco_folder, tmp_path):
    """Four ranks with a batch of one get in each step what one rank with a batch of four gets."""
    config, folder, manifest = prepare(coco_folder(pictures=13), tmp_path)
    one = list(create_maskrcnn_dataset(config.replace(batch_size=4), folder, 2))
    single = config.replace(batch_size=1)
    with start_workers(single, folder, True) as shared_workers:
        four = [
            list(create_maskrcnn_dataset(single, folder, 2, rank, 4, workers=shared_workers))
            for rank in range(4)
        ]
    assert len(one) == 4 == steps_per_epoch(config.replace(batch_size=1), manifest, 4)
    assert {len(rank) for rank in four} == {4}
    for step, batch in enumerate(one):
        joined = {name: np.concatenate([rank[step][name] for rank in four]) for name in batch}
        assert same(batch, joined)
    ids = [image_id for batch in one for image_id in batch["image_id"].tolist()]
    assert len(ids) == 16 and len(set(ids)) == len(set(ids[:13])) == 13


def test_every_row_once_an_epoch_and_small_data_is_repeated(coco_folder, tmp_path):
    config, folder, manifest = prepare(coco_folder(pictures=5), tmp_path, "batch_size=1")
    assert sorted(create_maskrcnn_dataset(config, folder, 7).rows.ravel().tolist()) == [0, 1, 2, 3, 4]
    large = config.replace(batch_size=8)
    (batch,) = create_maskrcnn_dataset(large, folder, 0)
    assert steps_per_epoch(large, manifest) == 1 and set(batch["image_id"].tolist()) == {10, 20, 30, 40, 50}
    assert steps_per_epoch(config, manifest, 2) == 3
