"""Every mistake that annotations can hold, in JSON and in txt form, made on the spot: what is found, where, and what is done about it."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from src.config import load_config
from src.data.check.data_check import check_data, checked_source, report_text
from src.data.finding_kinds import KINDS
from src.errors import ConfigError, DataError
from tests.data.check.checking import CLASSES, JSON, check, found, said_before_training


def first(**changes):
    """A change of the first annotation (image 10, id 1)."""
    return lambda content: content["annotations"][0].update(changes)


def picture(**changes):
    """A change of the second image (id 20)."""
    return lambda content: content["images"][1].update(changes)


def category(**changes):
    return lambda content: content["categories"].append({"id": 9, "name": "third", **changes})


def no_objects(content):
    content["annotations"] = [item for item in content["annotations"] if item["image_id"] != 20]


def crowd_alone(content):
    for item in content["annotations"]:
        item["iscrowd"] = int(item["image_id"] == 20)


def zero(content):
    content["categories"][0]["id"] = 0
    for item in content["annotations"]:
        item["category_id"] = 0


def renumbered(part, number):
    """A change of the second image's or category's id, and of what refers to it."""

    def change(content):
        before, content[part][1]["id"] = content[part][1]["id"], number
        key = {"images": "image_id", "categories": "category_id"}[part]
        for item in content["annotations"]:
            item[key] = number if item[key] == before else item[key]

    return change


def corners(content):
    """The first box as corners, which its mask shows."""
    x, y, w, h = content["annotations"][0]["bbox"]
    content["annotations"][0]["bbox"] = [x, y, x + w, y + h]


BOX = [10.0, 20.0, 40.0, 30.0]
SQUARE = [10, 20, 50, 20, 50, 50, 10, 50]
RUNS = {
    "size": [96, 128],
    "counts": [96 * 10 + 20, 30, 96 * 117 + 46],
}  # a pixel column at x = 10 from y = 20 to 50

# kind, action, place, image id, annotation id, the change that makes it
CASES = [
    ("category_form", "fatal", "categories[2]", None, None, category(name=5)),
    ("category_form", "fatal", "categories[2]", None, None, category(id="nine")),
    ("category_form", "fatal", "categories[2]", None, None, category(name=" ")),
    ("category_twice", "fatal", "categories[2]", None, None, category(id=3)),
    ("category_twice", "fatal", "categories[2]", None, None, category(name="disc")),
    ("category_names", "fatal", "", None, None, category()),
    ("category_zero", "kept", "categories[0].id", None, None, zero),
    ("category_gaps", "kept", "categories", None, None, first()),
    ("image_form", "fatal", "images[1]", None, None, picture(id="twenty")),
    ("image_form", "fatal", "images[1]", None, None, picture(file_name=None)),
    ("image_twice", "fatal", "images[1]", 10, None, picture(id=10)),
    ("image_file_twice", "kept", "images[1].file_name", 20, None, picture(file_name="000001.jpg")),
    ("image_outside", "fatal", "images[1].file_name", 20, None, picture(file_name="/etc/hostname")),
    ("image_outside", "fatal", "images[1].file_name", 20, None, picture(file_name="../val2017/000001.jpg")),
    ("image_size_missing", "fixed", "images[1]", 20, None, picture(width=None)),
    (
        "image_size_missing",
        "fixed",
        "images[1]",
        20,
        None,
        lambda content: content["images"][1].pop("height"),
    ),
    ("image_size_missing", "fixed", "images[1]", 20, None, picture(width=0)),
    ("image_size_missing", "fixed", "images[1]", 20, None, picture(width=10**9, height=10**9)),
    ("picture_size", "fatal", "images[1]", 20, None, picture(width=127)),
    ("picture_missing", "fatal", "images[1]", 20, None, picture(file_name="none.jpg")),
    ("picture_missing", "fatal", "images[1]", 20, None, picture(file_name="none.jpg", width=None)),
    ("respelled", "fixed", "images[1].id", 20, None, picture(id="20")),
    ("respelled", "fixed", "images[1].width", 20, None, picture(width="128")),
    ("respelled", "fixed", "images[1].id", 20, None, picture(id=20.0)),
    (
        "respelled",
        "fixed",
        "categories[1].id",
        None,
        None,
        lambda content: content["categories"][1].update(id="7"),
    ),
    ("respelled", "fixed", "annotations[0].image_id", 10, 1, first(image_id=10.0)),
    ("respelled", "fixed", "annotations[0].category_id", 10, 1, first(category_id="3")),
    ("respelled", "fixed", "annotations[0].id", 10, 1, first(id="1")),
    ("large_id", "kept", "annotations[0].id", 10, 2**40, first(id=2**40)),
    ("large_id", "kept", "images[1].id", 2**40, None, renumbered("images", 2**40)),
    ("large_id", "kept", "categories[1].id", None, None, renumbered("categories", 2**40)),
    (
        "annotation_form",
        "skipped",
        "annotations[0]",
        None,
        None,
        lambda content: content["annotations"].__setitem__(0, [1]),
    ),
    ("annotation_image", "skipped", "annotations[0].image_id", 999, 1, first(image_id=999)),
    ("annotation_image", "skipped", "annotations[0].image_id", None, 1, first(image_id="ten")),
    ("annotation_category", "skipped", "annotations[0].category_id", 10, 1, first(category_id=4)),
    ("annotation_category", "skipped", "annotations[0].category_id", 10, 1, first(category_id=0)),
    (
        "annotation_id",
        "fixed",
        "annotations[1].id",
        10,
        1,
        lambda content: content["annotations"][1].update(id=1),
    ),
    ("annotation_id", "fixed", "annotations[0].id", 10, None, first(id=2**70)),
    (
        "crowd_spelled",
        "fixed",
        "annotations[0].is_crowd",
        10,
        1,
        lambda content: content["annotations"][0].update(is_crowd=content["annotations"][0].pop("iscrowd")),
    ),
    ("crowd_value", "fixed", "annotations[0].iscrowd", 10, 1, first(iscrowd=True)),
    ("crowd_value", "fixed", "annotations[0].iscrowd", 10, 1, first(iscrowd=2)),
    ("box_form", "skipped", "annotations[0].bbox", 10, 1, first(bbox=[1, 2, 3])),
    ("box_form", "skipped", "annotations[0].bbox", 10, 1, first(bbox="1,2,3,4")),
    ("box_infinite", "skipped", "annotations[0].bbox", 10, 1, first(bbox=[float("nan"), 2, 3, 4])),
    ("box_infinite", "skipped", "annotations[0].bbox", 10, 1, first(bbox=[1, 2, float("inf"), 4])),
    ("box_infinite", "skipped", "annotations[0].bbox", 10, 1, first(bbox=[1, 2, 10**400, 4])),
    ("box_empty", "skipped", "annotations[0].bbox", 10, 1, first(bbox=[1, 2, 0, 4])),
    ("box_empty", "skipped", "annotations[0].bbox", 10, 1, first(bbox=[50, 50, -20, 10])),
    ("box_outside", "skipped", "annotations[0].bbox", 10, 1, first(bbox=[200, 10, 20, 20])),
    (
        "box_partly",
        "fixed",
        "annotations[0].bbox",
        10,
        1,
        first(bbox=[-20, 20, 40, 30], segmentation=[[0, 20, 20, 20, 20, 50, 0, 50]], area=600),
    ),
    ("box_missing", "fixed", "annotations[0].bbox", 10, 1, first(bbox=None)),
    ("box_corners", "fixed", "annotations[0].bbox", 10, 1, corners),
    ("area_form", "fixed", "annotations[0].area", 10, 1, first(area=None)),
    ("area_form", "fixed", "annotations[0].area", 10, 1, first(area=-4)),
    ("area_form", "fixed", "annotations[0].area", 10, 1, first(area="9")),
    ("area_wrong", "kept", "annotations[0].area", 10, 1, first(area=5)),
    ("area_wrong", "kept", "annotations[0].area", 10, 1, first(area=12000)),
    (
        "polygon_form",
        "skipped",
        "annotations[0].segmentation[0]",
        10,
        1,
        first(segmentation=[["a", 2, 3, 4, 5, 6]]),
    ),
    (
        "polygon_short",
        "skipped",
        "annotations[0].segmentation[1]",
        10,
        1,
        first(bbox=BOX, segmentation=[SQUARE, [10, 20, 50, 20]]),
    ),
    (
        "polygon_odd",
        "skipped",
        "annotations[0].segmentation[1]",
        10,
        1,
        first(bbox=BOX, segmentation=[SQUARE, [10, 20, 50, 20, 50, 50, 3]]),
    ),
    (
        "polygon_far",
        "skipped",
        "annotations[0].segmentation[1]",
        10,
        1,
        first(bbox=BOX, segmentation=[SQUARE, [1e5, 20, 50, 20, 50, 50]]),
    ),
    (
        "polygon_far",
        "skipped",
        "annotations[0].segmentation[1]",
        10,
        1,
        first(bbox=BOX, segmentation=[SQUARE, [float("nan"), 20, 50, 20, 50, 50]]),
    ),
    (
        "polygon_outside",
        "skipped",
        "annotations[0].segmentation[1]",
        10,
        1,
        first(bbox=BOX, segmentation=[SQUARE, [130, 20, 140, 20, 140, 50]]),
    ),
    (
        "polygon_partly",
        "fixed",
        "annotations[0].segmentation[0]",
        10,
        1,
        first(bbox=[100, 20, 28, 30], segmentation=[[100, 20, 140, 20, 140, 50, 100, 50]]),
    ),
    (
        "polygon_crossing",
        "kept",
        "annotations[0].segmentation[0]",
        10,
        1,
        first(bbox=BOX, segmentation=[[10, 20, 50, 50, 50, 20, 10, 50]]),
    ),
    (
        "polygon_no_pixel",
        "kept",
        "annotations[0].segmentation[0]",
        10,
        1,
        first(bbox=[10.1, 20.1, 0.2, 0.2], segmentation=[[10.1, 20.1, 10.3, 20.1, 10.3, 20.3]]),
    ),
    (
        "rle_corrupt",
        "skipped",
        "annotations[0].segmentation",
        10,
        1,
        first(segmentation={"size": [96, 128], "counts": "oooo"}),
    ),
    (
        "rle_corrupt",
        "skipped",
        "annotations[0].segmentation",
        10,
        1,
        first(segmentation={"size": [96, 128], "counts": [5]}),
    ),
    (
        "rle_size",
        "skipped",
        "annotations[0].segmentation.size",
        10,
        1,
        first(segmentation={"size": [5, 5], "counts": [5, 20]}),
    ),
    (
        "rle_empty",
        "skipped",
        "annotations[0].segmentation.counts",
        10,
        1,
        first(segmentation={"size": [96, 128], "counts": [96 * 128]}),
    ),
    ("segmentation_form", "skipped", "annotations[0].segmentation", 10, 1, first(segmentation=5)),
    ("mask_missing", "skipped", "annotations[0].segmentation", 10, 1, first(segmentation=[])),
    (
        "mask_apart",
        "skipped",
        "annotations[0]",
        10,
        1,
        first(bbox=BOX, segmentation=[[80, 20, 90, 20, 90, 30]]),
    ),
    ("mask_box", "kept", "annotations[0]", 10, 1, first(bbox=BOX, segmentation=RUNS)),
    ("empty_picture", "skipped", "images[1]", 20, None, no_objects),
    ("crowd_only", "skipped", "images[1]", 20, None, crowd_alone),
    ("nothing", "fatal", "", None, None, lambda content: content.update(annotations=[])),
    ("nothing", "fatal", "", None, None, lambda content: content.pop("annotations")),
]


@pytest.mark.parametrize(
    "kind, action, place, image_id, annotation_id, change",
    CASES,
    ids=[f"{number}-{case[0]}" for number, case in enumerate(CASES)],
)
def test_each_mistake_is_found_and_named(
    coco_folder, caplog, kind, action, place, image_id, annotation_id, change
):
    root = coco_folder(pictures=3, change=change)
    result = check(root)
    (one,) = found(result, kind)
    assert (one["action"], one["place"], one["image_id"], one["annotation_id"]) == (
        action,
        place,
        image_id,
        annotation_id,
    )
    assert one["file"] == str(root / JSON) and one["what"] == KINDS[kind].text and "\n" not in one["detail"]
    assert result.exit_code == {"fatal": 2, "skipped": 1}.get(action, result.exit_code) and (
        action in ("fatal", "skipped") or result.exit_code == 0
    )
    assert sum(line.startswith(action) and KINDS[kind].text in line for line in report_text(result)) == 1
    lines, error = said_before_training(result, root, caplog)
    assert sum(f"{root / JSON}: 1 x {KINDS[kind].text}" in line for line in lines) == (
        len(result.findings.counts) > 1 or error is None
    )
    assert (error is not None) == (result.exit_code == 2)
    if action == "fatal":
        assert str(root / JSON) in error and place in error


def test_what_is_done_is_done(coco_folder):
    """Corners that a mask proves, a box around a mask, computed areas: the records hold what the finding says."""

    def change(content):
        items = content["annotations"]
        items[0].update(bbox=[10, 20, 50, 50], segmentation=[SQUARE], area=None)
        items[1].update(bbox=None, segmentation=[SQUARE], area=1200)
        items[2].update(bbox=BOX, segmentation=RUNS, iscrowd=1, area=float("nan"))

    record = check(coco_folder(pictures=1, change=change)).source.records[0]
    assert record.boxes.tolist() == [[10, 20, 50, 50]] * 3 and record.areas.tolist() == [1200, 1200, 30]


def test_boxes_of_a_whole_file_as_corners_are_fatal(coco_folder):
    def change(content):
        for item in content["annotations"]:
            x, y, w, h = item["bbox"]
            item["bbox"] = [x, y, x + w, y + h]

    result = check(coco_folder(masks=False, change=change))
    assert (
        result.exit_code == 2 and "write widths and heights" in found(result, "boxes_as_corners")[0]["detail"]
    )
    assert not found(check(coco_folder(masks=False, name="right")), "boxes_as_corners")


def test_too_many_objects_and_settings_of_training(coco_folder):
    root = coco_folder(pictures=3, change=no_objects)
    result = check(root, "max_instance_count=2")
    assert [one["image_id"] for one in found(result, "too_many")] == [10, 30] and result.exit_code == 1
    assert check(root, "keep_empty=True").exit_code == 0
    assert not found(check(root, "max_instance_count=2", split="val"), "too_many")
    small = check(root, "resize=short_side", "img_width=256", "img_height=256")
    assert small.exit_code == 2 and "write img_width=1344" in found(small, "canvas")[0]["detail"]


def test_classes_that_contradict_num_classes(coco_folder):
    root = coco_folder(pictures=1)
    with pytest.raises(ConfigError, match="num_classes=5 contradicts coco_classes=auto, which finds 3"):
        check_data(load_config([f"coco_root={root}", "coco_classes=auto", "num_classes=5"]), quiet=True)
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
    assert (
        words in one["detail"]
        and result.exit_code == 2
        and result.source is None
        and str(tmp_path / JSON) in result.first_fatal()
    )


def test_a_missing_file_and_a_byte_order_mark(coco_folder, tmp_path):
    assert "No such file" in found(check(tmp_path), "file_unreadable")[0]["detail"]
    path = coco_folder(pictures=1) / JSON
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    result = check(path.parents[1])
    assert found(result, "byte_order_mark") and result.exit_code == 0 and len(result.source.records) == 1


def test_a_training_set_with_several_mistakes_says_each_kind_once(coco_folder, caplog):
    root = coco_folder(
        pictures=5,
        change=lambda content: [item["bbox"].__setitem__(2, 0) for item in content["annotations"][:4]],
    )
    for number in (2, 3):
        (root / "train2017" / f"00000{number}.jpg").unlink()
    config = load_config([f"coco_root={root}", CLASSES])
    with pytest.raises(DataError) as error:
        checked_source(config, root / "out" / "data_report.json")
    assert (
        "images[1]: picture" in str(error.value)
        and "and 1 more" in str(error.value)
        and "out/data_report.json" in str(error.value)
    )
    assert [
        message.split(" x ")[0].split(": ")[1] for message in caplog.messages if "gaps" not in message
    ] == ["4", "2", "1"]
    report = json.loads((root / "out" / "data_report.json").read_text())
    assert report["exit_code"] == 2 and report["counts"] == {"fatal": 2, "skipped": 5, "fixed": 0, "kept": 1}
    source = checked_source(config.replace(bad_pictures="skip"), root / "out" / "data_report.json")
    assert [record.image_id for record in source.records] == [10, 40, 50]


def test_counts_are_whole_where_lists_are_cut(coco_folder):
    result = check(
        coco_folder(change=lambda content: [item.pop("area") for item in content["annotations"]]), limit=3
    )
    assert len(found(result, "area_form")) == 3 and result.findings.counts["area_form"] == 18
    kind = next(one for one in result.as_json()["kinds"] if one["kind"] == "area_form")
    assert (kind["count"], kind["listed"]) == (18, 3)


# ---- txt


def check_rows(folder, data, *words):
    path = folder / "rows.txt"
    path.write_bytes(data)
    for name in ("a.jpg", "b c.jpg"):
        Image.new("RGB", (128, 96)).save(folder / name)
    return check_data(
        load_config(["dataset=other", f"IMAGE_DIR={folder}", f"ANNO_PATH={path}", CLASSES, *words]),
        quiet=True,
    )


@pytest.mark.parametrize(
    "data, kind, place",
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
def test_each_mistake_in_a_txt_file(tmp_path, caplog, data, kind, place):
    result = check_rows(tmp_path, data)
    (one,) = found(result, kind)
    assert (one["place"], one["action"], one["file"]) == (place, KINDS[kind].action, str(tmp_path / "rows.txt"))
    assert result.exit_code == (
        2 if one["action"] == "fatal" else max(result.exit_code, one["action"] == "skipped")
    )
    lines, error = said_before_training(result, tmp_path, caplog)
    if one["action"] == "fatal":
        assert str(tmp_path / "rows.txt") in error and (not place or f"rows.txt:{place[5:]}:" in error)
    else:
        assert sum(f"rows.txt: 1 x {KINDS[kind].text}" in line for line in lines) == 1


def test_all_mistakes_of_a_txt_file_are_found_at_once(tmp_path):
    result = check_rows(
        tmp_path,
        b"a.jpg 1,2,x,4,1\nb c.jpg 1,2,30,40,7\nnone.jpg 5,5,20,20,1\n9,9,9,9,9\na.jpg 1,2,30,40,2\n",
    )
    assert {kind: count for kind, count in result.findings.counts.items() if KINDS[kind].action == "fatal"} == {
        "row_number": 1,
        "row_class": 1,
        "picture_missing": 1,
        "row_form": 1,
    }
    assert [record.labels.tolist() for record in result.source.records] == [[], [], [2]]
