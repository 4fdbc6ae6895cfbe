"""The statistics against plain counting, and anchor recall against every anchor one by one."""

from __future__ import annotations

import json

import numpy as np
import pytest

from src.config import load_config
from src.data.check.anchor_overlap import best_anchor_iou
from src.data.check.statistics import data_statistics
from src.data.check.statistics_table import statistics_text
from src.data_settings import statistics_settings
from src.dataset import read_source
from src.engine.display.data_plots import plot_statistics
from src.maskrcnn.from_config import make_anchors


@pytest.mark.parametrize(
    "words", [[], ["anchor_round=True", "anchor_ratios=[0.4, 1, 3.1]"], ["anchor_scales=[4, 7]"]]
)
def test_the_nearest_anchor_is_the_best(words):
    config = load_config(["img_width=320", "img_height=224", *words])
    rng = np.random.default_rng(3)
    low = rng.uniform(-5, 300, (300, 2)) * (1, 0.7)
    boxes = np.concatenate([low, low + np.exp(rng.uniform(0, 5.5, (300, 2)))], 1)
    anchors = np.concatenate(make_anchors(config)).astype(np.float64)
    expected = []
    for box in boxes:
        sides = np.minimum(anchors[:, 2:], box[2:]) - np.maximum(anchors[:, :2], box[:2])
        intersection = np.maximum(sides, 0).prod(1)
        areas = (anchors[:, 2:] - anchors[:, :2]).prod(1)
        expected.append((intersection / (areas + (box[2:] - box[:2]).prod() - intersection)).max())
    # the anchors themselves are float32
    assert np.allclose(best_anchor_iou(statistics_settings(config).anchors, boxes), expected, atol=1e-5)


def test_counts_equal_the_files(shared):
    config = load_config([f"coco_root={shared}/data/coco"])
    statistics = data_statistics(statistics_settings(config), read_source(config))
    content = json.loads((shared / "data/coco/annotations/instances_train2017.json").read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    objects = [item for item in content["annotations"] if not item["iscrowd"]]
    for name in config.coco_classes[1:]:
        assert statistics["instances_per_class"][name] == sum(
            names[item["category_id"]] == name for item in objects
        )
        assert statistics["pictures_per_class"][name] == len(
            {item["image_id"] for item in objects if names[item["category_id"]] == name}
        )
    per_picture = sorted(
        sum(item["image_id"] == image["id"] for item in objects) for image in content["images"]
    )
    assert statistics["instances_per_picture"]["0"] == per_picture[0]
    assert statistics["instances_per_picture"]["100"] == per_picture[-1]
    assert statistics["pictures_without_objects"] == per_picture.count(0)
    small = sum(item["bbox"][2] * item["bbox"][3] < 1024 for item in objects) / len(objects)
    assert statistics["box_area"]["small"] == pytest.approx(small, abs=1e-4)
    ratios = sorted(item["bbox"][3] / item["bbox"][2] for item in objects)
    assert statistics["box_ratio"]["100"] == pytest.approx(ratios[-1], rel=1e-3)
    anchors = statistics["anchors"]
    assert anchors["recall"]["0.3"] >= anchors["recall"]["0.5"] >= anchors["recall"]["0.7"] > 0
    assert sum(row["objects"] for row in anchors["by_size"]) == len(objects)
    assert any(line.startswith("person") and " 185" in line for line in statistics_text(statistics))
    assert json.dumps(statistics)


def test_a_class_name_with_a_line_end_stays_on_its_line(coco_folder):
    root = coco_folder(change=lambda content: content["categories"][0].update(name="two\nlines"))
    config = load_config([f"coco_root={root}", "coco_classes=auto"])
    lines = statistics_text(data_statistics(statistics_settings(config), read_source(config)))
    assert any(line.startswith("two\\nlines ") for line in lines)
    assert all(line.isprintable() for line in lines)


def test_data_without_objects_has_statistics_too(coco_folder, tmp_path):
    root = coco_folder(pictures=2, change=lambda content: content.update(annotations=[]))
    config = load_config([f"coco_root={root}", "coco_classes=[background,square,disc]"])
    source = read_source(config)
    statistics = data_statistics(statistics_settings(config), source)
    assert statistics["pictures_without_objects"] == 2
    assert statistics["anchors"]["unreached"] == 0
    assert statistics_text(statistics)
    plot_statistics(statistics_settings(config), source, tmp_path / "plots.png")
    assert (tmp_path / "plots.png").stat().st_size > 5000
