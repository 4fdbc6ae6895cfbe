"""VIA's files, written by hand from its documentation of code and the exports of VIA 1, 2 and 3."""

import base64
import json
import math

import cv2
import numpy as np
import pytest

from src.errors import DataError

from .labels import found, pixels, read_form, write_picture

RECT = {"name": "rect", "x": 10, "y": 20, "width": 30, "height": 5}
SQUARE = {"name": "polygon", "all_points_x": [50, 60, 60, 50], "all_points_y": [10, 10, 20, 20]}
WAY = {"name": "polyline", "all_points_x": [0, 10, 10, 0], "all_points_y": [0, 0, 10, 10]}
CIRCLE = {"name": "circle", "cx": 40, "cy": 40, "r": 10}
ELLIPSE = {"name": "ellipse", "cx": 40, "cy": 30, "rx": 20, "ry": 10, "theta": math.pi / 2}
POINT = {"name": "point", "cx": 1, "cy": 2}


def region(shape, **attributes):
    return {"shape_attributes": shape, "region_attributes": attributes}


def export(regions, name="a.png", **changes):
    item = {"filename": name, "size": 1234, "regions": regions, "file_attributes": {}, **changes}
    return {f"{name}1234": item}


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False))


def test_every_shape_of_an_export(tmp_path):
    write_picture(tmp_path / "a.png")
    shapes = [RECT, SQUARE, WAY, CIRCLE, ELLIPSE, POINT]
    regions = [region(shape, colour="red", Class="cat" if i % 2 else "dog") for i, shape in enumerate(shapes)]
    write(tmp_path / "via.json", export(regions))
    source, findings = read_form(tmp_path, "auto")
    (record,) = source.records
    assert source.class_names == ("background", "cat", "dog")
    assert record.labels.tolist() == [2, 1, 2, 1, 2]
    expected = [[10, 20, 40, 25], [50, 10, 60, 20], [0, 0, 10, 10], [30, 30, 50, 50], [30, 10, 50, 50]]
    assert np.allclose(record.boxes, expected)
    assert pixels(record, 1).sum() == 100
    assert pixels(record, 3).sum() == pytest.approx(math.pi * 100, rel=0.02)
    assert found(findings) == {
        "label_without_area": ["via.json: 'a.png1234': regions[5]"],
        "box_as_mask": ["via.json: 'a.png1234': regions[0]"],
    }


def test_a_project_and_splits_by_folder(tmp_path):
    settings = {"core": {"default_filepath": "pictures"}}
    for split in ("train", "val"):
        write_picture(tmp_path / split / "pictures" / "é b.png")
        metadata = export([region(RECT, type="cat")], "é b.png")
        project = {"_via_settings": settings, "_via_img_metadata": metadata, "_via_attributes": {}}
        write(tmp_path / split / "p.json", {**project, "_via_data_format_version": "2.0.10"})
        source, findings = read_form(tmp_path, "auto", split=split)
        assert source.records[0].boxes.tolist() == [[10, 20, 40, 25]]
        assert not source.has_masks
        assert not findings.counts


def test_version_1_without_attributes(tmp_path):
    """As the balloon data set: numbered regions without any attribute; and the URL of a picture."""
    write_picture(tmp_path / "a.png")
    write(
        tmp_path / "via.json", export({"0": region(SQUARE), "1": region(RECT)}, base64_img_data="http://x/a")
    )
    source, _ = read_form(tmp_path, "via")
    assert source.class_names == ("background", "object")
    assert len(source.records[0].labels) == 2


CSV = (
    '{header}\r\na.png,1,"{{}}",2,0,"{{""name"":""rect"",""x"":10,""y"":20,""width"":30,""height"":5}}",'
    '"{{""class"":""cat, big""}}"\r\nb.png,1,"{{}}",0,0,"{{}}","{{}}"\r\n'
)


@pytest.mark.parametrize("start", ["#filename", "\ufefffilename"])
def test_csv(tmp_path, start):
    columns = "file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
    write(tmp_path / "via.csv", CSV.format(header=f"{start},{columns}"))
    for name in "ab":
        write_picture(tmp_path / f"{name}.png")
    source, findings = read_form(tmp_path, "auto")
    assert source.class_names == ("background", "cat, big")
    assert [record.boxes.tolist() for record in source.records] == [[[10, 20, 40, 25]], []]
    assert not findings.counts


ATTRIBUTE = {"aname": "kind", "anchor_id": "FILE1_Z0_XY1", "type": 4, "options": {"0": "cat", "1": "dog"}}
THIRD = {
    "project": {"pid": "x", "data_format_version": "3.1.1", "vid_list": ["1", "2"]},
    "config": {},
    "attribute": {"1": ATTRIBUTE, "2": {"aname": "Class", "type": 1, "options": {}}},
    "file": {
        "1": {"fid": 1, "fname": "a.png", "type": 2, "loc": 1, "src": ""},
        "2": {"fid": 2, "fname": "b", "type": 2, "loc": 2, "src": "http://host/x/b%20c.png?s=1"},
        "3": {"fid": 3, "fname": "v.mp4", "type": 4, "loc": 1, "src": ""},
    },
    "view": {"1": {"fid_list": ["1"]}, "2": {"fid_list": [2]}, "3": {"fid_list": [3]}},
    "metadata": {
        "m1": {"vid": "1", "flg": 0, "z": [], "xy": [2, 10, 20, 30, 5], "av": {"1": "0"}},
        "m2": {"vid": "1", "flg": 0, "z": [], "xy": [7, 50, 10, 60, 10, 60, 20, 50, 20], "av": {"1": "1"}},
        "m3": {"vid": "2", "flg": 0, "z": [], "xy": [4, 40, 30, 20, 10], "av": {"1": "0"}},
        "m4": {"vid": "2", "flg": 0, "z": [], "xy": [1, 4, 3], "av": {"1": "0"}},
        "m5": {"vid": "9", "flg": 0, "z": [], "xy": [1, 4, 3], "av": {"1": "0"}},
        "m6": {"vid": "2", "flg": 0, "z": [], "xy": [], "av": {"1": "0"}},
    },
}


