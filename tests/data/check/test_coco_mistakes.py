"""Every mistake that a COCO file can have: what is found, where, and what is done about it."""

from __future__ import annotations

import pytest

from src.data.check.data_check import report_text
from src.data.finding_kinds import KINDS
from tests.data.check.checking import JSON, check, found, said_before_training
from tests.data.check.list_mistakes import LIST_MISTAKES
from tests.data.check.object_mistakes import BOX, OBJECT_MISTAKES, RUNS, SQUARE

MISTAKES = LIST_MISTAKES + OBJECT_MISTAKES


@pytest.mark.parametrize(
    "mistake", MISTAKES, ids=[f"{number}-{mistake.kind}" for number, mistake in enumerate(MISTAKES)]
)
def test_each_mistake_is_found_and_named(coco_folder, caplog, mistake):
    kind = mistake.kind
    action = mistake.action
    root = coco_folder(pictures=3, change=mistake.change)
    result = check(root)
    (one,) = found(result, kind)
    assert one["action"] == action
    assert one["place"] == mistake.location
    assert one["image_id"] == mistake.image_id
    assert one["annotation_id"] == mistake.annotation_id
    assert one["file"] == str(root / JSON)
    assert one["what"] == KINDS[kind].text
    assert "\n" not in one["detail"]
    assert result.exit_code == {"fatal": 2, "skipped": 1}.get(action, result.exit_code)
    assert action in ("fatal", "skipped") or result.exit_code == 0
    assert sum(line.startswith(action) and KINDS[kind].text in line for line in report_text(result)) == 1
    lines, error = said_before_training(result, root, caplog)
    assert sum(f"{root / JSON}: 1 x {KINDS[kind].text}" in line for line in lines) == (
        len(result.findings.counts) > 1 or error is None
    )
    assert (error is not None) == (result.exit_code == 2)
    if action == "fatal":
        assert str(root / JSON) in error and mistake.location in error


def test_records_hold_what_the_findings_say(coco_folder):
    """A box given as corners, a box taken around a mask, computed areas."""

    def change(content):
        items = content["annotations"]
        items[0].update(bbox=[10, 20, 50, 50], segmentation=[SQUARE], area=None)
        items[1].update(bbox=None, segmentation=[SQUARE], area=1200)
        items[2].update(bbox=BOX, segmentation=RUNS, iscrowd=1, area=float("nan"))

    record = check(coco_folder(pictures=1, change=change)).source.records[0]
    assert record.boxes.tolist() == [[10, 20, 50, 50]] * 3
    assert record.areas.tolist() == [1200, 1200, 30]


def test_boxes_of_a_whole_file_as_corners_are_fatal(coco_folder):
    def change(content):
        for item in content["annotations"]:
            x, y, w, h = item["bbox"]
            item["bbox"] = [x, y, x + w, y + h]

    result = check(coco_folder(masks=False, change=change))
    assert result.exit_code == 2
    assert "write widths and heights" in found(result, "boxes_as_corners")[0]["detail"]
    assert not found(check(coco_folder(masks=False, name="right")), "boxes_as_corners")
