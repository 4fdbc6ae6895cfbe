"""A whole repair without the server: what the corrected file holds."""

from __future__ import annotations

import json

import pytest

from src.config import load_config
from src.data.images.rasterize import segmentation_to_mask
from src.errors import ConfigError, DataError
from src.repair.command import open_session
from src.repair.session import Stale
from tests.repair.labels import annotation, make_run, read, row, square, usual_labels

KINDS = ("missing", "spurious", "class", "poor", "twice")


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path)


@pytest.fixture
def opened():
    """Opens a session that is closed at the end of the test."""
    sessions = []

    def open_one(run, *words, out=None):
        sessions.append(open_session(load_config(words), str(run), out))
        return sessions[-1]

    yield open_one
    for session in sessions:
        session.close()


def keys_of(session):
    return {suspect.kind: key for key, suspect in session.suspects.items()}


def decide(session, key, decision):
    session.decide(key, decision, session.state_of(key)[1])


def files(run):
    folder = run.parent / "annotations"
    return folder / "instances_val.json", folder / "instances_val.repaired.json"


def test_accepting_everything_gives_the_right_labels_and_nothing_else_changes(run, opened):
    original, repaired = files(run)
    before = original.read_bytes()
    session = opened(run)
    keys = keys_of(session)
    assert set(keys) == set(KINDS)
    for key in keys.values():
        decide(session, key, "accept")
    assert session.write() == repaired
    old, new = read(original), read(repaired)
    assert original.read_bytes() == before
    assert {key: value for key, value in new.items() if key != "annotations"} == {
        key: value for key, value in old.items() if key != "annotations"
    }
    items = {item["id"]: item for item in new["annotations"]}
    of_old = {item["id"]: item for item in old["annotations"]}
    assert list(items) == [11, 21, 31, 32, 41, 43], "22 and 42 are removed, 43 is new"
    assert all(items[i] == of_old[i] for i in (11, 21, 41))
    assert items[31] == {**of_old[31], "category_id": 7}
    assert items[32]["attributes"] == {"truncated": False} and items[32]["bbox"] == [50, 50, 20, 20]
    mask = segmentation_to_mask(items[32]["segmentation"], 100, 100)
    assert (mask == square(50, 50)).all()
    new_one = items[43]
    assert (new_one["image_id"], new_one["category_id"], new_one["bbox"]) == (1, 3, [60, 60, 20, 20])
    assert (segmentation_to_mask(new_one["segmentation"], 100, 100) == square(60, 60)).all()
    assert '"note": {' in repaired.read_text(encoding="utf-8") and "é" in repaired.read_text(encoding="utf-8")


def test_rejected_and_skipped_ones_change_nothing(run, opened):
    original, repaired = files(run)
    session = opened(run)
    for number, key in enumerate(session.suspects):
        decide(session, key, ("reject", "skip")[number % 2])
    session.write()
    assert repaired.read_text() == original.read_text()


def test_undo_gives_the_original_text_again(run, opened):
    original, repaired = files(run)
    session = opened(run)
    for key in session.suspects:
        decide(session, key, "accept")
    for _ in session.suspects:
        session.undo(session.revision)
    session.write()
    assert repaired.read_text() == original.read_text()
    with pytest.raises(Stale, match="nothing to undo"):
        session.undo(session.revision)


def test_it_goes_on_where_it_stopped_and_never_gives_an_id_twice(run, opened):
    keys = keys_of(session := opened(run))
    decide(session, keys["missing"], "accept")
    session.close()
    session = opened(run)
    assert session.state_of(keys["missing"]) == ("accept", 1)
    session.undo(1)
    decide(session, keys["missing"], "accept")
    session.write()
    assert [item["id"] for item in read(files(run)[1])["annotations"]][-1] == 44


def test_a_decision_about_what_was_decided_elsewhere_is_refused(run, opened):
    session = opened(run)
    first, second = list(session.suspects)[:2]
    session.decide(first, "accept", 0)
    with pytest.raises(Stale, match="decided: accept"):
        session.decide(first, "reject", 0)
    session.decide(second, "reject", 0)
    with pytest.raises(Stale, match="in another tab"):
        session.undo(1)
    assert session.undo(2) == second
    with pytest.raises(Stale, match="undone"):
        session.decide(second, "accept", 2)
    session.decide(second, "accept", 3)
    session.decide(first, "reject", 1)
    assert session.overview()["decisions"] == {first: "reject", second: "accept"}


