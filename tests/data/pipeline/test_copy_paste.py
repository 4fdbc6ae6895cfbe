"""Pasted objects: they hide what is under them, and need masks and free slots."""

from __future__ import annotations

import pytest

from src.config import load_config
from src.dataset import create_maskrcnn_dataset, ensure_mindrecord
from src.errors import ConfigError
from tests.data.pipeline.colored_pictures import colored_data, compare_with_pixels, examples


@pytest.mark.parametrize("rle", [False, True])
@pytest.mark.parametrize("words", [[], ["crop_ratio=1"]])
def test_pasted_objects_hide_what_is_under_them(tmp_path, words, rle):
    """Pixels, boxes and masks of pasted objects, and of the objects that they partly cover.

    What is covered wholly is gone.
    """
    root = colored_data(tmp_path / "data", rle)
    drawn = 0
    with_several_objects = 0
    compared = 0
    for example in examples(root, tmp_path, "copy_paste_ratio=1", *words, epochs=6):
        drawn += 1
        with_several_objects += int(example["gt_valid"].sum()) > 1
        compared += compare_with_pixels(example, 0.8 if words else 0.9)
    assert drawn == 48 and with_several_objects > 10 and compared > 45


def test_copy_paste_needs_masks(coco_folder, tmp_path):
    config = load_config(
        [
            f"coco_root={coco_folder(masks=False)}",
            "coco_classes=auto",
            f"mindrecord_dir={tmp_path}/m",
            "copy_paste_ratio=0.5",
        ]
    )
    folder, _ = ensure_mindrecord(config)
    with pytest.raises(ConfigError, match="copy_paste_ratio=0.5 needs masks"):
        create_maskrcnn_dataset(config, folder, 0)


def test_nothing_is_pasted_where_no_slot_is_free(tmp_path):
    root = colored_data(tmp_path / "data")
    words = ["copy_paste_ratio=1", "max_instance_count=1"]
    for example in examples(root, tmp_path / "full", *words, epochs=2):
        assert example["gt_valid"].tolist() in ([True], [False])
