"""Two runs: differences, their intervals, and the page and the lines that show them."""

from __future__ import annotations

import html
import json
import shutil

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from src.config import load_config
from src.engine.compare_runs import compare_runs
from src.errors import UserError
from src.evaluation.matching.table import make_match_table
from src.report.comparison import class_differences, compare_figures, picture_differences
from tests.evaluation.random_problems import SETTINGS, random_problem
from tests.report.browser import open_browser
from tests.report.drawn_run import NAMES, make_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """(first run with mistakes, second run without, words of the settings)."""
    folder = tmp_path_factory.mktemp("runs")
    make_run(folder / "first", pictures=32)  # with 8 the interval of the difference reaches over 0
    truth_file = folder / "first" / "data" / "annotations" / "instances_val2017.json"
    truth = json.loads(truth_file.read_text())
    second = folder / "second" / "eval"
    second.mkdir(parents=True)
    rows = []
    for item in truth["annotations"]:
        if not item["iscrowd"]:
            row = {"image_id": item["image_id"], "category_id": item["category_id"], "score": 0.9}
            rows.append({**row, "bbox": item["bbox"]})
    (second / "results_bbox.json").write_text(json.dumps(rows))
    return folder / "first", folder / "second", [f"coco_root={folder / 'first' / 'data'}"]


def pycocotools_figures(run, kind):
    """AP, AP50 and AP75 of a run's results, as pycocotools counts them."""
    truth = COCO(str(run / "data" / "annotations" / "instances_val2017.json"))
    evaluation = COCOeval(truth, truth.loadRes(str(run / f"results_{kind}.json")), kind)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return ", ".join(f"{name} {value:.3f}" for name, value in zip(("AP", "AP50", "AP75"), evaluation.stats))


def tables(seed):
    """Of one problem, with all detections and with those of a picture left out."""
    inputs = random_problem(seed, "bbox", images=8)
    table = make_match_table(inputs, SETTINGS)
    kept = [row for row in inputs.detections if row["image_id"] != inputs.image_ids[0]]
    fewer = type(inputs)(inputs.truth, inputs.rows, kept, inputs.image_ids, inputs.category_ids)
    return table, make_match_table(fewer, SETTINGS)


@pytest.mark.parametrize("seed", range(4))
def test_a_run_does_not_differ_from_itself_and_exchange_turns_the_sign(seed):
    table, fewer = tables(seed)
    for row in compare_figures(table, table, 50).values():
        assert tuple(row.interval) == (0, 0, 0, 0) and row.verdict == "not shown"
    there, back = compare_figures(table, fewer, 50), compare_figures(fewer, table, 50)
    for name, row in there.items():
        assert row.interval.value == pytest.approx(row.second - row.first)
        assert row.interval.low == pytest.approx(-back[name].interval.high)
        assert row.interval.low <= row.interval.value <= row.interval.high


@pytest.mark.parametrize("seed", range(4))
def test_ap_is_the_mean_of_the_classes(seed):
    table, fewer = tables(seed)
    rows = class_differences(table, fewer)
    of_all = compare_figures(table, fewer, 2)["AP"]
    assert np.mean([row[1] for row in rows]) == pytest.approx(of_all.first)
    assert np.mean([row[2] for row in rows]) == pytest.approx(of_all.second)


def test_pictures_are_where_the_runs_differ():
    table, _ = tables(1)
    lists = picture_differences(table, table)
    assert [entry.images for entry in lists.values()] == [[], []]


def test_the_job(runs, tmp_path, capsys):
    first, second, words = runs
    differences = compare_runs(load_config(words), [first, second], tmp_path)
    # the second run has boxes alone, and finds everything
    assert list(differences) == ["bbox"]
    row = differences["bbox"]["AP"]
    assert row.second == pytest.approx(1) and row.first < 0.9
    assert row.verdict == "better" and row.interval.low > 0
    printed = capsys.readouterr().out
    assert "bbox: second - first" in printed and f" AP    {row.first:.3f} 1.000" in printed
    page = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert "Not known of the second run" in page and NAMES[0] not in page
    # of masks only the first run has results
    figures = pycocotools_figures(first, "segm")
    lacking = second / "eval" / "results_segm.json"
    line = f"segm: no difference, as the second run has no {lacking}; the first run has {figures}"
    assert line in printed.splitlines() and line in page
    turned = compare_runs(load_config(words), [second, first], tmp_path)["bbox"]["AP"]
    assert turned.verdict == "worse"


