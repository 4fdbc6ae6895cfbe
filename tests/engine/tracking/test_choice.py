"""The key `tracker` and the package that it needs."""

from __future__ import annotations

import json

import pytest

from src.engine.display.metrics_file import FollowedMetrics
from src.engine.tracking.choice import check_tracker
from src.errors import ConfigError
from tests.small_job import run


@pytest.mark.parametrize(("name", "package"), [("mlflow", "mlflow-skinny"), ("wandb", "wandb")])
def test_a_missing_package_is_one_line_with_the_command(monkeypatch, tmp_path, name, package):
    """A folder of the package's name, which wandb leaves in the current folder, is no package."""
    (tmp_path / name).mkdir()
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    monkeypatch.delitem(__import__("sys").modules, name, raising=False)
    with pytest.raises(ConfigError, match=rf"^tracker={name}: .* not installed; pip install {package} "):
        check_tracker(name)
    check_tracker("none")


def test_training_says_so_before_it_converts_the_data(coco_folder, tmp_path):
    data = coco_folder(pictures=2)
    program = tmp_path / "sitecustomize.py"
    program.write_text("import sys\nsys.modules['mlflow'] = None\n")  # as where it is not installed
    words = [f"coco_root={data}", "coco_classes=auto", "device_target=CPU", "tracker=mlflow"]
    done = run("train.py", tmp_path, *words, code=2, PYTHONPATH=str(tmp_path))
    assert done.stderr.strip().splitlines()[-1].startswith("error: tracker=mlflow: ")
    assert "pip install mlflow-skinny" in done.stderr
    assert not (tmp_path / "mindrecord").exists()


def test_following_a_file_gives_each_row_once(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps({"step": step}) + "\n" for step in (1, 2, 3)) + '{"st')
    followed = FollowedMetrics(path, count=1)
    assert [row["step"] for row in followed.new_rows()] == [2, 3]
    assert followed.new_rows() == []
    with path.open("a") as file:
        file.write('ep": 4}\n{"step": 5}\n')
    assert [row["step"] for row in followed.new_rows()] == [4, 5]
    later = FollowedMetrics(path, count=9)
    assert later.new_rows() == []
    with path.open("a") as file:
        file.write("".join(json.dumps({"step": step}) + "\n" for step in range(6, 12)))
    assert [row["step"] for row in later.new_rows()] == [10, 11]
