"""`eval.py results=FILE.json`: figures, the files of eval_details, and errors of one line."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from src.config import load_config
from src.data.images.rasterize import segmentation_to_mask
from src.data.images.rle import mask_to_rle
from src.engine.inference.evaluation import report_settings
from src.engine.results_evaluator import evaluate_results
from src.errors import DataError
from src.evaluation.coco_settings import CocoSettings
from src.evaluation.ground_truth import read_annotations_alone
from tests.conftest import ROOT
from tests.evaluation.coco_examples import annotation, perfect_rows, row, small_truth

COCO = CocoSettings()


@pytest.fixture
def files(tmp_path):
    """A function that writes a results file and evaluates it on the annotations of `small_truth`."""
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps(small_truth()))

    def evaluate(content, **more):
        results = tmp_path / "results.json"
        results.write_text(content if isinstance(content, str) else json.dumps(content))
        return evaluate_results(results, str(truth), tmp_path / "eval", COCO, **more)

    return evaluate


def rows_with_masks():
    rows = perfect_rows(small_truth())
    for item, source in zip(rows, small_truth()["annotations"]):
        item["segmentation"] = mask_to_rle(segmentation_to_mask(source["segmentation"], 100, 100))
    return rows


def test_the_kinds_are_those_of_the_rows(files, tmp_path):
    metrics = files(perfect_rows(small_truth()))
    assert list(metrics) == ["bbox"] and metrics["bbox"]["AP"] == pytest.approx(1)
    metrics = files(rows_with_masks())
    assert [metrics[kind]["AP"] for kind in ("bbox", "segm")] == pytest.approx([1, 1])
    only_masks = [{key: value for key, value in item.items() if key != "bbox"} for item in rows_with_masks()]
    metrics = files(only_masks)
    assert list(metrics) == ["segm"]
    written = json.loads((tmp_path / "eval" / "metrics.json").read_text())
    assert written == {**metrics, "pictures": 2, "pictures_left_out": 0}


GOOD = row(1, 3, (10, 10, 40, 40), 0.9)
MASK = {"image_id": 1, "category_id": 3, "score": 0.5}
WRONG = {
    "of another picture": ([GOOD, row(9, 3, (0, 0, 5, 5), 0.5)], "image id 9 of the results is not in it"),
    "of an unknown class": ([GOOD, row(1, 4, (0, 0, 5, 5), 0.5)], "row 1: category_id 4 is not in"),
    "a score of NaN": ([GOOD, row(1, 3, (0, 0, 5, 5), math.nan)], "row 1: finite numbers expected"),
    "an infinite side": ([row(1, 3, (0, 0, 5, math.inf), 0.5)], "row 0: finite numbers expected"),
    "a score that no float holds": ([row(1, 3, (0, 0, 5, 5), 10**400)], "row 0: finite numbers expected"),
    "a score as text": ([row(1, 3, (0, 0, 5, 5), "0.5")], "row 0: finite numbers expected"),
    "a box of three numbers": ([row(1, 3, (0, 0, 5), 0.5)], "row 0: finite numbers expected"),
    "a number as box": ([{**GOOD, "bbox": 7}], "row 0: finite numbers expected"),
    "no box": ([GOOD, {"image_id": 1, "category_id": 3, "score": 1}], "row 1: image_id, category_id, score"),
    "no row": (["x"], "row 0: image_id, category_id, score and bbox expected"),
    "an annotation file": (small_truth(), "a list of COCO result rows expected"),
    "empty": ([], "an empty list"),
    "not JSON": ("[{", "not JSON"),
    "nested too deeply": ("[" * 100_000, "not JSON"),
    "runs that do not fill": (
        [{**MASK, "segmentation": {"size": [100, 100], "counts": [5, 6]}}],
        "row 0: RLE whose runs do not fill its size 100x100",
    ),
    "a polygon": ([{**MASK, "segmentation": [[0, 0, 5, 0, 5, 5]]}], "row 0: RLE that cannot be read"),
    "a mask of another size": (
        [{**MASK, "segmentation": {"size": [50, 100], "counts": [4000, 1000]}}],
        "row 0: a mask of 50x100 pixels (height x width), but image 1 of",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_evaluated_is_one_line(files, what):
    content, message = WRONG[what]
    with pytest.raises(DataError) as error:
        files(content)
    assert message in str(error.value) and "\n" not in str(error.value)
    assert "json" in str(error.value)  # the file is named


def test_masks_with_run_lengths_as_lists(files):
    rows = [{**MASK, "segmentation": {"size": [100, 100], "counts": [1010, 40] + [60, 40] * 39 + [5050]}}]
    assert files(rows)["segm"]["per_class"]["a"] == pytest.approx(51 / 101)  # one of two objects


def test_masks_of_a_picture_that_is_displayed_turned(tmp_path):
    truth = {
        "images": [{"id": 1, "width": 80, "height": 60}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [annotation(1, 1, 1, (10, 10, 40, 40))],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    mask = segmentation_to_mask(truth["annotations"][0]["segmentation"], 80, 60)
    rows = [{"image_id": 1, "category_id": 1, "score": 1, "segmentation": mask_to_rle(mask)}]
    (tmp_path / "results.json").write_text(json.dumps(rows))
    metrics = evaluate_results(
        tmp_path / "results.json", str(tmp_path / "truth.json"), tmp_path / "eval", COCO
    )
    assert metrics["segm"]["AP"] == pytest.approx(1)
    # Data that were read with their pictures (dataset=other) have the sizes as they are displayed.
    source = read_annotations_alone(str(tmp_path / "truth.json"))
    with pytest.raises(DataError, match="row 0: a mask of 80x60 pixels .* has 60x80"):
        evaluate_results(tmp_path / "results.json", source, tmp_path / "eval", COCO)


def make_turned(folder):
    """A picture that is stored 80x60 and displayed 60x80: its entry is as stored, its mask as displayed.

    Returns (annotation file, results file). The object is red, everything else blue.
    """
    box = (10, 10, 40, 40)
    truth = {
        "images": [{"id": 1, "width": 80, "height": 60, "file_name": "a.jpg"}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [annotation(1, 1, 1, box)],
    }
    displayed = np.zeros((80, 60, 3), np.uint8)
    displayed[..., 2] = 255
    displayed[10:50, 10:50] = (255, 0, 0)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    Image.fromarray(np.rot90(displayed)).save(folder / "a.jpg", exif=exif, quality=95)
    mask = segmentation_to_mask(truth["annotations"][0]["segmentation"], 80, 60)
    rows = [{"image_id": 1, "category_id": 1, "score": 1, "bbox": box, "segmentation": mask_to_rle(mask)}]
    for name, content in (("truth.json", truth), ("results.json", rows)):
        (folder / name).write_text(json.dumps(content))
    return folder / "truth.json", folder / "results.json"


def test_a_turned_picture_is_shown_as_it_is_displayed(tmp_path):
    truth, results = make_turned(tmp_path)
    settings = report_settings(load_config([f"ann_file={truth}", f"coco_root={tmp_path}", "val_data_type="]))
    evaluate_results(results, str(truth), tmp_path / "eval", COCO, report_settings=settings)
    page = (tmp_path / "eval" / "report.html").read_text(encoding="utf-8")
    assert "could not be read" not in page
    assert page.count('<svg viewBox="0 0 60 80"') == 2  # annotated, and found
    content = re.search(r'href="data:image/jpeg;base64,([^"]*)"', page)[1]
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(content)))).astype(int)
    assert shown.shape == (80, 60, 3)
    rows, columns = np.nonzero(shown[..., 0] > 128)
    assert (rows.min(), columns.min(), rows.max(), columns.max()) == pytest.approx((10, 10, 49, 49), abs=1)


def test_classes_that_the_annotations_lack_are_left_out_with_eval_classes_common(files, caplog):
    rows = [*rows_with_masks(), *({**rows_with_masks()[0], "category_id": number} for number in (4, 99))]
    with pytest.raises(DataError, match="eval_classes=common"):
        files(rows)
    metrics = files(rows, only_common=True)
    assert [metrics[kind]["AP"] for kind in ("bbox", "segm")] == pytest.approx([1, 1])
    assert "2 of 6 rows are of classes that" in caplog.text and "row 4: category_id 4" in caplog.text
    with pytest.raises(DataError, match="no row is of a class of .*truth.json"):
        files([{**row(1, 3, (10, 10, 40, 40), 0.9), "category_id": 4}], only_common=True)


def read_csv(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_details_are_written_and_printed(files, tmp_path, capsys):
    rows = [*perfect_rows(small_truth()), row(1, 3, (70, 5, 12, 12), 0.95)]
    metrics = files(rows, with_details=True)
    folder = tmp_path / "eval"
    details = json.loads((folder / "eval_details.json").read_text())
    assert list(details) == ["bbox"]
    figures = details["bbox"]
    assert figures["headline"]["AP"]["value"] == pytest.approx(metrics["bbox"]["AP"])
    assert {entry["class"]: entry["AP"] for entry in figures["classes"]} == pytest.approx(
        metrics["bbox"]["per_class"]
    )
    # class a: two objects, found at 0.9 after a false detection at 0.95; class b: all right
    assert figures["confusion"] == {
        "classes": ["a", "b", "background"],
        "matrix": [[2, 0, 0], [0, 2, 0], [1, 0, 0]],
    }
    of_a = figures["classes"][0]["best_f1"]
    assert (of_a["true"], of_a["false"], of_a["missed"], of_a["score"]) == (2, 1, 0, 0.9)
    assert figures["tide"]["kinds"]["Bkg"]["count"] == 1
    assert figures["label_mistakes"]["without_object"][0]["row"] == 4

    detections = read_csv(folder / "detections_bbox.csv")
    objects = read_csv(folder / "objects_bbox.csv")
    assert {int(line["row"]) for line in detections} == set(range(5))
    by_row = {int(line["row"]): line for line in detections}
    assert (by_row[4]["outcome"], by_row[4]["object_50"], by_row[4]["iou"]) == ("Bkg", "", "")
    for item in objects:
        partner = by_row[int(item["row_95"])]
        assert partner["object_95"] == item["object"] and partner["outcome"] == "true"
        assert (item["outcome"], item["iou"], item["score"]) == ("found", "1.0", "0.9")
        assert [item[key] for key in ("image_id", "class", "x")] == [
            partner[key] for key in ("image_id", "class", "x")
        ]
    assert [item["size"] for item in objects] == ["medium", "small", "small", "medium"]
    printed = capsys.readouterr().out
    assert "with 95% intervals over pictures" in printed and "eval_details.json" in printed
    line = next(line for line in printed.splitlines() if line.startswith(" a ") and "0.900" in line)
    assert line.split()[1:3] == ["2", "3"] and line.split()[-3:] == ["0.667", "1.000", "0.800"]


def test_a_results_file_is_evaluated_without_mindspore(tmp_path):
    (tmp_path / "truth.json").write_text(json.dumps(small_truth()))
    (tmp_path / "results.json").write_text(json.dumps(perfect_rows(small_truth())))
    program = (
        "import sys; from src.config import load_config; from src.engine.evaluator import evaluate; "
        "evaluate(load_config(['results=results.json', 'ann_file=truth.json', 'report=True']), 'eval'); "
        "print([name for name in sys.modules if name.split('.')[0] == 'mindspore'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_command(tmp_path):
    """As a user starts it; without a checkpoint, and without the pictures."""
    (tmp_path / "truth.json").write_text(json.dumps(small_truth()))
    (tmp_path / "results.json").write_text(json.dumps(perfect_rows(small_truth())))
    command = [sys.executable, ROOT / "eval.py", "ann_file=truth.json", "eval_details=True", "report=True"]
    done = subprocess.run(
        [*command, "results=results.json"], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert sum("Average" in line for line in done.stdout.splitlines()) == 12
    assert (tmp_path / "eval" / "eval_details.json").exists()
    page = (tmp_path / "eval" / "report.html").read_text(encoding="utf-8")
    assert "2 pictures could not be read and are grey" in page and page.count('<figure class="picture"') == 2
    done = subprocess.run(
        [*command, "results=none.json"], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "none.json" in done.stderr