def test_boxes_alone_are_repaired_too(tmp_path, opened):
    annotations, rows = usual_labels()
    for item in annotations:
        del item["segmentation"]
    boxes = [[10, 10], [60, 60], [10, 10], [10, 10], [50, 50], [10, 10]]
    for one, corner in zip(rows, boxes):
        del one["segmentation"]
        one["bbox"] = [*map(float, corner), 20.0, 20.0]
    session = opened(make_run(tmp_path, annotations, rows))
    keys = keys_of(session)
    assert set(keys) == set(KINDS)
    decide(session, keys["missing"], "accept")
    decide(session, keys["poor"], "accept")
    session.write()
    items = {item["id"]: item for item in read(files(tmp_path / "run")[1])["annotations"]}
    assert items[43] == {
        "id": 43,
        "image_id": 1,
        "category_id": 3,
        "iscrowd": 0,
        "bbox": [60, 60, 20, 20],
        "area": 400,
    }
    assert items[32]["bbox"] == [50, 50, 20, 20] and "segmentation" not in items[32]


def test_the_data_may_be_elsewhere_now(run, opened, tmp_path):
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("annotations", "val"):
        (run.parent / name).rename(moved / name)
    with pytest.raises(DataError, match="no such file; name the one that"):
        opened(run)
    session = opened(run, f"coco_root={moved}", "val_data_type=val")
    assert session.records[1].path == str(moved / "val" / "1.png")


def test_a_run_without_evaluated_data_is_told_where_they_are(run, opened):
    (run / "evaluated_data.json").unlink()
    results = run.parent / "results.json"
    (run / "results_segm.json").write_text(results.read_text())
    (run / "results_bbox.json").write_text("[]")
    with pytest.raises(DataError, match="nothing in it tells which annotations"):
        opened(run)
    session = opened(run, f"coco_root={run.parent}", "val_data_type=val")
    assert set(keys_of(session)) == set(KINDS)
    session.close()
    settings = {"coco_root": str(run.parent), "val_data_type": "val", "dataset": "coco"}
    (run / "report_settings.json").write_text(json.dumps(settings))
    assert set(keys_of(opened(run))) == set(KINDS)


def test_masks_alone_repair_no_boxes(run, opened):
    (run / "evaluated_data.json").unlink()
    (run.parent / "results.json").rename(run / "results_segm.json")
    words = (f"coco_root={run.parent}", "val_data_type=val")
    session = opened(run, *words)
    assert set(keys_of(session)) == set(KINDS)
    session.close()
    original, _ = files(run)
    labels = read(original)
    for item in labels["annotations"]:
        del item["segmentation"]
    original.write_text(json.dumps(labels))
    with pytest.raises(DataError, match="boxes alone are annotated, and the run has results of masks alone$"):
        opened(run, *words)


def test_what_cannot_be_repaired_is_said_in_one_line(run, opened, tmp_path):
    original, repaired = files(run)

    def refused(expected, error=DataError, **more):
        with pytest.raises(error, match=expected) as raised:
            opened(run, *more.get("words", ()), out=more.get("out"))
        assert "\n" not in str(raised.value)

    refused("this is the annotation file", ConfigError, out=str(original))
    repaired.write_text("{}")
    refused("there is such a file, but no", ConfigError)
    repaired.unlink()
    refused(
        "dataset=other: repair.py takes COCO JSON; convert the data first",
        ConfigError,
        words=["dataset=other"],
    )
    with pytest.raises(DataError, match="no such folder"):
        opened(tmp_path / "nowhere")
    with pytest.raises(DataError, match="results_bbox.json"):
        opened(tmp_path)
    text = original.read_text()
    original.write_text(text.replace('"old"', '"new"'))
    refused("instances_val.json: it has changed since it was evaluated")
    original.write_text(text)
    results = run.parent / "results.json"
    results.write_text(results.read_text() + " ")
    refused("results.json: it has changed since it was evaluated")


def test_changes_after_the_first_decision_are_refused(run, opened):
    session = opened(run)
    decide(session, next(iter(session.suspects)), "accept")
    session.close()
    original, _ = files(run)
    original.write_text(original.read_text().replace('"old"', '"new"'))
    told = run / "evaluated_data.json"
    content = read(told)
    del content["annotation_sha256"]
    told.write_text(json.dumps(content))
    with pytest.raises(DataError, match="since the decisions in .*log.jsonl were made"):
        opened(run)


@pytest.mark.parametrize(
    "change", [{"annotation_file": ["a"]}, {"picture_folder": 5}, {"results": {"segm": 5}}, {"results": []}]
)
def test_evaluated_data_of_another_kind_is_one_line(run, opened, change):
    told = run / "evaluated_data.json"
    told.write_text(json.dumps({**read(told), **change}))
    with pytest.raises(DataError, match="not what an evaluation writes"):
        opened(run)


def test_right_labels_have_no_suspects(tmp_path, opened):
    run = make_run(tmp_path, [annotation(1, 1, 10, 10)], [row(1, 10, 10)])
    with pytest.raises(DataError, match="no object is suspected"):
        opened(run)
    assert not list((tmp_path / "annotations").glob("*.jsonl"))
