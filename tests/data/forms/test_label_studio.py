"""Label Studio's exports, written by hand from its documentation of results and of exports."""

import base64
import json
import math

import cv2
import numpy as np
import pytest

from src.data.forms.readers.parts.label_studio_rle import brush_mask
from src.data.forms.readers.parts.label_studio_tasks import picture_names
from src.errors import DataError

from .labels import found, pixels, read_form, write_picture


def region(kind, label, more=None, **value):
    labels = {kind: [label] if isinstance(label, str) else label}
    size = {"original_width": 80, "original_height": 60, "image_rotation": 0}
    names = {"id": "x", "from_name": "label", "to_name": "image", "type": kind}
    return {**names, **size, "value": {**value, **labels}, **(more or {})}


def task(*results, number=1, image="/data/upload/1/0a1b2c3d-a.png", **changes):
    annotation = {"id": 1, "completed_by": 1, "result": list(results), "was_cancelled": False}
    return {"id": number, "annotations": [annotation], "data": {"image": image}, "predictions": [], **changes}


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False))


def rle(blocks, count, sizes=(3, 4, 8, 16)):
    """Bytes of rle-pack, written from its description: blocks (repeated?, size's number, values)."""
    bits = f"{count:032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in sizes)
    for repeated, size, length, values in blocks:
        bits += f"{repeated:b}{size:02b}{length - 1:0{sizes[size]}b}" + "".join(f"{v:08b}" for v in values)
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


# a picture of 4 by 3 pixels, whose middle row is set but for its first pixel; 4 bytes a pixel
BLOCKS = [(1, 2, 20, [0]), (1, 1, 8, [255]), (0, 0, 4, [9, 9, 9, 200]), (1, 1, 16, [0])]


def test_brush_masks():
    mask = brush_mask(rle(BLOCKS, 48), 4, 3)
    assert (mask.left, mask.top) == (1, 1)
    assert mask.pixels.tolist() == [[True, True, True]]
    assert brush_mask(rle([(1, 2, 48, [0])], 48), 4, 3) is None


@pytest.mark.parametrize(
    "values", [[], [1, 2], rle(BLOCKS, 48)[:-3], rle(BLOCKS, 44), [300], "x", None, [None]]
)
def test_corrupt_brush_masks(values):
    with pytest.raises((ValueError, TypeError)):
        brush_mask(values, 4, 3)


def test_every_shape(tmp_path):
    write_picture(tmp_path / "0a1b2c3d-a.png")
    mask_bytes = rle(
        [(1, 3, 4 * 80 * 10, [0]), (1, 3, 4 * 80 * 5, [255]), (1, 3, 4 * 80 * 45, [0])], 4 * 80 * 60
    )
    results = [
        region("polygonlabels", "cat", points=[[25, 25], [50, 25], [50, 50], [25, 50]]),
        region("rectanglelabels", "dog", x=10, y=10, width=20, height=10, rotation=0),
        region("ellipselabels", "dog", x=50, y=50, radiusX=25, radiusY=10, rotation=0),
        region("rectanglelabels", "cat", x=50, y=50, width=10, height=20, rotation=90),
        region("brushlabels", "sky", format="rle", rle=mask_bytes),
        region("keypointlabels", "eye", x=1, y=1, width=0.5),
        {"type": "choices", "value": {"choices": ["day"]}, "from_name": "time", "to_name": "image"},
        {"type": "relation", "from_id": "a", "to_id": "b"},
    ]
    write(tmp_path / "export.json", [task(*results)])
    source, findings = read_form(tmp_path, "auto")
    (record,) = source.records
    assert source.class_names == ("background", "cat", "dog", "sky")
    assert record.labels.tolist() == [1, 2, 2, 1, 3]
    expected = [
        [20, 15, 40, 30],
        [8, 6, 24, 12],
        [20, 24, 60, 36],
        # the corner (40, 30) stays; the 8 to the right go down, the 12 down go to the left
        [28, 30, 40, 38],
        [0, 10, 80, 15],
    ]
    assert np.allclose(record.boxes, expected)
    assert pixels(record, 0).sum() == 20 * 15
    assert pixels(record, 2).sum() == pytest.approx(math.pi * 20 * 6, rel=0.02)
    assert pixels(record, 3).sum() == 12 * 8
    assert pixels(record, 4)[10:15].all()
    assert pixels(record, 4).sum() == 5 * 80
    assert found(findings) == {
        "label_without_area": ["export.json: task 1: result[5]"],
        "box_as_mask": ["export.json: task 1: result[1]"],
    }


