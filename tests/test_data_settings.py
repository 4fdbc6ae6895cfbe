"""What the data's parts are given of the configuration."""

from __future__ import annotations

import pytest

from src.config import load_config
from src.data_settings import annotation_settings, canvas_settings, conversion_settings
from src.errors import ConfigError

COCO = ["coco_root=/data", "train_data_type=train2018", "val_data_type=val2019"]
TXT = ["dataset=other", "IMAGE_DIR=/pictures", "ANNO_PATH=/boxes.txt"]


@pytest.mark.parametrize(
    ("words", "split", "path", "folder"),
    [
        (COCO, "train", "/data/annotations/instances_train2018.json", "/data/train2018"),
        (COCO, "val", "/data/annotations/instances_val2019.json", "/data/val2019"),
        (
            [*COCO, "ann_file=/own.json"],
            "train",
            "/data/annotations/instances_train2018.json",
            "/data/train2018",
        ),
        ([*COCO, "ann_file=/own.json"], "val", "/own.json", "/data/val2019"),
        (TXT, "val", "/boxes.txt", "/pictures"),
        ([*TXT, "ann_file=/held_out.txt"], "train", "/boxes.txt", "/pictures"),
        ([*TXT, "ann_file=/held_out.txt"], "val", "/held_out.txt", "/pictures"),
    ],
)
def test_files_of_a_split(words, split, path, folder):
    settings = annotation_settings(load_config(words), split)
    assert (settings.path, settings.folder) == (path, folder)


def test_a_held_out_txt_file_needs_no_other():
    words = ["dataset=other", "IMAGE_DIR=/pictures", "ann_file=/held_out.txt"]
    assert annotation_settings(load_config(words), "val").path == "/held_out.txt"
    with pytest.raises(ConfigError, match="dataset=other needs ANNO_PATH: write ANNO_PATH=PATH"):
        conversion_settings(load_config(words))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["coco_classes=auto"], None),
        (["coco_classes=auto", "num_classes=6"], 6),
        (["coco_classes=[background, cat, dog]"], 3),
    ],
)
def test_the_number_of_classes_is_open_only_where_nobody_wrote_it(words, expected):
    assert annotation_settings(load_config([*COCO, *words])).num_classes == expected


def test_the_mean_colour_is_rgb_whatever_the_networks_order_is():
    words = ["img_mean=[1, 2, 3]"]
    assert canvas_settings(load_config([*words, "channel_order=RGB"])).mean == (1, 2, 3)
    assert canvas_settings(load_config([*words, "channel_order=BGR"])).mean == (3, 2, 1)
