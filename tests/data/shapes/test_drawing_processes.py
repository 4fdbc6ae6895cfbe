"""Drawing in several processes."""

import os

import pytest

from src.data.shapes.drawing_processes import PictureTask, draw_files
from src.data.shapes.drawn_data import draw_shapes
from src.errors import DataError


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core: everything is drawn in one process")
def test_several_processes_draw_what_one_draws(tmp_path, monkeypatch):
    draw_shapes(tmp_path / "several", 410, 1, size=(64, 64), seed=3)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    draw_shapes(tmp_path / "one", 410, 1, size=(64, 64), seed=3)
    names = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(names) == 410 + 1 + 3  # the pictures, two annotation files and the marker
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "several" / name).read_bytes(), name


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core: everything is drawn in one process")
def test_a_picture_that_cannot_be_written_by_a_process(tmp_path):
    missing = tmp_path / "missing"
    tasks = [PictureTask(str(missing / f"{n}.jpg"), "plain", (64, 64), (1, n), (3, 7)) for n in range(400)]
    with pytest.raises(OSError, match=r"0\.jpg could not be written"):
        list(draw_files(tasks))


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core: everything is drawn in one process")
def test_a_process_that_ends_before_it_has_its_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr("src.data.processes._PROGRAM", "raise SystemExit(3)")
    tasks = [PictureTask(str(tmp_path / f"{n}.jpg"), "plain", (64, 64), (1, n), (3, 7)) for n in range(4000)]
    with pytest.raises(DataError, match="a process that drew pictures ended with code 3"):
        list(draw_files(tasks))