def test_runs_without_a_kind_in_common_are_one_line(runs, tmp_path):
    first, second, words = runs
    masks = tmp_path / "masks"
    masks.mkdir()
    shutil.copy(first / "results_segm.json", masks)
    with pytest.raises(UserError, match=f"{masks} has results_segm.json alone, .* results_bbox.json alone"):
        compare_runs(load_config(words), [masks, second], tmp_path)
    assert not (tmp_path / "comparison.html").exists()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b'{"st', '{"st'),
        (b'{"step": 2, "total_loss": "x"}', '{"step": 2, "total_loss": "x"}'),
        (b'{"step": 2, "bbox": 5}', '{"step": 2, "bbox": 5}'),
        (b'{"step": "2"}', '{"step": "2"}'),
        (b"\xff\x00", r"\xff\x00"),
    ],
)
def test_a_metrics_file_that_cannot_be_used_costs_the_curves_of_its_run(
    line, shown, runs, tmp_path, caplog, capsys
):
    first, second, words = runs
    file = tmp_path / "run" / "metrics.jsonl"
    shutil.copytree(second, file.parent)
    file.write_bytes(b'{"step": 1, "total_loss": 2.5}\n' + line + b"\n")
    compare_runs(load_config(words), [first, file.parent], tmp_path)
    problem = (
        f"{file}, line 2: a JSON object of figures with \"step\" expected, found '{shown}'; remove this line"
    )
    warning = f"comparison.html has no curves of the training of the second run: {problem}"
    assert [record.getMessage() for record in caplog.records].count(warning) == 1
    page = html.unescape((tmp_path / "comparison.html").read_text(encoding="utf-8"))
    assert f"No curves of the training of the second run: {problem}" in page
    assert f"Total loss of {first}, {file.parent}" in page  # the first run's is drawn


@pytest.mark.parametrize(("factor", "words_of_it"), [(1, "0.300."), (0.5, "0.300 ({}), 0.150 ({}).")])
def test_the_page_names_the_score_of_each_run(factor, words_of_it, runs, tmp_path):
    """All objects are found from a score of 0.3 on, or, with halved scores, from 0.15 on."""
    first, _, words = runs
    other = tmp_path / "other"
    other.mkdir()
    rows = json.loads((first / "results_bbox.json").read_text())
    for row in rows:
        row["score"] *= factor
    (other / "results_bbox.json").write_text(json.dumps(rows))
    compare_runs(load_config(words), [first, other], tmp_path)
    page = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert f"a score of at least {words_of_it.format(first, other)} Of the" in page


def test_its_page_in_a_browser(runs, tmp_path):
    first, second, words = runs
    compare_runs(load_config(words), [first, second], tmp_path)
    with open_browser(400) as page:
        page.get((tmp_path / "comparison.html").as_uri())
        assert page.get_log("browser") == []
        assert page.execute_script("return document.documentElement.scrollWidth") <= 400
        figure = page.find_element("css selector", "figure.picture:not([hidden])")
        titles = [panel.text for panel in figure.find_elements("css selector", ".panel-title")]
        assert titles == ["annotated", str(first), str(second)]
        rows = page.find_elements("css selector", "#classes ~ * tbody th")
        assert sorted(row.text for row in rows) == sorted(NAMES)


def test_data_of_boxes_alone(runs, tmp_path):
    """An evaluation writes an empty results_segm.json for it."""
    first, second, words = runs
    data = tmp_path / "data"
    shutil.copytree(first / "data", data)
    file = data / "annotations" / "instances_val2017.json"
    truth = json.loads(file.read_text())
    for item in truth["annotations"]:
        del item["segmentation"]
    file.write_text(json.dumps(truth))
    folders = []
    for run, results in ((first, first), (second, second / "eval")):
        folders.append(tmp_path / run.name)
        folders[-1].mkdir()
        shutil.copy(results / "results_bbox.json", folders[-1])
        (folders[-1] / "results_segm.json").write_text("[]")
    differences = compare_runs(load_config([f"coco_root={data}"]), folders, tmp_path)
    assert list(differences) == ["bbox"] and differences["bbox"]["AP"].second == pytest.approx(1)
    assert (tmp_path / "comparison.html").exists()


def test_all_pictures_that_differ_are_in_the_page(runs, tmp_path):
    first, second, words = runs
    compare_runs(load_config(words), [first, second], tmp_path)
    with open_browser(1000) as page:
        page.get((tmp_path / "comparison.html").as_uri())
        figures = page.find_elements("css selector", "figure.picture")
    assert len(figures) > 6  # a mistake in each third of 32 pictures


def test_what_cannot_be_compared_is_one_line(runs, tmp_path):
    first, second, words = runs
    config = load_config(words)
    with pytest.raises(UserError, match="1 folders; two are compared"):
        compare_runs(config, [first], tmp_path)
    with pytest.raises(UserError, match="neither it nor .* has a results_bbox.json or results_segm.json"):
        compare_runs(config, [first, tmp_path], tmp_path)
    other = tmp_path / "other"
    shutil.copytree(second, other)
    for content in ("[1]", "{"):
        (other / "report_settings.json").write_text(content)
        with pytest.raises(UserError, match="report_settings.json: .*remove it"):
            compare_runs(config, [first, other], tmp_path)
    (other / "report_settings.json").unlink()
    rows = json.loads((other / "eval" / "results_bbox.json").read_text())
    rows[0]["image_id"] = 77
    (other / "eval" / "results_bbox.json").write_text(json.dumps(rows))
    with pytest.raises(UserError, match="image id 77 of the results is not in it"):
        compare_runs(config, [first, other], tmp_path)
