"""The evaluation path against the COCO API's published figures, pycocotools itself, and dirt."""

import contextlib
import io
import json
import os
import random
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_api
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from src.data.images.masks import mask_to_rle, segmentation_to_mask
from src.errors import DataError
from src.util import (
    METRIC_NAMES,
    detections_to_results,
    evaluate_coco,
    records_to_coco,
    write_metrics,
    write_results,
)

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


def figures(metrics):
    return [metrics[name] for name in METRIC_NAMES]


def row(image_id, category_id, box, score):
    return {"image_id": image_id, "category_id": category_id, "bbox": list(box), "score": score}


def annotation(number, image_id, category_id, box, **more):
    x, y, w, h = box
    polygon = [x, y, x + w, y, x + w, y + h, x, y + h]
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": list(box),
        "area": w * h,
        "iscrowd": 0,
        "segmentation": [polygon],
        **more,
    }


def small_truth():
    """Two pictures, two classes, four objects."""
    return {
        "images": [{"id": 1, "width": 100, "height": 100}, {"id": 2, "width": 100, "height": 100}],
        "categories": [{"id": 3, "name": "a"}, {"id": 7, "name": "b"}],
        "annotations": [
            annotation(0, 1, 3, (10, 10, 40, 40)),
            annotation(1, 1, 7, (60, 60, 20, 30)),
            annotation(2, 2, 3, (5, 5, 12, 12)),
            annotation(3, 2, 7, (30, 20, 50, 60)),
        ],
    }


def perfect_rows(truth):
    return [row(item["image_id"], item["category_id"], item["bbox"], 0.9) for item in truth["annotations"]]


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_published_figures(shared, kind, capsys):
    folder = shared / "data" / "coco_eval"
    results = folder / f"instances_val2014_fake{kind}100_results.json"
    metrics = evaluate_coco(folder / "instances_val2014_100.json", results, kind)
    assert figures(metrics) == pytest.approx(PUBLISHED[kind], abs=1e-6)
    printed = capsys.readouterr().out
    table = [line for line in printed.splitlines() if "Average" in line]
    assert len(table) == 12
    assert (
        table[0]
        == f" Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = {PUBLISHED[kind][0]:.3f}"
    )
    assert (
        table[11]
        == f" Average Recall     (AR) @[ IoU=0.50:0.95 | area= large | maxDets=100 ] = {PUBLISHED[kind][11]:.3f}"
    )
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
    first, second = evaluate_coco(truth, rows, "bbox"), evaluate_coco(shuffled, rows[::-1], "bbox")
    assert figures(first) == figures(second) and first["AP50"] < 1
    only_a = evaluate_coco(truth, rows, "bbox", category_ids=[3])
    assert only_a["AP"] == pytest.approx(1) and list(only_a["per_class"]) == ["a"]
    only_one = evaluate_coco(truth, rows, "bbox", image_ids=[1])
    assert only_one["AP"] == pytest.approx(1)
    # a row of a category that the file lacks is nobody's mistake: the network may know more classes than the file
    assert figures(evaluate_coco(truth, [*rows, row(1, 99, (0, 0, 9, 9), 1.0)], "bbox")) == figures(first)


def test_ids_as_text_floats_and_over_32_bits():
    truth = small_truth()
    names = {1: "24631331976", 2: 16335852991.0}
    for image in truth["images"]:
        image["id"] = names[image["id"]]
    for number, item in enumerate(truth["annotations"]):
        item["image_id"] = (int, str)[number % 2](int(names[item["image_id"]]))
        item["category_id"] = str(item["category_id"])
        item["id"] = f"x{number}"
    rows = [
        row(int(item["image_id"]), int(item["category_id"]), item["bbox"], 0.5)
        for item in truth["annotations"]
    ]
    assert evaluate_coco(truth, rows, "bbox")["AP"] == pytest.approx(1)
    for image in truth["images"]:
        image["id"] = f"name of {image['id']}"
    for item in (*truth["annotations"], *rows):
        item["image_id"] = "name of " + str(
            16335852991.0 if int(item["image_id"]) == 16335852991 else item["image_id"]
        )
    assert evaluate_coco(truth, rows, "bbox")["AP"] == pytest.approx(1)


