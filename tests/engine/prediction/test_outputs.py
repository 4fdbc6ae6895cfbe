"""JSON, CSV, cut-outs and LabelMe files of a prediction that is known."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as mask_api

from src.engine.prediction.output import Source
from src.engine.prediction.outputs import PredictionSettings, open_outputs
from src.predictor import Prediction

HEIGHT = 40
WIDTH = 60


@pytest.fixture
def prediction():
    """A full box of 28 x 28 pixels, and two bars of 7 x 28 in a box of that size; a mask that is empty."""
    bars = np.zeros((28, 28), np.float32)
    bars[:, :7] = bars[:, 21:] = 1
    return Prediction(
        height=HEIGHT,
        width=WIDTH,
        boxes=np.array([[10, 5, 38, 33], [30, 10, 58, 38], [0, 0, 9, 9]], np.float32),
        scores=np.array([0.9, 0.6, 0.5], np.float32),
        labels=np.array([1, 2, 1], np.int32),
        probabilities=[np.ones((28, 28), np.float32), bars, np.zeros((28, 28), np.float32)],
        all_class_names=("background", "a/b", "Ω"),
        mask_threshold=0.5,
    )


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def write(tmp_path, prediction, picture, count=1, **settings):
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    sources = [Source(tmp_path / "in" / f"p{i}.jpg", f"p{i}", i + 1) for i in range(count)]
    paths = [source.path for source in sources]
    for output in open_outputs(
        PredictionSettings(str(out), 0.0, **settings), out, prediction.all_class_names, paths
    ):
        with output:
            for source in sources:
                output.add(source, picture, prediction)
    return out


@pytest.mark.parametrize("masks", ["rle", "polygons"])
def test_coco_results(tmp_path, prediction, picture, masks):
    rows = json.loads((write(tmp_path, prediction, picture, 2, json=masks) / "results.json").read_text())
    assert [row["image_id"] for row in rows] == [1, 1, 1, 2, 2, 2]
    assert rows[0]["bbox"] == [10, 5, 28, 28] and rows[0]["category"] == "a/b" and rows[1]["category_id"] == 2
    assert rows[3]["file_name"].endswith("in/p1.jpg")
    for row, expected in ((rows[0], [(10, 38)]), (rows[1], [(30, 37), (51, 58)])):
        rle = row["segmentation"]
        if masks == "polygons":
            assert len(rle) == len(expected)
            rle = mask_api.merge(mask_api.frPyObjects(rle, HEIGHT, WIDTH))
        mask = mask_api.decode(rle)
        top = int(row["bbox"][1])
        assert mask.sum() == sum(28 * (right - left) for left, right in expected)
        assert all(mask[top : top + 28, left:right].all() for left, right in expected)


def test_pycocotools_loads_the_results(tmp_path, prediction, picture):
    from pycocotools.coco import COCO

    out = write(tmp_path, prediction, picture, 2, json="rle")
    truth = COCO()
    truth.dataset = {
        "images": [{"id": 1}, {"id": 2}],
        "annotations": [],
        "categories": [{"id": 1}, {"id": 2}],
    }
    truth.createIndex()
    loaded = truth.loadRes(str(out / "results.json"))
    assert [loaded.anns[i]["bbox"] for i in (1, 2)] == [[10, 5, 28, 28], [30, 10, 28, 28]]


def test_csv(tmp_path, prediction, picture):
    with open(write(tmp_path, prediction, picture, csv=True) / "detections.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 and rows[1]["class"] == "Ω" and rows[1]["frame"] == ""
    assert [float(rows[1][name]) for name in ("x1", "y1", "x2", "y2")] == [30, 10, 58, 38]
    assert [int(row["area"]) for row in rows] == [28 * 28, 28 * 14, 0]


def test_cut_outs(tmp_path, prediction, picture):
    folder = write(tmp_path, prediction, picture, crops=True) / "crops" / "p0"
    assert sorted(path.name for path in folder.iterdir()) == ["001_a_b.png", "002_Ω.png"]  # no empty mask
    for name, top, left, height, width in (("001_a_b", 5, 10, 28, 28), ("002_Ω", 10, 30, 28, 28)):
        cut = cv2.imdecode(np.fromfile(folder / f"{name}.png", np.uint8), cv2.IMREAD_UNCHANGED)
        assert cut.shape == (height, width, 4)
        assert (cut[:, :, 2::-1] == picture[top : top + height, left : left + width]).all()
        assert (cut[:, :, 3] == 255).sum() == (28 * 28 if name == "001_a_b" else 28 * 14)


def test_labelme_files(tmp_path, prediction, picture):
    """Keys and types as LabelMe 5 reads them (labelme/label_file.py): it opens imagePath beside the file."""
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "p0.jpg"), picture)
    path = write(tmp_path, prediction, picture, labelme=True) / "labelme" / "p0.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    assert {"version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"} == set(
        content
    )
    opened = cv2.imread(str(Path(path).parent / content["imagePath"]))
    assert opened.shape == (HEIGHT, WIDTH, 3) and content["imageData"] is None
    assert (content["imageHeight"], content["imageWidth"]) == (HEIGHT, WIDTH)
    shapes = content["shapes"]
    assert [shape["label"] for shape in shapes] == ["a/b", "Ω", "Ω"]
    assert [shape["group_id"] for shape in shapes] == [None, 2, 2]
    for shape in shapes:
        assert shape["shape_type"] == "polygon" and len(shape["points"]) >= 3 and shape["flags"] == {}
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in shape["points"])
