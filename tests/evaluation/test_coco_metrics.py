"""COCO's figures against those that the COCO API publishes and against pycocotools itself."""

from __future__ import annotations

import json
import random

import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from src.data.images.rasterize import segmentation_to_mask
from src.data.images.rle import mask_to_rle
from src.errors import DataError
from src.evaluation.coco_metrics import evaluate_coco
from src.evaluation.result_files import write_results
from tests.evaluation.coco_examples import annotation, figures, perfect_rows, row, small_truth

PUBLISHED = {  # cocoapi's demo: bbox with fakebbox100, segm with fakesegm100
    "bbox": (
        0.504581,
        0.696973,
        0.572982,
        0.585626,
        0.519400,
        0.501398,
        0.386813,
        0.593680,
        0.595353,
        0.639811,
        0.566421,
        0.564291,
    ),
    "segm": (
        0.319545,
        0.562288,
        0.298927,
        0.387374,
        0.310183,
        0.326934,
        0.268230,
        0.415449,
        0.416839,
        0.469450,
        0.376759,
        0.381472,
    ),
}


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_published_figures(shared, kind, capsys):
    folder = shared / "data" / "coco_eval"
    results = folder / f"instances_val2014_fake{kind}100_results.json"
    metrics = evaluate_coco(folder / "instances_val2014_100.json", results, kind)
    assert figures(metrics) == pytest.approx(PUBLISHED[kind], abs=1e-6)
    printed = capsys.readouterr().out
    table = [line for line in printed.splitlines() if "Average" in line]
    assert len(table) == 12
    first, *_, last = PUBLISHED[kind]
    expected_first = " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ]"
    expected_last = " Average Recall     (AR) @[ IoU=0.50:0.95 | area= large | maxDets=100 ]"
    assert table[0] == f"{expected_first} = {first:.3f}"
    assert table[11] == f"{expected_last} = {last:.3f}"
    assert "Loading" not in printed and "DONE" not in printed and "creating index" not in printed


def test_published_figures_in_any_order(shared):
    folder = shared / "data" / "coco_eval"
    truth = json.loads((folder / "instances_val2014_100.json").read_text())
    rows = json.loads((folder / "instances_val2014_fakebbox100_results.json").read_text())
    pictures = [image["id"] for image in truth["images"]]
    rng = random.Random(0)
    for part in (truth["images"], truth["annotations"], truth["categories"], pictures):
        rng.shuffle(part)
    by_picture = sorted(
        rows, key=lambda item: pictures.index(item["image_id"])
    )  # pictures shuffled, rows within one in order
    assert figures(evaluate_coco(truth, by_picture, "bbox", image_ids=pictures)) == pytest.approx(
        PUBLISHED["bbox"], abs=1e-6
    )


def test_equal_to_pycocotools_by_class(shared, capsys):
    folder = shared / "data" / "coco_eval"
    truth, results = (
        str(folder / name)
        for name in ("instances_val2014_100.json", "instances_val2014_fakebbox100_results.json")
    )
    api = COCO(truth)
    reference = COCOeval(api, api.loadRes(results), "bbox")
    reference.evaluate()
    reference.accumulate()
    reference.summarize()
    expected = {}
    for position, number in enumerate(reference.params.catIds):
        precision = reference.eval["precision"][:, :, position, 0, -1]
        expected[api.cats[number]["name"]] = (
            precision[precision > -1].mean() if (precision > -1).any() else -1
        )
    metrics = evaluate_coco(truth, results, "bbox")
    assert figures(metrics) == pytest.approx(reference.stats.tolist(), abs=1e-12)
    assert metrics["per_class"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_four_perfect_boxes_of_two_classes(kind):
    truth = small_truth()
    rows = perfect_rows(truth)
    if kind == "segm":
        for item, source in zip(rows, truth["annotations"]):
            item["segmentation"] = mask_to_rle(segmentation_to_mask(source["segmentation"], 100, 100))
    metrics = evaluate_coco(truth, rows, kind)
    assert metrics["AP"] == metrics["AP50"] == metrics["AR100"] == pytest.approx(1.0)
    # areas 144 and 600 are small (under 32^2), 1,600 and 3,000 medium (under 96^2), none is large
    assert (metrics["APs"], metrics["APm"], metrics["APl"]) == pytest.approx((1, 1, -1))
    assert metrics["per_class"] == pytest.approx({"a": 1.0, "b": 1.0})


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_no_detection_gives_zeros(kind, capsys):
    metrics = evaluate_coco(small_truth(), [], kind)
    assert figures(metrics) == [0, 0, 0, 0, 0, -1, 0, 0, 0, 0, 0, -1]
    assert "= 0.000" in capsys.readouterr().out


def test_order_and_subset_of_categories_do_not_matter():
    truth = small_truth()
    rows = perfect_rows(truth)[::-1]
    rows[0]["bbox"][2] = 20  # the box of class b in picture 2 is 20 wide instead of 50: IoU 0.4
    shuffled = {part: truth[part][::-1] for part in truth}
    first = evaluate_coco(truth, rows, "bbox")
    second = evaluate_coco(shuffled, rows[::-1], "bbox")
    assert figures(first) == figures(second) and first["AP50"] < 1
    only_a = evaluate_coco(truth, rows, "bbox", category_ids=[3])
    assert only_a["AP"] == pytest.approx(1) and list(only_a["per_class"]) == ["a"]
    only_one = evaluate_coco(truth, rows, "bbox", image_ids=[1])
    assert only_one["AP"] == pytest.approx(1)
    # a row of a category that the file does not have is no error: the network may know more classes
    assert figures(evaluate_coco(truth, [*rows, row(1, 99, (0, 0, 9, 9), 1.0)], "bbox")) == figures(first)


def test_detections_in_a_crowd_do_not_count_as_false():
    truth = small_truth()
    truth["annotations"].append(annotation(9, 1, 3, (0, 60, 50, 40), is_crowd=1))
    del truth["annotations"][-1]["iscrowd"]
    rows = [*perfect_rows(small_truth()), row(1, 3, (10, 70, 10, 10), 0.99)]
    assert evaluate_coco(truth, rows, "bbox")["AP"] == pytest.approx(1)
    del truth["annotations"][-1]["is_crowd"]
    assert evaluate_coco(truth, rows, "bbox")["AP"] < 0.9


def test_a_test_set_has_no_figures(tmp_path, capsys):
    path = tmp_path / "image_info_test-dev.json"
    truth = small_truth()
    del truth["annotations"]
    path.write_text(json.dumps(truth))
    assert evaluate_coco(path, perfect_rows(small_truth()), "bbox") == {}
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1 and "no annotations" in printed and path.name in printed
    written = write_results(tmp_path / "eval", perfect_rows(small_truth()), [])
    assert [json.loads(file.read_text()) for file in written] == [perfect_rows(small_truth()), []]


def test_results_of_other_pictures_are_an_error():
    with pytest.raises(DataError, match="image id 5 "):
        evaluate_coco(small_truth(), [row(5, 3, (0, 0, 5, 5), 0.5)], "bbox")
    with pytest.raises(DataError, match="image id 77 "):
        evaluate_coco(small_truth(), [], "bbox", image_ids=[1, 77])
    with pytest.raises(DataError, match="row 0"):
        evaluate_coco(small_truth(), [{"image_id": 1}], "bbox")
