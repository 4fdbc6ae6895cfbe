"""Labels of a prediction that is known, read by the rules of the tools that they are for."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from src.engine.prediction.output import Source
from src.engine.prediction.outputs import PredictionSettings, check_labels_free, open_outputs
from src.errors import ConfigError
from src.predictor import Prediction
from tests.data.forms.writers.scenes import pixels

HEIGHT = 80
WIDTH = 120
NAMES = ("background", 'a "b" <c>', "Ω")


def drawn_probabilities(rng):
    """A soft disc; a ring with a hole; two parts."""
    y, x = np.mgrid[:28, :28]
    distance = np.hypot(x - 13.5, y - 13.5 + rng.uniform(-2, 2))
    disc = np.clip((12 - distance) / 4, 0, 1)
    ring = disc * np.clip((distance - 5) / 2, 0, 1)
    parts = np.where(abs(x - 13.5) > 5, disc, 0)
    return [one.astype(np.float32) for one in (disc, ring, parts)]


@pytest.fixture
def predictions():
    """Three objects in each of two pictures, and a third picture without any."""
    rng = np.random.default_rng(4)
    made = []
    for count in (3, 3, 0):
        low = rng.uniform(0, (60, 30), (count, 2))
        made.append(
            Prediction(
                height=HEIGHT,
                width=WIDTH,
                boxes=np.concatenate([low, low + rng.uniform(20, 45, (count, 2))], 1).astype(np.float32),
                scores=np.array([0.9, 0.75, 0.5][:count], np.float32),
                labels=np.array([1, 2, 1][:count], np.int32),
                probabilities=drawn_probabilities(rng)[:count],
                all_class_names=NAMES,
                mask_threshold=0.5,
            )
        )
    return made


def write(folder, predictions, **settings):
    out = folder / "out"
    out.mkdir()
    paths = [folder / "in" / name for name in ("b & c.jpg", "sub/é.png", "empty.png")]
    sources = [Source(path, path.stem, i) for i, path in enumerate(paths, 1)]
    for output in open_outputs(PredictionSettings(str(out), 0.0, **settings), out, NAMES, paths):
        with output:
            for source, prediction in zip(sources, predictions):
                output.add(source, np.zeros((HEIGHT, WIDTH, 3), np.uint8), prediction)
    return out


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def check_polygons(polygons, prediction, index):
    """They keep the IoU, with a number of points that a person can move."""
    mask = prediction[index].mask()
    assert iou(pixels(polygons, HEIGHT, WIDTH), mask) >= 0.98
    assert all(len(polygon) // 2 <= 60 for polygon in polygons)


def decoded(element):
    """bool [H, W] of a <mask>, as CVAT's page says: runs of a row-major window, zeros first."""
    left, top, width, height = (int(element.get(key)) for key in ("left", "top", "width", "height"))
    flat = []
    for number, run in enumerate(element.get("rle").split(", ")):
        flat += [number % 2 == 1] * int(run)
    assert len(flat) == width * height
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for position, value in enumerate(flat):
        mask[top + position // width, left + position % width] = value
    return mask


# What https://docs.cvat.ai/docs/manual/advanced/xml_format/ lists, and CVAT's importer
# (cvat/apps/dataset_manager/formats/cvat.py, load_anno) reads without a default.
NEEDED = {
    "polygon": {"label", "points", "occluded", "source", "z_order"},
    "mask": {"label", "rle", "left", "top", "width", "height", "occluded", "source", "z_order"},
}
TASK = {"id", "name", "size", "mode", "overlap", "bugtracker", "created", "updated", "labels"}


def read_cvat(path):
    """The <image> elements of a file that has the documented structure."""
    root = ElementTree.parse(path).getroot()
    assert root.tag == "annotations" and [one.tag for one in root][:2] == ["version", "meta"]
    assert root.findtext("version") == "1.1"
    task = root.find("meta/task")
    assert {one.tag for one in task} >= TASK and task.findtext("mode") == "annotation"
    images = root.findall("image")
    assert [one.tag for one in root][2:] == ["image"] * len(images)
    assert int(task.findtext("size")) == len(images) and root.find("meta/dumped") is not None
    assert [label.findtext("name") for label in task.find("labels")] == list(NAMES[1:])
    for number, image in enumerate(images):
        assert (image.get("id"), image.get("width"), image.get("height")) == (str(number), "120", "80")
        for shape in image:
            assert set(shape.keys()) - {"group_id"} == NEEDED[shape.tag]
            assert shape.get("label") in NAMES
            assert [one.get("name") for one in shape] == ["score"]
    return images


def test_cvat_polygons(tmp_path, predictions):
    images = read_cvat(write(tmp_path, predictions, cvat="polygons") / "cvat.xml")
    assert [image.get("name") for image in images] == ["b & c.jpg", "sub/é.png", "empty.png"]
    assert len(images[2]) == 0
    for image, prediction in zip(images[:2], predictions):
        groups = {}
        for shape in image:
            groups.setdefault(shape.get("group_id") or len(groups), []).append(shape)
        assert len(groups) == 3 and [len(shapes) for shapes in groups.values()] == [1, 1, 2]
        for index, shapes in enumerate(groups.values()):
            points = [
                [float(value) for pair in shape.get("points").split(";") for value in pair.split(",")]
                for shape in shapes
            ]
            check_polygons(points, prediction, index)
            assert {shape.get("label") for shape in shapes} == {NAMES[prediction.labels[index]]}
            assert shapes[0].findtext("attribute") == f"{prediction.scores[index]:.3f}"


def test_cvat_masks(tmp_path, predictions):
    images = read_cvat(write(tmp_path, predictions, cvat="masks") / "cvat.xml")
    for image, prediction in zip(images, predictions):
        assert len(image) == len(prediction)
        for shape, instance in zip(image, prediction):
            assert shape.tag == "mask" and (decoded(shape) == instance.mask()).all()


def test_coco_for_labelling_tools(tmp_path, predictions):
    """pycocotools loads it. Label Studio's importer wants lists of polygons, `score` and `iscrowd` 0."""
    from pycocotools.coco import COCO

    loaded = COCO(str(write(tmp_path, predictions, coco=True) / "coco.json"))
    assert [image["file_name"] for image in loaded.imgs.values()] == ["b & c.jpg", "sub/é.png", "empty.png"]
    assert [one["name"] for one in loaded.cats.values()] == list(NAMES[1:])
    for number, prediction in enumerate(predictions, 1):
        found = loaded.loadAnns(loaded.getAnnIds(imgIds=[number]))
        assert [one["category_id"] for one in found] == prediction.labels.tolist()
        for index, one in enumerate(found):
            check_polygons(one["segmentation"], prediction, index)
            assert one["iscrowd"] == 0 and one["score"] == pytest.approx(prediction.scores[index])
            assert one["area"] == prediction[index].mask().sum()
            x1, y1, x2, y2 = prediction.boxes[index]
            assert one["bbox"] == pytest.approx([x1, y1, x2 - x1, y2 - y1], abs=1e-4)


def test_labelme_shapes(tmp_path, predictions):
    out = write(tmp_path, predictions, labelme=True) / "labelme"
    assert sorted(path.name for path in out.iterdir()) == ["b & c.json", "empty.json", "é.json"]
    content = json.loads((out / "é.json").read_text(encoding="utf-8"))
    shapes = content["shapes"]
    assert [shape["group_id"] for shape in shapes] == [None, None, 3, 3]
    for index, parts in enumerate((shapes[:1], shapes[1:2], shapes[2:])):
        polygons = [[value for point in shape["points"] for value in point] for shape in parts]
        check_polygons(polygons, predictions[1], index)


@pytest.mark.parametrize("tolerance", [0.0, 0.5, 4.0])
def test_the_tolerance_trades_points_for_exactness(tmp_path, predictions, tolerance):
    out = write(tmp_path, predictions, coco=True, tolerance=tolerance)
    content = json.loads((out / "coco.json").read_text())
    mask = predictions[0][0].mask()
    polygons = content["annotations"][0]["segmentation"]
    found = iou(pixels(polygons, HEIGHT, WIDTH), mask)
    assert found == 1 if tolerance == 0 else found >= 0.98
    if tolerance == 4:
        assert len(polygons[0]) // 2 < 20


def test_without_pictures_there_is_no_file(tmp_path):
    settings = PredictionSettings(str(tmp_path), 0.0, coco=True, cvat="masks")
    assert list(open_outputs(settings, tmp_path, NAMES, [])) == []


@pytest.mark.parametrize(
    ("words", "file"),
    [({"labelme": True}, "labelme/b.json"), ({"coco": True}, "coco.json"), ({"cvat": "masks"}, "cvat.xml")],
)
def test_corrected_labels_are_not_written_over(tmp_path, words, file):
    settings = PredictionSettings(str(tmp_path), 0.5, **words)
    check_labels_free(settings, tmp_path, ["a", "b"])
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("corrected")
    with pytest.raises(ConfigError, match=f"{file}: is there, and 0 more"):
        check_labels_free(settings, tmp_path, ["a", "b"])
    check_labels_free(PredictionSettings(str(tmp_path), 0.5, overwrite=True, **words), tmp_path, ["a", "b"])
    check_labels_free(PredictionSettings(str(tmp_path), 0.5, json="rle", csv=True), tmp_path, ["a", "b"])
    if "labelme" in words:
        check_labels_free(settings, tmp_path, ["a", "c"])  # the next pictures
