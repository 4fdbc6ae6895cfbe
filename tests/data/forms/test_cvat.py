"""CVAT's XML 1.1, by hand from https://docs.cvat.ai/docs/other/xml_format/ ."""

import json
import math

import numpy as np
import pytest

from src.config import load_config
from src.data.check.data_check import check_data
from src.data.sources.read import read_annotations
from src.data_settings import annotation_settings, data_check_settings
from src.errors import DataError

from .labels import found, pixels, read_form, write_picture

LABELS = "".join(f"<label><name>{name}</name><type>any</type></label>" for name in ("plate", "car", "bird"))
META = f"<version>1.1</version><meta><task><name>t</name><labels>{LABELS}</labels></task></meta>"
# The mask of the documentation's example: 15 rows of 13 pixels, a disc.
RLE = "3, 5, 7, 7, 5, 9, 3, 11, 2, 11, 2, 12, 1, 12, 1, 26, 1, 12, 1, 12, 2, 11, 3, 9, 5, 7, 7, 5, 3"


def image(shapes, name="a.jpg", **attributes):
    others = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f'<image id="0" name="{name}" width="80" height="60"{others}>\n{shapes}\n</image>\n'


def write(path, *images, meta=META):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>{meta}\n{"".join(images)}</annotations>'
    path.write_text(text, encoding="utf-8")


def polygon(label, points, **attributes):
    others = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f'<polygon label="{label}" points="{points}"{others}/>\n'


SQUARE = "10,10;30,10;30,30;10,30"
SHAPES = [
    '<box label="plate" xtl="60.5" ytl="5" xbr="70.5" ybr="9" occluded="1" z_order="4"></box>',
    polygon("car", SQUARE, z_order="1"),
    '<ellipse label="car" cx="50" cy="40" rx="12" ry="6"/>',
    f'<mask label="car" source="manual" rle="{RLE}" left="5" top="40" width="13" height="15"></mask>',
    '<polyline label="car" points="1,1;5,5"/>',
    '<points label="car" points="1,1"/>',
    '<skeleton label="car"><points label="1" points="54,94"/></skeleton>',
    '<tag label="good"/>',
    '<cuboid label="car" xtl1="1" ytl1="1"/>',
]


def test_a_name_that_is_too_long_for_a_file_is_a_missing_picture(tmp_path):
    write_picture(tmp_path / "images" / "a.jpg")
    shapes = polygon("car", SQUARE)
    write(tmp_path / "1.xml", image(shapes), image(shapes, "9" * 400))
    source, findings = read_form(tmp_path, "cvat")
    assert [len(record.labels) for record in source.records] == [1]
    assert found(findings) == {"label_picture_missing": ["1.xml: line 7"]}


def test_every_shape(tmp_path):
    write_picture(tmp_path / "images" / "a.jpg")
    write(tmp_path / "annotations.xml", image("\n".join(SHAPES)))
    source, findings = read_form(tmp_path, "cvat")
    (record,) = source.records
    assert source.class_names == ("background", "plate", "car", "bird")
    assert record.path == str(tmp_path / "images" / "a.jpg")
    assert record.labels.tolist() == [1, 2, 2, 2]
    # the ellipse's radii are 12 and 6
    expected = [[60.5, 5, 70.5, 9], [10, 10, 30, 30], [38, 34, 62, 46], [5, 40, 18, 55]]
    assert np.allclose(record.boxes, expected, atol=0.01)
    assert pixels(record, 1).sum() == 400
    assert pixels(record, 2).sum() == pytest.approx(math.pi * 72, rel=0.03)
    runs = list(map(int, RLE.split(",")))
    disc = [pixel for i, run in enumerate(runs) for pixel in [i % 2] * run]
    assert pixels(record, 3)[40:55, 5:18].ravel().tolist() == [bool(pixel) for pixel in disc]
    assert pixels(record, 3).sum() == sum(runs[1::2])
    assert found(findings) == {
        "label_without_area": [f"annotations.xml: line {line}" for line in (9, 10, 11)],
        "label_shape": ["annotations.xml: line 13"],
        "box_as_mask": ["annotations.xml: a.jpg: line 4"],
    }


