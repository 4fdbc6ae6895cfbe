"""`Predictor`: pictures as arrays in, dataclasses out, from files of all three kinds."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from src.data.images.box_masks import paste_mask
from src.data.images.decode import read_picture
from src.data.images.rle import mask_to_rle, rle_to_mask
from src.errors import CheckpointError, ConfigError, DataError
from src.predictor import Prediction, Predictor
from tests.conftest import ROOT
from tests.exported_network import exported_file


@pytest.fixture(scope="module")
def folder():
    """small.ckpt, small.onnx, small.mindir and two pictures."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    exported_file("MINDIR")
    return exported_file("ONNX").parent


@pytest.fixture(scope="module")
def predictor(folder):
    return Predictor(folder / "small.onnx")


def near(first, second):
    """Whether two predictions hold the same objects, in any order among equal scores."""
    assert len(first) == len(second) > 0
    for a in first:
        b = min(second, key=lambda other: np.abs(np.subtract(other.box, a.box)).max())
        assert np.abs(np.subtract(a.box, b.box)).max() < 0.05 and a.class_name == b.class_name
        assert abs(a.score - b.score) < 1e-3 and np.abs(a.probabilities - b.probabilities).max() < 1e-2
    return True


def test_all_three_kinds_of_file_find_the_same(folder, predictor):
    others = [
        Predictor(folder / "small.ckpt", test_score_thr=0.3, device_target="CPU", compile_cache="off"),
        Predictor(folder / "small.mindir", device_target="CPU"),
    ]
    for name in ("photo", "tall"):
        picture = read_picture(folder / f"{name}.png")
        expected = predictor(picture)
        assert all(near(other(picture), expected) for other in others)
        assert (np.diff(expected.scores) <= 0).all() and expected.scores.min() > 0.3
        assert set(expected.class_names) <= {"square", "disc", "star"}
    pictures = [read_picture(folder / f"{name}.png") for name in ("tall", "photo", "tall")]
    for one in (predictor, *others):
        together = one.predict_pictures(pictures)
        assert [(found.height, found.width) for found in together] == [(150, 90), (120, 200), (150, 90)]
        assert all(near(found, predictor(picture)) for found, picture in zip(together, pictures))
    assert predictor.predict_pictures([]) == []


def test_a_mindir_file_of_two_pictures_a_call_takes_any_number(folder):
    from src.engine.inference.exported_files import MindirNetwork

    network = MindirNetwork(folder / "small.mindir")
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (3, 128, 128, 3), np.uint8)
    meta = np.tile(np.array([128, 128, 1, 1, 128, 128], np.float32), (3, 1))
    assert network.batch == 2
    together = network(image, meta)
    for i in range(3):
        alone = network(image[i : i + 1], meta[i : i + 1])
        for first, second in zip(together, alone):
            np.testing.assert_allclose(first[i], second[0], atol=1e-3)


PROGRAM = """
import json, sys
import numpy as np
from src.predictor import Predictor

predictor = Predictor(sys.argv[1])
found = predictor(np.load(sys.argv[2]))
print(json.dumps({
    "modules": sorted(name for name in sys.modules if name.split(".")[0] in ("mindspore", "onnx", "torch")),
    "scores": found.scores.tolist(),
    "rles": [instance.rle()["counts"] for instance in found],
}))
"""


def test_an_onnx_file_needs_no_mindspore(folder, predictor, tmp_path):
    """In a fresh process nothing of MindSpore is loaded, from import to masks."""
    picture = read_picture(folder / "photo.png")
    np.save(tmp_path / "picture.npy", picture)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder / "small.onnx"), str(tmp_path / "picture.npy")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["modules"] == []
    expected = predictor(picture)
    assert said["scores"] == pytest.approx(expected.scores.tolist(), abs=1e-5) and len(said["scores"]) > 3
    assert len(said["rles"]) == len(expected)


def test_the_pages_program_runs(folder, tmp_path):
    page = (ROOT / "docs" / "prediction.md").read_text()
    program = re.search(r"```python\n(.*?)```", page, re.S)[1]
    shutil.copy(folder / "small.onnx", tmp_path / "mask_rcnn.onnx")
    shutil.copy(folder / "photo.png", tmp_path / "photo.jpg")
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{program}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines and all(line.split()[0] in ("square", "disc", "star") for line in lines)