def test_version_3(tmp_path):
    write_picture(tmp_path / "a.png")
    write_picture(tmp_path / "b c.png")
    write(tmp_path / "via_project.json", THIRD)
    source, findings = read_form(tmp_path, "auto")
    first, second = source.records
    assert source.class_names == ("background", "cat", "dog")
    assert first.labels.tolist() == [1, 2]
    assert first.boxes.tolist() == [[10, 20, 40, 25], [50, 10, 60, 20]]
    assert np.allclose(second.boxes, [[20, 20, 60, 40]])
    assert found(findings) == {
        "label_shape": ["via_project.json: metadata['m5']"],
        "label_file_form": ["via_project.json: view['3']"],
        "label_without_area": ["via_project.json: view['2']: metadata['m4']"],
        "box_as_mask": ["via_project.json: view['1']: metadata['m1']"],
    }


def test_csv_of_version_3(tmp_path):
    rows = [
        "# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)",
        "# ATTRIBUTE = " + json.dumps({"1": ATTRIBUTE}),
        "# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata",
        '"m1","[""a.png""]",0,"[]","[2,10,20,30,5]","{""1"":""1""}"',
    ]
    write(tmp_path / "via.csv", "\n".join(rows))
    write_picture(tmp_path / "a.png")
    source, findings = read_form(tmp_path, "auto")
    assert source.class_names == ("background", "dog")
    assert source.records[0].boxes.tolist() == [[10, 20, 40, 25]]
    assert not findings.counts


def test_a_picture_within_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, data = cv2.imencode(".png", np.zeros((60, 80, 3), np.uint8))
    text = "data:image/png;base64," + base64.b64encode(data.tobytes()).decode()
    write(tmp_path / "via.json", export([region(RECT, name="cat")], base64_img_data=text))
    source, findings = read_form(tmp_path, "via")
    assert cv2.imread(source.records[0].path).shape == (60, 80, 3)
    assert not findings.counts


def test_a_checkbox_with_two_classes_and_one_without(tmp_path):
    write_picture(tmp_path / "a.png")
    checked = region(RECT, label={"cat": True, "pet": True, "dog": False})
    write(tmp_path / "via.json", export([checked, region(SQUARE, label={}), region(SQUARE, label=7)]))
    source, findings = read_form(tmp_path, "via")
    assert source.class_names == ("background", "7", "cat", "pet")
    assert found(findings)["label_shape"] == ["via.json: 'a.png1234': regions[1]"]


def test_an_unclear_class_is_one_finding(tmp_path):
    write_picture(tmp_path / "a.png")
    write(tmp_path / "via.json", export([region(RECT, size="big", colour="red")]))
    _, findings = read_form(tmp_path, "via")
    assert found(findings) == {"label_file_form": ["via.json"]}
    assert "'size', 'colour'; call it `class`" in findings.listed["label_file_form"][0].detail


BAD = [
    None,
    region(None, name="cat"),
    region({"name": "rect", "x": 1, "y": math.nan, "width": 3, "height": 4}, name="cat"),
    region({"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [1, 2]}, name="cat"),
    region({"name": "cube"}, name="cat"),
    region(RECT),
    region({"0": region(RECT), "1": region(RECT)}, name="cat"),
]


def test_bad_regions_are_left_out(tmp_path):
    write_picture(tmp_path / "a.png")
    write(tmp_path / "via.json", export([*BAD, region(RECT, name="cat")]))
    source, findings = read_form(tmp_path, "via")
    assert len(source.records[0].labels) == 1
    assert found(findings) == {
        "label_shape": [f"via.json: 'a.png1234': regions[{i}]" for i in range(len(BAD))]
    }


def test_bad_files_are_named(tmp_path):
    write_picture(tmp_path / "a.png")
    good = export([region(RECT, name="cat")])
    write(tmp_path / "a.json", {**good, "x": None, "y": {"filename": 3, "regions": []}})
    write(tmp_path / "b.json", json.dumps(good)[:-9])
    write(tmp_path / "c.json", export([], "gone.png"))
    write(tmp_path / "coco.json", {"images": [], "annotations": [], "categories": []})
    source, findings = read_form(tmp_path, "via")
    assert len(source.records) == 1
    assert found(findings) == {
        "label_file_form": ["a.json: 'x'", "a.json: 'y'"],
        "label_file_syntax": ["b.json"],
        "label_picture_missing": ["c.json: 'gone.png1234'"],
    }


def test_beside_coco_both_are_listed(tmp_path):
    write(tmp_path / "via.json", export([region(RECT, name="cat")]))
    write(tmp_path / "coco.json", {"images": [], "annotations": [], "categories": []})
    with pytest.raises(
        DataError, match=r"2 forms.*dataset=via: VGG.*\(via.json\).*dataset=coco.*\(coco.json\)"
    ):
        read_form(tmp_path, "auto")