def test_rotations_are_clockwise_around_the_middle(tmp_path):
    write_picture(tmp_path / "images" / "a.jpg")
    box = '<box label="car" xtl="20" ytl="20" xbr="40" ybr="30" rotation="90.00"/>'
    turned = '<box label="car" xtl="20" ytl="20" xbr="40" ybr="30" rotation="30"/>'
    oval = '<ellipse label="bird" cx="50" cy="30" rx="10" ry="4" rotation="90"/>'
    write(tmp_path / "annotations.xml", image(box + turned + oval))
    source, _ = read_form(tmp_path, "cvat")
    (record,) = source.records
    # middle (30, 25), half sides 10 and 5
    assert np.allclose(record.boxes[0], [25, 15, 35, 35])
    half_width = 10 * math.cos(math.radians(30)) + 5 * math.sin(math.radians(30))
    half_height = 10 * math.sin(math.radians(30)) + 5 * math.cos(math.radians(30))
    expected = [30 - half_width, 25 - half_height, 30 + half_width, 25 + half_height]
    assert np.allclose(record.boxes[1], expected)
    # clockwise: the right side's middle goes down
    corners = np.reshape(record.segmentations[1][0], (4, 2))
    assert np.allclose(
        corners[1:3].mean(0), [30 + 10 * math.cos(math.radians(30)), 25 + 10 * math.sin(math.radians(30))]
    )
    assert np.allclose(record.boxes[2], [46, 20, 54, 40])


def test_groups_and_crowds(tmp_path):
    write_picture(tmp_path / "images" / "a.jpg")
    crowd = f'<polygon label="bird" points="{SQUARE}"><attribute name="is_crowd">true</attribute></polygon>'
    small = "50,10;55,10;55,15;50,15"
    rle = '<mask label="car" rle="0, 6" left="70" top="50" width="3" height="2" group_id="1"/>'
    shapes = polygon("car", SQUARE, group_id=1) + polygon("bird", small, group_id=1) + rle + crowd
    write(tmp_path / "annotations.xml", image(shapes + polygon("car", small) + polygon("car", SQUARE)))
    source, findings = read_form(tmp_path, "cvat")
    (record,) = source.records
    assert record.labels.tolist() == [2, 3, 3, 2, 2]
    assert record.crowd.tolist() == [False, False, True, False, False]
    assert pixels(record, 0).sum() == 400 + 6
    assert not findings.counts


def test_boxes_alone_are_no_masks(tmp_path):
    write_picture(tmp_path / "images" / "a.jpg")
    write(tmp_path / "annotations.xml", image(SHAPES[0]))
    source, findings = read_form(tmp_path, "cvat")
    assert not source.has_masks
    assert not findings.counts


def test_subsets_are_splits(tmp_path):
    for number, subset in enumerate(("Train", "Validation")):
        write_picture(tmp_path / "images" / subset / "ä 1.jpg", 80, 60)
        (tmp_path / "images" / subset / "ä 1.jpg").replace(tmp_path / "images" / subset / f"ä {number}.jpg")
    images = [
        image(polygon("car", SQUARE), f"ä {number}.jpg", subset=subset, task_id="1")
        for number, subset in enumerate(("Train", "Validation"))
    ]
    write(tmp_path / "annotations.xml", *images, image(polygon("car", SQUARE), "no.jpg", subset="Other"))
    for split, path in (("train", "Train/ä 0.jpg"), ("val", "Validation/ä 1.jpg")):
        source, findings = read_form(tmp_path, "auto", split=split)
        assert [record.path for record in source.records] == [str(tmp_path / "images" / path)]
        assert not findings.counts


def test_a_video_says_what_to_export(tmp_path):
    write(tmp_path / "annotations.xml", '<track id="0" label="car"><box frame="0"/></track>')
    assert annotation_settings(load_config(["dataset=auto", f"coco_root={tmp_path}"])).format == "cvat"
    with pytest.raises(DataError, match="no labelled picture"):
        read_form(tmp_path, "cvat")
    with pytest.raises(DataError, match="annotations.xml: line 3: it is of a video; export"):
        read_annotations(annotation_settings(load_config(["dataset=cvat", f"coco_root={tmp_path}"])))


