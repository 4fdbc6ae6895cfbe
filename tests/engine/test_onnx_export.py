"""The ONNX export as a user sees it: the file, its check, its use without MindSpore, what is refused."""

from __future__ import annotations

import re
import subprocess
import sys

import cv2
import mindspore as ms
import numpy as np
import pytest

from src.config import load_config
from src.data.images.box_masks import paste_mask
from src.data.images.placement import place_picture, place_plainly
from src.data.shapes.picture import draw_picture
from src.data_settings import canvas_settings
from src.engine import onnx_export
from src.engine.exporter import ExportSettings, export
from src.engine.inference.detections import detect
from src.engine.inference.loading import load_for_inference
from src.errors import CheckpointError, ConfigError, UserError
from src.maskrcnn.build import build_network
from src.onnx_graph.runtime import OnnxNetwork
from src.weights.checkpoint_file import save_checkpoint
from src.weights.checkpoint_settings import network_settings
from tests.conftest import ROOT
from tests.small_network import draw_weights, small_config

WORDS = ("norm=bn",)
THRESHOLD = "test_score_thr=0.3"


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A folder with small.ckpt and the pictures photo.png (wide) and tall.png, both drawn."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    ms.set_device("CPU")  # before anything runs: later tests of the same process set it again
    folder = tmp_path_factory.mktemp("onnx")
    config = small_config(*WORDS)
    network = draw_weights(build_network(config))
    save_checkpoint(folder / "small.ckpt", network, network_settings(config, "bn"), 1, 1)
    # Of these pictures no detection is so near to a threshold that rounding decides about it.
    for name, size in (("photo", (200, 120)), ("tall", (90, 150))):
        cv2.imwrite(str(folder / f"{name}.png"), draw_picture(size, "plain", 6).image[:, :, ::-1])
    return folder


def settings(path, *words):
    return load_config([f"checkpoint_path={path}", "device_target=CPU", *words])


