"""Where the report takes the curves of a training from."""

from __future__ import annotations

import json

import pytest

from src.config import load_config
from src.engine.inference.evaluation import evaluation_settings
from src.engine.inference.run_report import start_report
from tests.report.drawn_run import training_rows


@pytest.fixture
def settings():
    return evaluation_settings(load_config(["report=True"])).report


def test_rows_of_the_work_folder(settings, tmp_path):
    rows = training_rows()
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert start_report(settings, None, tmp_path).training_rows == rows


def test_a_damaged_file_costs_the_curves_alone(settings, tmp_path, caplog):
    (tmp_path / "metrics.jsonl").write_text("no JSON\n{}\n")
    report = start_report(settings, None, tmp_path)
    assert report.training_rows == []
    assert "the report has no curves of the training" in caplog.text


def test_a_file_of_another_program_gives_a_page_without_curves(settings, tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "total_loss": 2.0}\n')
    page = start_report(settings, None, tmp_path).write(tmp_path, {}).read_text()
    assert "Mask R-CNN" in page and "<svg" not in page