def test_json_min(tmp_path):
    """Regions beside the data, without `value`; the newer of two records of a task."""
    write_picture(tmp_path / "a.png")
    old = {"x": 0, "y": 0, "width": 5, "height": 5, "rectanglelabels": ["old"], "original_width": 80}
    new = {"x": 10, "y": 10, "width": 20, "height": 10, "rotation": 0, "rectanglelabels": ["cat", "pet"]}
    more = {"annotator": 1, "annotation_id": 7, "created_at": "", "lead_time": 2.5}
    image = {"image": "/data/upload/0a1b2c3d-a.png", "id": 3}
    new.update(original_width=80, original_height=60)
    write(tmp_path / "min.json", [{**image, "label": [old], **more}, {**image, "label": [new], **more}])
    source, findings = read_form(tmp_path, "auto")
    (record,) = source.records
    assert source.class_names == ("background", "cat", "pet")
    assert record.boxes.tolist() == [[8, 6, 24, 12]] * 2
    assert not source.has_masks
    assert found(findings) == {"label_others": ["min.json: task 3"]}


NAMES = {
    "/data/upload/1/0a1b2c3d-a%20b.png": "a b.png",
    "/data/local-files/?d=home/me/cats/%C3%A9.png": "cats/é.png",
    "https://host/set/cats/a.png?token=1": "cats/a.png",
    "s3://bucket/cats/a.png": "cats/a.png",
    "/tasks/1/presign/?fileuri=" + base64.b64encode(b"s3://bucket/cats/a.png").decode(): "cats/a.png",
    "C:\\cats\\a.png": "cats/a.png",
    "../../a.png": "a.png",
}


@pytest.mark.parametrize("image", NAMES)
def test_names_of_pictures(tmp_path, image):
    assert NAMES[image] in picture_names(image)
    write_picture(tmp_path / "pictures" / NAMES[image])
    square = region("rectanglelabels", "cat", x=10, y=10, width=20, height=10)
    write(tmp_path / "labels" / "a.json", [task(square, image=image)])
    words = (f"IMAGE_DIR={tmp_path / 'pictures'}", f"ANNO_PATH={tmp_path / 'labels'}")
    source, findings = read_form(tmp_path, "label_studio", *words)
    assert source.records[0].path == str(tmp_path / "pictures" / NAMES[image])
    assert not findings.counts


def test_which_annotation_is_read(tmp_path):
    write_picture(tmp_path / "a.png")

    def annotation(label, **more):
        return {"result": [region("rectanglelabels", label, x=10, y=10, width=20, height=10)], **more}

    old = annotation("old", updated_at="2024-01-01T00:00:00Z")
    new = annotation("new", updated_at="2025-01-01T00:00:00Z")
    skipped = annotation("skipped", was_cancelled=True, updated_at="2026-01-01T00:00:00Z")
    truth = annotation("truth", ground_truth=True, updated_at="2023-01-01T00:00:00Z")
    tasks = [
        task(number=1, annotations=[old, new, skipped]),
        task(number=2, annotations=[truth, new]),
        task(number=3, annotations=[skipped]),
        task(number=4, annotations=[]),
    ]
    write(tmp_path / "a.json", tasks)
    source, findings = read_form(tmp_path, "label_studio")
    assert source.class_names == ("background", "new", "truth")
    assert [len(record.labels) for record in source.records] == [1, 1, 0, 0]
    assert found(findings) == {"label_others": ["a.json: task 1", "a.json: task 2"]}