def run(command, folder, *words):
    """A command's output, from a process of its own, because MindSpore's device is set once a process."""
    done = subprocess.run(
        [sys.executable, str(ROOT / command), "device_target=CPU", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def exported(job):
    """(the written file, the command's output)."""
    said = run(
        "export.py",
        job,
        "checkpoint_path=small.ckpt",
        THRESHOLD,
        "--file-format",
        "onnx",
        "--out",
        "small.mindir",
        "--batch",
        "2",
        "--picture",
        "photo.png",
    )
    return job / "small.onnx", said


def test_export_checks_the_file_and_reports_it(job, exported):
    path, said = exported
    assert path.stat().st_mode & 0o777 == 0o644
    match = re.search(
        r"wrote .*small\.onnx \(\d+\.\d MiB\), which gives (\d+) of the network's (\d+) detections "
        r"\(boxes to .* pixels.*\)\n",
        said,
    )
    assert match and match[1] == match[2] and int(match[1]) > 0
    assert not list(job.glob("*partial*"))


def test_the_file_is_predicted_and_evaluated_with(job, exported, tmp_path):
    """By predict.py, and through eval.py's loading: the file stands in for a checkpoint."""
    run(
        "predict.py",
        tmp_path,
        f"checkpoint_path={exported[0]}",
        str(job / "photo.png"),
        "--out",
        "drawn",
        "--threshold",
        "0.3",
    )
    assert cv2.imread(str(tmp_path / "drawn" / "photo.png")) is not None
    network, config = load_for_inference(settings(exported[0], "padding=mean"), "CPU")
    assert (
        isinstance(network, OnnxNetwork)
        and config.coco_classes == small_config().coco_classes
        and config.img_width == 128
    )
    assert config.test_score_thr == 0.3 and config.padding == "mean"


@pytest.mark.parametrize(
    ("words", "pieces"),
    [
        (["test_score_thr=0.2"], ["test_score_thr=0.2", "0.3", "small.onnx"]),
        (["img_width=256"], ["img_width=256", "128"]),
        (["coco_classes=[background, cat]"], ["coco_classes", "cat", "square"]),
    ],
)
def test_settings_that_the_file_fixes_cannot_be_changed(exported, words, pieces):
    with pytest.raises(ConfigError) as error:
        load_for_inference(settings(exported[0], *words), "CPU")
    assert all(piece in str(error.value) for piece in pieces) and "\n" not in str(error.value)


def test_what_cannot_be_exported(job, exported, monkeypatch):
    for word in ("compute_type=float16", "amp_level=O2"):
        with pytest.raises(ConfigError, match=f"^{word}: .*float32"):
            export(settings(job / "small.ckpt", word), ExportSettings("ONNX", job / "no"))
    with pytest.raises(ConfigError, match="small.onnx: an exported file already"):
        export(settings(exported[0]), ExportSettings("ONNX", job / "no"))
    monkeypatch.setitem(sys.modules, "onnx", None)  # as where it is not installed
    with pytest.raises(ConfigError, match="pip install .onnx<1.23. onnxruntime") as error:
        export(settings(job / "small.ckpt"), ExportSettings("ONNX", job / "no"))
    assert "\n" not in str(error.value) and not (job / "no.onnx").exists()


def test_without_onnx_runtime(job, exported, monkeypatch):
    """The file is written, with a remark that it was not run; running one is refused."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    network, config = load_for_inference(settings(job / "small.ckpt", THRESHOLD), "CPU")
    onnx_export.write_onnx(network, config, job / "unchecked.onnx")
    assert "not run" in onnx_export.check_onnx(job / "unchecked.onnx", [], [], "x")
    assert (job / "unchecked.onnx").read_bytes() == exported[0].read_bytes()
    with pytest.raises(CheckpointError, match="pip install onnxruntime"):
        load_for_inference(settings(job / "unchecked.onnx"), "CPU")


def test_files_that_are_not_this_projects(job, exported):
    import onnx

    (job / "torn.onnx").write_bytes(exported[0].read_bytes()[:2000])
    model = onnx.load(str(exported[0]))
    del model.metadata_props[:]
    onnx.save_model(model, str(job / "foreign.onnx"))
    for name, line in (
        ("torn", "not an ONNX file"),
        ("foreign", "an ONNX file of another project"),
        ("nowhere", "no such file"),
    ):
        with pytest.raises(CheckpointError, match=f"{name}.onnx: {line}"):
            load_for_inference(settings(job / f"{name}.onnx"), "CPU")


def test_a_file_that_gives_something_else_is_not_kept(exported):
    network = OnnxNetwork(exported[0], threads=1)
    image = np.random.default_rng(0).integers(0, 256, (1, 128, 128, 3), np.uint8)
    answer = network(image, np.array([[128, 128, 1, 1, 128, 128]], np.float32))
    assert answer[3].sum() > 20
    assert "(boxes to 0 pixels" in onnx_export.compare_detections(answer, answer, "x")
    swapped = [array[:, ::-1] for array in answer]  # the same detections in another order
    onnx_export.compare_detections(answer, swapped, "x")
    for place, amount in ((0, 0.5), (1, 0.01), (2, 1), (4, 0.05)):
        other = [
            array + np.asarray(amount, array.dtype) if i == place else array for i, array in enumerate(answer)
        ]
        with pytest.raises(UserError, match="are not the network's"):
            onnx_export.compare_detections(answer, other, "x")


def outputs(*pictures):
    """The five arrays of pictures, which are lists of (label, score, x1, y1, x2, y2); two slots each."""
    arrays = [np.zeros((len(pictures), 2, 4)), *(np.zeros((len(pictures), 2)) for _ in range(2))]
    found = np.zeros((len(pictures), 2), bool)
    for i, rows in enumerate(pictures):
        for slot, (label, score, *box) in enumerate(rows):
            arrays[0][i, slot], arrays[1][i, slot], arrays[2][i, slot] = box, score, label
            found[i, slot] = True
    return [*arrays, found, np.zeros((len(pictures), 2, 28, 28))]


def test_a_rounded_file_has_to_find_the_objects():
    """Those with half of the best score count; boxes may move, classes may not change."""
    expected = outputs([(1, 0.9, 0, 0, 10, 10), (1, 0.1, 50, 50, 60, 60)], [(2, 0.8, 0, 0, 10, 10)])
    moved = outputs([(1, 0.7, 0, 0, 10, 9)], [(1, 0.8, 0, 0, 10, 10)])
    assert "finds 1 of the network's 2 objects" in onnx_export.compare_objects(expected, moved, "x")
    other = outputs([(2, 0.9, 0, 0, 10, 10)], [(2, 0.8, 5, 5, 15, 15)])
    with pytest.raises(UserError, match="x: finds none of the network's 2 objects"):
        onnx_export.compare_objects(expected, other, "x")


def test_something_is_found_in_every_picture_in_which_the_network_does():
    some, nothing = outputs([(1, 0.9, 0, 0, 10, 10)]), outputs([])
    onnx_export.require_finds([some, nothing], [some, nothing], "x")
    onnx_export.require_finds([nothing], [some], "x")
    with pytest.raises(UserError, match="x: finds nothing in picture 2 .* 1 objects"):
        onnx_export.require_finds([some, some], [some, nothing], "x")


def test_the_readmes_program_needs_onnx_runtime_alone(job, exported, tmp_path):
    """It runs in a process that cannot import MindSpore or this project.

    Its detections are those of the checkpoint's network.
    """
    page = (ROOT / "docs" / "export.md").read_text()
    program = re.search(r"```python\n(import [^`]*onnxruntime[^`]*)```", page)[1]
    program = (
        program.replace("mask_rcnn.onnx", str(exported[0]))
        .replace("photo.jpg", str(job / "tall.png"))
        .replace("score > 0.5", "score > 0.3")
    )
    program = "import sys\nsys.modules['mindspore'] = sys.modules['src'] = None\n" + program
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    network, config = load_for_inference(settings(job / "small.ckpt", THRESHOLD), "CPU")
    picture = cv2.imread(str(job / "tall.png"))[:, :, ::-1]
    canvas = canvas_settings(config)
    placement = place_plainly(*picture.shape[:2], canvas)
    found = detect(
        network,
        dict(image=place_picture(picture, placement, canvas)[None], image_meta=placement.meta[None], count=1),
    )[0]
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len(lines) == len(found["scores"]) > 0
    wanted = [
        (config.coco_classes[label], score, *box, paste_mask(mask, box, *picture.shape[:2]).sum())
        for label, score, box, mask in zip(found["labels"], found["scores"], found["boxes"], found["masks"])
    ]
    for name, *values in lines:  # in any order among equal scores
        shown = np.array([float(value) for value in values])
        row = min(
            (row for row in wanted if row[0] == name),
            key=lambda row: np.abs(np.array(row[1:6]) - shown[:5]).max(),
        )
        wanted.remove(row)
        np.testing.assert_allclose(shown[:5], row[1:6], atol=0.06)
        assert abs(shown[5] - row[6]) <= 0.02 * row[6] + 8