def test_mixed_ids_in_the_wild(shared):
    path = shared / "data" / "dirty" / "mixed_int_str_ids.json"
    content = json.loads(path.read_text())
    rows = [row(2299, 1, item["bbox"], 0.7) for item in content["annotations"] if not item["iscrowd"]]
    assert evaluate_coco(path, rows, "bbox")["AP"] == pytest.approx(1)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
@pytest.mark.parametrize(
    "name", ["crowd_rle_and_empty_segmentation", "mixed_int_str_ids", "null_sizes_and_wrong_keys"]
)
def test_dirty_files_do_not_crash(shared, name, kind, capsys):
    metrics = evaluate_coco(shared / "data" / "dirty" / f"{name}.json", [], kind)
    assert metrics == {} or all(-1 <= metrics[key] <= 0 for key in METRIC_NAMES)
    assert metrics or "no figures for" in capsys.readouterr().out


def test_missing_and_null_fields_are_filled_from_the_rest(capsys):
    truth = small_truth()
    complete = evaluate_coco(truth, perfect_rows(truth), "bbox")
    first, second, third, fourth = truth["annotations"]
    del first["iscrowd"], first["area"]
    second["area"] = None
    third["segmentation"], third["area"] = [], None
    del fourth["bbox"]
    for image in truth["images"]:
        image["width"] = image["height"] = None
    rows = perfect_rows(small_truth())
    assert figures(evaluate_coco(truth, rows, "bbox")) == pytest.approx(figures(complete))
    capsys.readouterr()
    assert evaluate_coco(truth, [], "segm")["AP"] == 0
    assert "segm: 1 annotations without a usable mask are left out" in capsys.readouterr().out


def test_masks_are_compared_on_the_canvas_of_the_pictures_that_were_read(capsys):
    truth = small_truth()
    rows = [
        {**item, "segmentation": mask_to_rle(segmentation_to_mask(source["segmentation"], 100, 100))}
        for item, source in zip(perfect_rows(truth), truth["annotations"])
    ]
    for image in truth["images"]:
        image["width"], image["height"] = 120, 90
    assert evaluate_coco(truth, rows, "segm")["AP"] == pytest.approx(1)
    truth["annotations"].append(
        {**annotation(9, 1, 3, (0, 0, 5, 5)), "segmentation": {"size": [90, 120], "counts": [90 * 120]}}
    )
    capsys.readouterr()
    assert evaluate_coco(truth, rows, "segm")["AP"] == pytest.approx(1)
    assert "1 annotations with a mask of another size than its picture" in capsys.readouterr().out


@pytest.mark.parametrize(
    "damage",
    [
        {"bbox": [1, 2, float("nan"), 4], "segmentation": None},
        {"bbox": [9, 9, -4, 4]},
        {"image_id": 55},
        {"category_id": None},
    ],
)
def test_unusable_annotations_are_left_out_and_said(damage, capsys):
    truth = small_truth()
    truth["annotations"].append({**annotation(9, 1, 3, (0, 0, 5, 5)), **damage})
    assert evaluate_coco(truth, perfect_rows(small_truth()), "bbox")["AP"] == pytest.approx(1)
    assert "bbox: 1 annotations" in capsys.readouterr().out


@pytest.mark.parametrize("counts", [[5, 5], [-5, 10005], "0", "@@@", "é", [["x"]]])
def test_broken_rle_is_left_out(counts, capsys):
    truth = small_truth()
    truth["annotations"].append(
        {**annotation(9, 1, 3, (0, 0, 5, 5)), "segmentation": {"size": [100, 100], "counts": counts}}
    )
    assert evaluate_coco(truth, [], "segm")["AP"] == 0
    assert "1 annotations without a usable mask" in capsys.readouterr().out


def test_crowds_swallow_detections_and_are_no_targets():
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


