"""How evaluation is shared over processes; two of them evaluate in test_two_ranks.py."""

import pytest

from src.config import load_config
from src.engine.inference.evaluation import ResultRows, evaluation_settings, own_records, write_figures
from src.evaluation.ground_truth import read_annotations_alone
from tests.evaluation.coco_examples import perfect_rows, small_truth


@pytest.mark.parametrize(("count", "num", "sizes"), [(42, 4, [11, 11, 10, 10]), (2, 3, [1, 1, 0])])
def test_shares_as_detectron2_makes_them(count, num, sizes):
    shares = [own_records(list(range(count)), 1, rank, num) for rank in range(num)]
    assert [len(part) for part in shares] == sizes
    assert sorted(sum(shares, [])) == list(range(count))


@pytest.mark.parametrize("words", [[], ["eval_details=True"]])
def test_details_are_written_beside_the_results_where_they_are_asked_for(tmp_path, words):
    source = read_annotations_alone(small_truth())
    rows = ResultRows(perfect_rows(small_truth()), [])
    metrics = write_figures(rows, evaluation_settings(load_config(words)), source, tmp_path, with_masks=False)
    assert list(metrics) == ["bbox"] and metrics["bbox"]["AP"] == pytest.approx(1)
    details = {"detections_bbox.csv", "objects_bbox.csv", "eval_details.json"} if words else set()
    results = {"metrics.json", "evaluated_data.json", "results_bbox.json", "results_segm.json"}
    assert {path.name for path in tmp_path.iterdir()} == results | details
