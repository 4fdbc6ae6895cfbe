"""Every mistake that a txt file can have: what is found, where, and what is done about it."""

from __future__ import annotations

import pytest
from PIL import Image

from src.config import load_config
from src.data.check.data_check import check_data
from src.data.finding_kinds import KINDS
from src.data_settings import data_check_settings
from tests.data.check.checking import CLASSES, found, said_before_training


def check_rows(folder, data):
    """The DataCheck of a txt file with these bytes and two pictures."""
    path = folder / "rows.txt"
    path.write_bytes(data)
    for name in ("a.jpg", "b c.jpg"):
        Image.new("RGB", (128, 96)).save(folder / name)
    config = load_config(["dataset=other", f"IMAGE_DIR={folder}", f"ANNO_PATH={path}", CLASSES])
    return check_data(data_check_settings(config), quiet=True)


@pytest.mark.parametrize(
    "data, kind, location",
    [
        (b"a.jpg 1,2,30,40,1\na.jpg 1,2,30,40\n", "row_form", "line 2"),
        (b"a.jpg 1,2,30,40,1,5\n", "row_form", "line 1"),
        (b"1,2,30,40,1\na.jpg 1,2,30,40,1\n", "row_form", "line 1"),
        (b"a.jpg 1,2,x,40,1\n", "row_number", "line 1"),
        (b"a.jpg 1,2,30,40,3\n", "row_class", "line 1"),
        (b"a.jpg 1,2,30,40,0\n", "row_class", "line 1"),
        (b"a.jpg 1,2,30,40,cat\n", "row_class", "line 1"),
        (b"b c.jpg 1,2,30,40,1\n", "name_spaces", "line 1"),
        (b"a.jpg 1,2,30,40,1\r\n", "windows_line_ends", "line 1"),
        (b"\xef\xbb\xbfa.jpg 1,2,30,40,1\n", "byte_order_mark", "line 1"),
        (b"a.jpg 1,2,30,40,1\n\xff.jpg\n", "file_syntax", "line 2"),
        (b"", "file_form", ""),
        (b"\n \n", "file_form", ""),
        (b"none.jpg 1,2,30,40,1\n", "picture_missing", "line 1"),
        (b"../a.jpg 1,2,30,40,1\n", "image_outside", "line 1"),
        (b"a.jpg 1,2,30,40,1\na.jpg 1,2,30,40,1\n", "image_file_twice", "line 2"),
        (b"a.jpg 1,2,30,40,1;1,2,30,2,30,40 5,5,9,9,1\n", "masks_mixed", "line 1"),
        (b"a.jpg 9,2,3,40,1 1,2,30,40,1\n", "box_empty", "line 1 box 1"),
        (b"a.jpg 1,2,30,40,1 nan,2,3,4,2\n", "box_infinite", "line 1 box 2"),
        (b"a.jpg 1,2,30,400,1\n", "box_partly", "line 1 box 1"),
        (b"a.jpg 1,2,30,40,1\nb c.jpg\n", "empty_picture", "line 2"),
        (b"a.jpg\n", "nothing", ""),
        (b"a.jpg 1,2,30,40,1;1,2,30,2,30,40;1,2,30,2\n", "polygon_short", "line 1 box 1 polygon [1]"),
        (b"a.jpg 1,2,30,40,1;1,2,30,40,30,2,1,40\n", "polygon_crossing", "line 1 box 1 polygon [0]"),
    ],
)
def test_each_mistake_in_a_txt_file(tmp_path, caplog, data, kind, location):
    result = check_rows(tmp_path, data)
    (one,) = found(result, kind)
    assert one["place"] == location
    assert one["action"] == KINDS[kind].action
    assert one["file"] == str(tmp_path / "rows.txt")
    if one["action"] == "fatal":
        assert result.exit_code == 2
    else:
        assert result.exit_code == max(result.exit_code, one["action"] == "skipped")
    lines, error = said_before_training(result, tmp_path, caplog)
    if one["action"] == "fatal":
        assert str(tmp_path / "rows.txt") in error
        assert not location or f"rows.txt:{location[5:]}:" in error
    else:
        assert sum(f"rows.txt: 1 x {KINDS[kind].text}" in line for line in lines) == 1


def test_all_mistakes_of_a_txt_file_are_found_at_once(tmp_path):
    result = check_rows(
        tmp_path,
        b"a.jpg 1,2,x,4,1\nb c.jpg 1,2,30,40,7\nnone.jpg 5,5,20,20,1\n9,9,9,9,9\na.jpg 1,2,30,40,2\n",
    )
    counts = result.findings.counts
    fatal = {kind: count for kind, count in counts.items() if KINDS[kind].action == "fatal"}
    assert fatal == {"row_number": 1, "row_class": 1, "picture_missing": 1, "row_form": 1}
    assert [record.labels.tolist() for record in result.source.records] == [[], [], [2]]