def test_masks_boxes_and_thresholds():
    """Two objects of known masks: a full box, and the left half of one."""
    half = np.zeros((28, 28), np.float32)
    half[:, :14] = 1
    prediction = Prediction(
        height=40,
        width=60,
        boxes=np.array([[10, 5, 38, 33], [2, 2, 58, 30]], np.float32),
        scores=np.array([0.9, 0.4], np.float32),
        labels=np.array([2, 1], np.int32),
        probabilities=[np.ones((28, 28), np.float32), half],
        all_class_names=("background", "cat", "dog"),
        mask_threshold=0.5,
    )
    assert prediction.class_names == ("dog", "cat") and len(prediction) == 2
    first, second = prediction
    assert (first.class_name, first.label, first.box) == ("dog", 2, (10, 5, 38, 33))
    assert first.mask().sum() == 28 * 28 and first.mask()[5:33, 10:38].all()
    assert second.mask().sum() == 28 * 28 and second.mask()[2:30, 2:30].all()  # 28 of 56 columns
    assert (rle_to_mask(second.rle()) == second.mask()).all()
    assert second.rle() == mask_to_rle(paste_mask(half, second.box, 40, 60))
    assert prediction.masks().shape == (2, 40, 60) and prediction.above(0.5).class_names == ("dog",)
    assert prediction.above(0.95).masks().shape == (0, 40, 60)


def test_views_are_settings_of_the_predictor(folder, predictor):
    """Tiles larger than the picture change nothing; mirrored views treat a picture and its mirror alike."""
    picture = read_picture(folder / "photo.png")
    near(Predictor(folder / "small.onnx", test_tiles=400)(picture), predictor(picture))
    both = Predictor(folder / "small.onnx", test_tta=["flip"])
    found = both(picture)
    mirrored = both(np.ascontiguousarray(picture[:, ::-1]))
    assert len(found) == len(mirrored) > 0
    np.testing.assert_allclose(found.scores, mirrored.scores, atol=1e-4)
    tiled = Predictor(folder / "small.onnx", test_tiles=100, test_tta=["flip", "scales"])(picture)
    assert len(tiled) > 0 and (tiled.boxes[:, 2:] <= (200.01, 120.01)).all() and (tiled.boxes >= 0).all()


@pytest.mark.parametrize(
    "picture, piece",
    [
        (np.zeros((4, 4, 3), np.float32), "float32 was given"),
        (np.zeros((4, 4), np.uint8), "shape [4, 4]"),
        (np.zeros((4, 4, 4), np.uint8), "shape [4, 4, 4]"),
        (np.zeros((0, 4, 3), np.uint8), "shape [0, 4, 3]"),
        ("photo.jpg", "str was given"),
    ],
)
def test_what_is_no_picture(predictor, picture, piece):
    with pytest.raises(DataError, match=re.escape(piece)):
        predictor(picture)


def test_files_and_settings_that_cannot_be_used(folder, tmp_path):
    (tmp_path / "torn.mindir").write_bytes((folder / "small.mindir").read_bytes()[:3000])
    (tmp_path / "empty.mindir").write_bytes(b"")
    for name, error, piece in (
        ("torn.mindir", CheckpointError, "not a MINDIR file"),
        ("empty.mindir", CheckpointError, "without this project's settings"),
        ("nowhere.mindir", CheckpointError, "no such file"),
        ("nowhere.onnx", CheckpointError, "no such file"),
        ("nowhere.ckpt", CheckpointError, "nowhere.ckpt"),
    ):
        with pytest.raises(error, match=piece) as raised:
            Predictor(tmp_path / name, device_target="CPU")
        assert "\n" not in str(raised.value)
    for settings, piece in (
        ({"test_score_thr": 0.2}, "test_score_thr=0.2 contradicts .*small.onnx"),
        ({"scoer": 1}, "scoer"),
        ({"test_tta": {"flip"}}, "numbers, texts and lists"),
    ):
        with pytest.raises(ConfigError, match=piece):
            Predictor(folder / "small.onnx", **settings)