ODD = [
    polygon("car", ""),
    polygon("car", "1,2;3"),
    polygon("car", "1,2;x,y;3,4"),
    polygon("car", "nan,1;2,3;4,5"),
    polygon(" ", SQUARE),
    '<box label="car" xtl="1" ytl="1" xbr="inf" ybr="4"/>',
    '<box label="car" xtl="1" ytl="1" xbr="3" ybr="4" rotation="x"/>',
    '<box label="car"/>',
    '<ellipse label="car" cx="1" cy="2" rx="3"/>',
    '<mask label="car" rle="1, 2" left="0" top="0" width="2" height="2"/>',
    '<mask label="car" rle="-1, 5" left="0" top="0" width="2" height="2"/>',
    '<mask label="car" rle="" left="0" top="0" width="2" height="2"/>',
    '<mask label="car" rle="9999999999999999999999" left="0" top="0" width="2" height="2"/>',
    '<mask label="car" rle="0, 10000000000" left="0" top="0" width="100000" height="100000"/>',
    '<mask label="car" rle="0,4" left="0" top="0" width="1e400" height="2"/>',
    '<circle label="car"/>',
]


def test_odd_shapes_are_left_out(tmp_path):
    write_picture(tmp_path / "images" / "a.jpg")
    write(tmp_path / "annotations.xml", image("".join([*ODD, polygon("car", SQUARE)])))
    source, findings = read_form(tmp_path, "cvat")
    assert len(source.records[0].labels) == 1
    assert set(findings.counts) == {"label_shape"}
    assert findings.counts["label_shape"] == len(ODD)


def test_bad_files(tmp_path):
    write_picture(tmp_path / "images" / "a.jpg")
    good = image(polygon("car", SQUARE))
    write(tmp_path / "1.xml", good, '<image id="1"><box/></image>', image("", "gone.jpg"))
    text = (tmp_path / "1.xml").read_text()
    (tmp_path / "2.xml").write_text(text[: text.index("</image>") + 30])
    (tmp_path / "3.xml").write_text('<!DOCTYPE annotations [<!ENTITY x "y">]>' + text.split("?>")[1])
    (tmp_path / "voc.xml").write_text("<annotation><filename>a.jpg</filename></annotation>")
    source, findings = read_form(tmp_path, "cvat")
    assert len(source.records) == 2  # what comes before a file's fault is read
    assert found(findings) == {
        "label_file_form": ["1.xml: line 7"],
        "label_picture_missing": ["1.xml: line 7"],
        "label_file_syntax": ["2.xml", "3.xml"],
    }


def test_a_class_that_the_list_lacks_is_fatal(tmp_path):
    write_picture(tmp_path / "images" / "a.jpg")
    write(tmp_path / "annotations.xml", image(polygon("dog", SQUARE)))
    assert found(read_form(tmp_path, "cvat")[1]) == {"category_unlisted": [""]}
    write(tmp_path / "annotations.xml", image(polygon("dog", SQUARE)), meta="<meta></meta>")
    source, findings = read_form(tmp_path, "cvat")
    assert source.class_names == ("background", "dog")
    assert not findings.counts


def test_the_check_reads_it_beside_its_pictures(tmp_path):
    write_picture(tmp_path / "a.jpg")
    write(tmp_path / "annotations.xml", image(polygon("car", SQUARE)))
    config = load_config(["dataset=auto", f"coco_root={tmp_path}", "coco_classes=auto"])
    check = check_data(data_check_settings(config), quiet=True)
    assert check.settings.annotations.format == "cvat"
    assert check.exit_code == 0


def test_cvats_coco_export(tmp_path):
    write_picture(tmp_path / "images" / "default" / "a.jpg")
    content = {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": {"contributor": ""},
        "categories": [{"id": 1, "name": "car", "supercategory": ""}],
        "images": [{"id": 1, "width": 80, "height": 60, "file_name": "a.jpg", "license": 0}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "segmentation": [[10.0, 10.0, 30.0, 10.0, 30.0, 30.0, 10.0, 30.0]],
                "area": 400.0,
                "bbox": [10.0, 10.0, 20.0, 20.0],
                "iscrowd": 0,
                "attributes": {"occluded": False},
            }
        ],
    }
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_default.json").write_text(json.dumps(content))
    config = load_config(["dataset=auto", f"coco_root={tmp_path}", "coco_classes=auto"])
    check = check_data(data_check_settings(config), quiet=True)
    assert check.settings.annotations.format == "coco"
    assert check.source.records[0].boxes.tolist() == [[10, 10, 30, 30]]
    assert not check.findings.counts
