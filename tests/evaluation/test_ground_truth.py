"""Ground truth from files that are not clean, and from records."""

from __future__ import annotations

import contextlib
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data.annotations.records import DataSource, Record
from src.data.images.rasterize import segmentation_to_mask
from src.data.images.rle import mask_to_rle
from src.errors import DataError
from src.evaluation.coco_metrics import METRIC_NAMES, evaluate_coco
from src.evaluation.ground_truth import records_to_coco
from tests.evaluation.coco_examples import annotation, figures, perfect_rows, row, small_truth


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
    truth["images"][0]["id"] = "first"
    with pytest.raises(DataError, match=r"images\[0\]: its id is 'first'; a whole number expected"):
        evaluate_coco(truth, rows, "bbox")


def test_mixed_ids_of_a_real_file(shared):
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


def test_missing_and_null_fields_are_filled_from_the_rest():
    truth = small_truth()
    complete = evaluate_coco(truth, perfect_rows(truth), "bbox")
    first, second, third, fourth = truth["annotations"]
    del first["iscrowd"], first["area"]
    second["area"] = None
    third["area"] = None
    del fourth["bbox"]
    for image in truth["images"]:
        image["width"] = image["height"] = None
    rows = perfect_rows(small_truth())
    assert figures(evaluate_coco(truth, rows, "bbox")) == pytest.approx(figures(complete))


def test_an_object_without_a_mask_is_left_out_as_training_leaves_it_out(caplog):
    truth = small_truth()
    truth["annotations"][2]["segmentation"] = []
    three = [item for item in perfect_rows(truth) if item["bbox"] != truth["annotations"][2]["bbox"]]
    assert evaluate_coco(truth, three, "bbox")["AR100"] == pytest.approx(1)
    assert "1 x object without a usable mask in a file with masks, left out" in caplog.text


def test_masks_are_compared_on_the_canvas_of_the_pictures_that_were_read(caplog):
    truth = small_truth()
    rows = [
        {**item, "segmentation": mask_to_rle(segmentation_to_mask(source["segmentation"], 100, 100))}
        for item, source in zip(perfect_rows(truth), truth["annotations"])
    ]
    for image in truth["images"]:
        image["width"] = 120
        image["height"] = 90
    assert evaluate_coco(truth, rows, "segm")["AP"] == pytest.approx(1)
    truth["annotations"].append(
        {**annotation(9, 1, 3, (0, 0, 5, 5)), "segmentation": {"size": [90, 120], "counts": [90 * 120]}}
    )
    assert evaluate_coco(truth, rows, "segm")["AP"] == pytest.approx(1)
    assert "1 x RLE of another size than its picture, left out" in caplog.text


@pytest.mark.parametrize(
    "damage",
    [
        {"bbox": [1, 2, float("nan"), 4], "segmentation": None},
        {"bbox": [9, 9, -4, 4]},
        {"image_id": 55},
        {"category_id": None},
    ],
)
def test_unusable_annotations_are_left_out_with_a_message(damage, caplog):
    truth = small_truth()
    truth["annotations"].append({**annotation(9, 1, 3, (0, 0, 5, 5)), **damage})
    assert evaluate_coco(truth, perfect_rows(small_truth()), "bbox")["AP"] == pytest.approx(1)
    assert "the ground truth: 1 x " in caplog.text and "left out" in caplog.text


@pytest.mark.parametrize("counts", [[5, 5], [-5, 10005], "0", "@@@", "é", [["x"]]])
def test_broken_rle_is_left_out(counts, caplog):
    truth = small_truth()
    truth["annotations"].append(
        {**annotation(9, 1, 3, (0, 0, 5, 5)), "segmentation": {"size": [100, 100], "counts": counts}}
    )
    assert evaluate_coco(truth, [], "segm")["AP"] == 0
    assert "1 x RLE that is corrupt, left out" in caplog.text


@pytest.mark.parametrize(
    "content, words",
    [
        ("{", "not JSON"),
        ("[1]", "a list at the top level"),
        ('{"images": []}', "'categories'"),
        ('{"images": [{}], "categories": []}', r"images\[0\]: its id is None; a whole number expected"),
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


def test_records_of_a_txt_file():
    segmentations = [[[10, 10, 50, 10, 50, 50, 10, 50]], None]
    records = [
        Record(
            image_id=i,
            path=f"{i}.jpg",
            width=100,
            height=100,
            boxes=np.array([[10, 10, 50, 50], [60, 60, 80, 90]], np.float32),
            labels=np.array([1, 2]),
            crowd=np.array([False, False]),
            annotation_ids=np.array([1, 2]),
            areas=np.array([1600.0, 600.0]),
        )
        for i in range(3)
    ]
    source = DataSource("boxes.txt", "", records, ("background", "a", "b"), (0, 1, 2), False, True, "")
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
    # the objects without a mask are left out, as they are of training
    assert evaluate_coco(masked, [], "segm")["per_class"] == {"a": 0, "b": -1}