@pytest.mark.parametrize(
    "content, words",
    [
        ("{", "not JSON"),
        ("[1]", "found a list"),
        ('{"images": []}', "'categories'"),
        ('{"images": [{}], "categories": []}', "'images'"),
        (None, "No such file"),
    ],
)
def test_unusable_files_are_one_line_errors(tmp_path, content, words):
    path = tmp_path / "truth.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=words) as caught:
        evaluate_coco(path, [], "bbox")
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"score": float("nan")}, {"score": "0.5"}, {"bbox": [1, 2, 3]}, {"bbox": [1, 2, 3, None]}]
)
def test_unusable_result_rows_are_named(change):
    with pytest.raises(DataError, match="row 1: "):
        evaluate_coco(
            small_truth(), [row(1, 3, (0, 0, 5, 5), 0.5), {**row(1, 3, (0, 0, 5, 5), 0.5), **change}], "bbox"
        )


def test_broken_masks_of_a_result_file_are_named(tmp_path):
    path = tmp_path / "results_segm.json"
    path.write_text(
        json.dumps(
            [
                {
                    "image_id": 1,
                    "category_id": 3,
                    "score": 0.5,
                    "segmentation": {"size": [100, 100], "counts": "0"},
                }
            ]
        )
    )
    with pytest.raises(DataError, match="row 0: RLE"):
        evaluate_coco(small_truth(), path, "segm")


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from([1, "1", 2.0, [1, 2, 30, 40]])
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["size", "counts"]), inner),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(
    image=ANYTHING,
    item=st.fixed_dictionaries({}, optional={name: ANYTHING for name in annotation(1, 1, 1, (0, 0, 1, 1))}),
)
def test_any_content_gives_figures_or_the_projects_own_error(image, item):
    truth = small_truth()
    truth["images"][0].update(height=image)
    truth["annotations"].append({**annotation(9, 1, 3, (0, 0, 5, 5)), **item})
    truth["annotations"].append(item)
    with contextlib.redirect_stdout(io.StringIO()):
        for kind in ("bbox", "segm"):
            assert evaluate_coco(truth, [], kind)["AP"] == 0


def test_results_of_other_pictures_are_an_error():
    with pytest.raises(DataError, match="image id 5 "):
        evaluate_coco(small_truth(), [row(5, 3, (0, 0, 5, 5), 0.5)], "bbox")
    with pytest.raises(DataError, match="image id 77 "):
        evaluate_coco(small_truth(), [], "bbox", image_ids=[1, 77])
    with pytest.raises(DataError, match="row 0"):
        evaluate_coco(small_truth(), [{"image_id": 1}], "bbox")


def detections_of(annotations, labels, side=28):
    """Detections as the network gives them, from ground truth: the masks are the objects' own, sampled in their boxes."""
    boxes = np.array(
        [[x, y, x + w, y + h] for x, y, w, h in (item["bbox"] for item in annotations)], np.float32
    ).reshape(-1, 4)
    return {
        "boxes": boxes,
        "scores": np.full(len(boxes), 0.9, np.float32),
        "masks": np.ones((len(boxes), side, side), np.float32),
        "labels": np.array([labels[item["category_id"]] for item in annotations], np.int32),
    }


def test_detections_to_results_by_hand():
    found = {
        "boxes": np.array([[1, 2, 4, 6], [0, 0, 2, 2.0004]], np.float32),
        "scores": np.array([0.5, 0.25], np.float32),
        "labels": np.array([2, 1], np.int32),
        "masks": np.stack([np.ones((28, 28)), np.zeros((28, 28))]).astype(np.float32),
    }
    bbox_rows, segm_rows = detections_to_results(found, 42, 8, 10, (0, 18, 90))
    assert bbox_rows == [
        {"image_id": 42, "category_id": 90, "score": 0.5, "bbox": [1, 2, 3, 4]},
        {"image_id": 42, "category_id": 18, "score": 0.25, "bbox": [0, 0, 2, 2]},
    ]
    assert json.loads(json.dumps(segm_rows)) == segm_rows
    expected = np.zeros((8, 10), np.uint8)
    expected[2:6, 1:4] = 1
    assert (mask_api.decode(segm_rows[0]["segmentation"]) == expected).all()
    assert (
        segm_rows[1]["segmentation"]["size"] == [8, 10] and mask_api.area(segm_rows[1]["segmentation"]) == 0
    )
    assert detections_to_results(found, 42, 8, 10, {1: 18, 2: 90}, has_masks=False) == (bbox_rows, [])
    assert detections_to_results(found, 42, 8, 10, (0, None, 90))[0] == bbox_rows[:1]
    nothing = {
        "boxes": np.zeros((0, 4)),
        "scores": np.zeros(0),
        "labels": np.zeros(0, int),
        "masks": np.zeros((0, 28, 28)),
    }
    assert detections_to_results(nothing, 42, 8, 10, (0, 18, 90)) == ([], [])


