"""Figures that say nothing are explained, and other settings than COCO's have their own names."""

from __future__ import annotations

import pytest

from src.config import load_config
from src.engine.inference.evaluation import evaluation_settings
from src.errors import ConfigError
from src.evaluation.coco_metrics import evaluate_coco
from src.evaluation.coco_settings import CocoSettings
from tests.evaluation.coco_examples import annotation, perfect_rows, row, small_truth


def printed(capsys, *arguments, **keywords):
    """(figures, the lines that explain them)."""
    figures = evaluate_coco(*arguments, **keywords)
    lines = capsys.readouterr().out.splitlines()
    return figures, [line for line in lines if line.startswith(("bbox: ", "segm: "))]


def test_sizes_without_an_object(capsys):
    """The four objects have 144, 600, 1600 and 3000 square pixels: none is large."""
    figures, notes = printed(capsys, small_truth(), perfect_rows(small_truth()), "bbox")
    assert (figures["APl"], figures["ARl"]) == (-1, -1)
    assert notes == ["bbox: APl and ARl are -1: no object above 9216 square pixels in the ground truth"]


def test_other_limits_of_sizes(capsys):
    """Below 150 there is one object, between 150 and 1000 one, above two."""
    truth = small_truth()
    settings = CocoSettings(area_limits=(150.0, 1000.0))
    rows = [item for item in perfect_rows(truth) if item["bbox"][2:] != [12, 12]]
    figures, notes = printed(capsys, truth, rows, "bbox", settings=settings)
    assert (figures["ARs"], figures["ARm"], figures["ARl"]) == pytest.approx((0, 1, 1))
    assert notes == []


def test_nothing_but_crowds(capsys):
    truth = small_truth()
    for item in truth["annotations"]:
        item["iscrowd"] = 1
    figures, notes = printed(capsys, truth, perfect_rows(truth), "bbox")
    assert figures["AP"] == -1
    assert notes == ["bbox: every figure is -1: all 4 objects are crowds (iscrowd=1), which do not count"]


def test_class_names_with_line_ends_stay_on_their_line(capsys):
    truth = small_truth()
    truth["categories"][0]["name"] = "two\nlines"
    truth["categories"].append({"id": 8, "name": "no\nobject"})
    evaluate_coco(truth, perfect_rows(truth), "bbox")
    lines = capsys.readouterr().out.splitlines()
    assert any("two\\nlines " in line and "1.000" in line for line in lines)
    assert any(line.endswith("which AP leaves out: no\\nobject") for line in lines)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "there is no detection of these classes"),
        ([row(1, 3, (70, 70, 20, 20), 0.9)], "none of the 1 detections overlaps its object by an IoU of 0.5"),
        ([row(1, 8, (10, 10, 40, 40), 0.9)], "none of the 1 detections has the class of an object in its"),
    ],
)
def test_an_ap_of_zero(rows, reason, capsys):
    truth = small_truth()
    truth["categories"].append({"id": 8, "name": "c"})
    figures, notes = printed(capsys, truth, rows, "bbox")
    assert figures["AP"] == 0
    assert sum(reason in note for note in notes) == 1
    assert "bbox: classes without an object in the ground truth, which AP leaves out: c" in notes


def crowded_truth(count):
    """One picture with `count` objects of a class, 8x8 pixels each, side by side."""
    boxes = [(10 * (i % 20), 10 * (i // 20), 8, 8) for i in range(count)]
    return {
        "images": [{"id": 1, "width": 200, "height": 200}],
        "categories": [{"id": 3, "name": "a"}],
        "annotations": [annotation(i, 1, 3, box) for i, box in enumerate(boxes, 1)],
    }


def test_a_picture_with_more_objects_than_detections_count(capsys):
    """150 objects, all found: 100 detections find two thirds of them, 150 all."""
    truth = crowded_truth(150)
    rows = perfect_rows(truth)
    figures, notes = printed(capsys, truth, rows, "bbox")
    assert figures["AR100"] == pytest.approx(100 / 150)
    assert any("1 picture with more than 100 objects (the most: 150, image 1)" in note for note in notes)
    assert any("1 picture with more than 100 detections of a class" in note for note in notes)
    settings = evaluation_settings(load_config(["test_max_per_img=150"])).figures
    figures, notes = printed(capsys, truth, rows, "bbox", settings=settings)
    assert "AR100" not in figures and figures["AR150"] == figures["AP"] == pytest.approx(1)
    assert any("computed with 150 detections a picture and class" in note for note in notes)


def test_a_threshold_that_is_not_used_has_no_figure(capsys):
    settings = CocoSettings(iou_thresholds=(0.3, 0.5))
    truth = small_truth()
    shifted = [row(1, 3, (26, 10, 40, 40), 0.9)]  # IoU 24 / 56 = .43 with the first object
    figures, _ = printed(capsys, truth, shifted, "bbox", settings=settings)
    assert "AP75" not in figures and figures["AP50"] == 0
    # Found at one of two thresholds; two objects of class a and two of b: AP of a is .51 at .3 (101 recalls)
    assert figures["AP"] == pytest.approx((51 / 101 + 0) / 2 / 2)


@pytest.mark.parametrize(
    "word",
    [
        "eval_max_dets=[1,10]",
        "eval_max_dets=[10,1,100]",
        "eval_area_limits=[9,1]",
        "eval_iou_thresholds=[1.5]",
    ],
)
def test_settings_that_make_no_sense(word):
    with pytest.raises(ConfigError, match=word.split("=")[0]):
        load_config([word])