def test_a_file_of_a_storage_and_shapes_with_their_label_elsewhere(tmp_path):
    write_picture(tmp_path / "a.png", 40, 30)
    value = {"x": 10, "y": 10, "width": 20, "height": 10}
    results = [
        {"id": "1", "type": "rectangle", "value": value},
        {"id": "1", "type": "labels", "value": {**value, "labels": ["cat"]}},
        {"id": "2", "type": "rectangle", "value": value},
    ]
    content = {"id": 9, "result": results, "task": {"id": 4, "data": {"img": "a.png"}}, "completed_by": {}}
    write(tmp_path / "9.json", content)
    source, findings = read_form(tmp_path, "auto")
    # no original size: the picture's
    assert source.records[0].boxes.tolist() == [[4, 3, 12, 6]]
    assert found(findings) == {"label_shape": ["9.json: task 4: result[2]"]}


BAD = [
    None,
    region("polygonlabels", "cat", points=[[1, 2], [3, 4]]),
    region("polygonlabels", "cat", points=[[1, 2], [3, 4], [5, math.nan]]),
    region("polygonlabels", "cat", points="x"),
    region("rectanglelabels", "cat", x=1, y=2, width="3", height=4),
    region("rectanglelabels", "cat", x=1, y=2, width=3),
    region("brushlabels", "cat", format="rle", rle=[1, 2, 3]),
    region("brushlabels", "cat", format="rle", rle={"a": 1}),
    region("ellipselabels", "cat", x=1, y=2, radiusX=3, radiusY=None),
    region("polygonlabels", "cat", {"image_rotation": 90}, points=[[1, 2], [3, 4], [5, 9]]),
    region("bitmasklabels", "cat", imageDataURL="data:image/png;base64,AA"),
]


def test_bad_regions_are_left_out(tmp_path):
    write_picture(tmp_path / "a.png")
    good = region("rectanglelabels", "cat", x=10, y=10, width=20, height=10)
    write(tmp_path / "a.json", [task(*BAD, good)])
    source, findings = read_form(tmp_path, "label_studio")
    assert len(source.records[0].labels) == 1
    assert found(findings) == {"label_shape": [f"a.json: task 1: result[{i}]" for i in range(len(BAD))]}


def test_bad_tasks_are_named(tmp_path):
    write_picture(tmp_path / "a.png")
    good = task(region("rectanglelabels", "cat", x=10, y=10, width=20, height=10))
    write(tmp_path / "a.json", [good, None, task(number=2, image="gone.png"), task(number=3, data=None)])
    write(tmp_path / "b.json", json.dumps([good])[:-9])
    _, findings = read_form(tmp_path, "label_studio")
    assert found(findings) == {
        "label_file_form": ["a.json: [1]"],
        "label_picture_missing": ["a.json: task 2", "a.json: task 3"],
        "label_file_syntax": ["b.json"],
    }


def test_a_picture_within_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, data = cv2.imencode(".png", np.zeros((60, 80, 3), np.uint8))
    image = "data:image/png;base64," + base64.b64encode(data.tobytes()).decode()
    square = region("rectanglelabels", "cat", x=10, y=10, width=20, height=10)
    write(tmp_path / "a.json", [task(square, image=image)])
    source, findings = read_form(tmp_path, "label_studio")
    assert cv2.imread(source.records[0].path).shape == (60, 80, 3)
    assert not findings.counts


def test_an_empty_export_is_one_line(tmp_path):
    write(tmp_path / "a.json", [])
    with pytest.raises(DataError, match="no labelled picture"):
        read_form(tmp_path / "a.json", "label_studio")