def test_coco_found_perfectly_gives_one(shared):
    path = shared / "data" / "coco" / "annotations" / "instances_val2017.json"
    truth = json.loads(path.read_text())
    category_ids = [0, *sorted(item["id"] for item in truth["categories"])]
    labels = {number: label for label, number in enumerate(category_ids)}
    bbox_rows = []
    for image in truth["images"]:
        objects = [
            item for item in truth["annotations"] if item["image_id"] == image["id"] and not item["iscrowd"]
        ]
        bbox_rows += detections_to_results(
            detections_of(objects, labels),
            image["id"],
            image["height"],
            image["width"],
            category_ids,
            has_masks=False,
        )[0]
    metrics = evaluate_coco(path, bbox_rows, "bbox")
    assert [metrics[name] for name in METRIC_NAMES if name not in ("AR1", "AR10")] == pytest.approx([1] * 10)


def test_rectangles_found_perfectly_give_one_through_masks():
    truth = small_truth()
    pairs = [
        detections_to_results(
            detections_of(
                [item for item in truth["annotations"] if item["image_id"] == number], {3: 1, 7: 2}
            ),
            number,
            100,
            100,
            (0, 3, 7),
        )
        for number in (1, 2)
    ]
    assert evaluate_coco(truth, [item for _, rows in pairs for item in rows], "segm")["AP"] == pytest.approx(
        1
    )


def test_records_of_a_txt_file():
    segmentations = [[[10, 10, 50, 10, 50, 50, 10, 50]], None]
    records = [
        SimpleNamespace(
            image_id=i,
            width=100,
            height=100,
            boxes=np.array([[10, 10, 50, 50], [60, 60, 80, 90]], np.float32),
            labels=np.array([1, 2]),
            crowd=np.array([False, False]),
            segmentations=None,
        )
        for i in range(3)
    ]
    source = SimpleNamespace(records=records, class_names=("background", "a", "b"), category_ids=(0, 1, 2))
    rows = [
        row(i, label, box, 0.5)
        for i in range(3)
        for label, box in ((1, (10, 10, 40, 40)), (2, (60, 60, 20, 30)))
    ]
    metrics = evaluate_coco(records_to_coco(source), rows, "bbox")
    assert metrics["AP"] == pytest.approx(1) and list(metrics["per_class"]) == ["a", "b"]
    assert evaluate_coco(records_to_coco(source), [], "segm") == {}
    for record in records:
        record.segmentations = [[np.array(segmentations[0][0], np.float32)], segmentations[1]]
    masked = json.loads(json.dumps(records_to_coco(source)))
    assert [item["segmentation"] for item in masked["annotations"]] == segmentations * 3
    assert evaluate_coco(masked, [], "segm")["per_class"] == {"a": 0, "b": -1}


def test_metrics_are_written_whole(tmp_path):
    metrics = {"bbox": {"AP": 0.5, "per_class": {"a": 0.5}}, "segm": {}}
    path = write_metrics(tmp_path / "eval", metrics)
    assert path.name == "metrics.json" and json.loads(path.read_text()) == metrics
    with pytest.raises(TypeError):
        write_metrics(tmp_path / "eval", {"bbox": {"AP": object()}})
    assert json.loads(path.read_text()) == metrics and os.listdir(tmp_path / "eval") == ["metrics.json"]
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file"):
        write_metrics(tmp_path / "file", metrics)
