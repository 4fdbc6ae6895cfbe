"""Files that have their names only when they are whole."""

import json
import os

import pytest

from src.errors import DataError
from src.whole_files import JsonList, WholeFile


@pytest.mark.parametrize("items", [[], [1], [{"a": "Ω\n"}, [], None]])
def test_a_list_written_item_by_item(tmp_path, items):
    path = tmp_path / "new" / "list.json"
    with JsonList(path) as written:
        for item in items:
            assert not path.exists()
            written.append(item)
    assert json.loads(path.read_text(encoding="utf-8")) == items
    assert [file.name for file in path.parent.iterdir()] == ["list.json"]


def test_after_an_error_the_file_before_is_still_there(tmp_path):
    (tmp_path / "a.json").write_text("before")
    for name in ("a.json", "b.json"):
        with pytest.raises(KeyError):
            with JsonList(tmp_path / name) as written:
                written.append(1)
                raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "before"


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="choose a folder"):
        WholeFile(tmp_path / "file" / "a.csv")


def test_a_file_name_that_is_no_text(tmp_path):
    """Linux allows any bytes. Those that are no UTF-8 come back as Python gives them."""
    name = b"\xff\xfe \xe7\x8c\xab.png".decode("utf-8", "surrogateescape")
    with JsonList(tmp_path / "list.json") as written:
        written.append({"file_name": name})
    (row,) = json.loads((tmp_path / "list.json").read_text(encoding="utf-8"))
    assert row["file_name"].encode("utf-8", "surrogateescape") == b"\xff\xfe \xe7\x8c\xab.png"


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    """/dev/full refuses what is written to it when the file is closed, or before."""
    (tmp_path / f".list.{os.getpid()}.json").symlink_to("/dev/full")
    with pytest.raises(DataError, match="list.json: No space left on device; choose a folder"):
        with JsonList(tmp_path / "list.json") as written:
            written.append("x" * 100_000)
    assert list(tmp_path.iterdir()) == []
