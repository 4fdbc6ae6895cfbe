"""The check of a whole data set: needs of training, files that are not annotations, many findings at once."""

from __future__ import annotations

import json

import pytest

from src.config import load_config
from src.data.check.data_check import check_data, checked_source
from src.data_settings import data_check_settings
from src.errors import ConfigError, DataError
from tests.data.check.checking import CLASSES, JSON, check, found
from tests.data.check.list_mistakes import no_objects


def test_too_many_objects_and_settings_of_training(coco_folder):
    root = coco_folder(pictures=3, change=no_objects)
    result = check(root, "max_instance_count=2")
    assert [one["image_id"] for one in found(result, "too_many")] == [10, 30]
    assert result.exit_code == 1
    assert check(root, "keep_empty=True").exit_code == 0
    assert not found(check(root, "max_instance_count=2", split="val"), "too_many")
    for split in ("train", "val"):  # pictures of both are placed on the canvas
        small = check(root, "resize=short_side", "img_width=256", "img_height=256", split=split)
        assert small.exit_code == 2
        assert "write img_width=1344" in found(small, "canvas")[0]["detail"]


@pytest.mark.parametrize(("pictures", "crowds", "is_told"), [(28, 21, True), (28, 20, False), (4, 6, False)])
def test_many_crowds_are_told(coco_folder, pictures, crowds, is_told):
    """CVAT's COCO export makes crowds of its brush's masks. A picture has three objects."""

    def change(content):
        for item in content["annotations"][:crowds]:
            item["iscrowd"] = 1

    result = check(coco_folder(pictures=pictures, change=change), "check_data=quick")
    details = [one["detail"] for one in found(result, "many_crowds")]
    assert details == ([f"{crowds} of {3 * pictures}"] if is_told else [])


def test_classes_that_contradict_num_classes(coco_folder):
    root = coco_folder(pictures=1)
    with pytest.raises(ConfigError, match="num_classes=5 contradicts coco_classes=auto, which finds 3"):
        check_data(
            data_check_settings(load_config([f"coco_root={root}", "coco_classes=auto", "num_classes=5"])),
            quiet=True,
        )
    with pytest.raises(ConfigError, match="num_classes=5 contradicts coco_classes"):
        load_config([CLASSES, "num_classes=5"])


@pytest.mark.parametrize(
    "data, kind, words",
    [
        (b"", "file_syntax", "empty"),
        (b'{"images": [{"id": 1', "file_syntax", "cut off"),
        (b"hello", "file_syntax", "line 1 column 1"),
        (b'{"images": [], "annotations": [], "images": []}', "file_syntax", "second time"),
        (b"[]", "file_form", "list at the top level"),
        (b'{"a": 1}', "file_form", "'categories' is missing"),
        (b'{"categories": [], "images": 3}', "file_form", "'images' is a int"),
        (b'{"categories": [], "images": [], "annotations": {}}', "file_form", "'annotations' is a dict"),
        (b"\xff{}", "file_syntax", "not UTF-8"),
        (b'{"categories": [], "images": []}', "file_form", "no class"),
        (b'{"images": []} {}', "file_syntax", "Extra data"),
    ],
)
def test_files_that_are_not_annotations(tmp_path, data, kind, words):
    (tmp_path / "annotations").mkdir()
    (tmp_path / JSON).write_bytes(data)
    result = check(tmp_path)
    (one,) = found(result, kind)
    assert words in one["detail"]
    assert result.exit_code == 2
    assert result.source is None
    assert str(tmp_path / JSON) in result.first_fatal()


def test_a_missing_file_and_a_byte_order_mark(coco_folder, tmp_path):
    assert "No such file" in found(check(tmp_path), "file_unreadable")[0]["detail"]
    path = coco_folder(pictures=1) / JSON
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    result = check(path.parents[1])
    assert found(result, "byte_order_mark")
    assert result.exit_code == 0
    assert len(result.source.records) == 1


def test_a_training_set_with_several_mistakes_says_each_kind_once(coco_folder, caplog):
    def no_widths(content):
        for item in content["annotations"][:4]:
            item["bbox"][2] = 0

    root = coco_folder(pictures=5, change=no_widths)
    for number in (2, 3):
        (root / "train2017" / f"00000{number}.jpg").unlink()
    config = load_config([f"coco_root={root}", CLASSES])
    with pytest.raises(DataError) as error:
        checked_source(data_check_settings(config), root / "out" / "data_report.json")
    assert "images[1]: picture" in str(error.value)
    assert "and 1 more" in str(error.value)
    assert "out/data_report.json" in str(error.value)
    messages = [message for message in caplog.messages if "gaps" not in message]
    assert [message.split(" x ")[0].split(": ")[1] for message in messages] == ["4", "2", "1"]
    report = json.loads((root / "out" / "data_report.json").read_text())
    assert report["exit_code"] == 2
    assert report["counts"] == {"fatal": 2, "skipped": 5, "fixed": 0, "kept": 1}
    settings = data_check_settings(config.replace(bad_pictures="skip"))
    source = checked_source(settings, root / "out" / "data_report.json")
    assert [record.image_id for record in source.records] == [10, 40, 50]


def test_all_findings_are_counted_where_few_are_listed(coco_folder):
    def no_areas(content):
        for item in content["annotations"]:
            del item["area"]

    result = check(coco_folder(change=no_areas), limit=3)
    assert len(found(result, "area_form")) == 3
    assert result.findings.counts["area_form"] == 18
    kind = next(one for one in result.as_json()["kinds"] if one["kind"] == "area_form")
    assert (kind["count"], kind["listed"]) == (18, 3)
