"""ONNX files without MindSpore: where its import fails, and (slow) in an environment that lacks it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from src.interpreter import TRAINING_MODULES
from tests.conftest import ROOT
from tests.exported_network import annotated_folder, exported_file
from tests.small_job import run

PREDICTOR = """
import sys
import cv2
from {package}.predictor import Predictor
found = Predictor("small.onnx")(cv2.imread("photo.png")[:, :, ::-1])
imported = {{name.split(".")[0] for name, module in sys.modules.items() if module is not None}}
assert not imported & set({modules}), imported
print(len(found), found[0].class_name, found[0].mask().sum())
"""


@pytest.fixture(scope="module")
def job():
    """A folder with small.ckpt, small.onnx, photo.png, and the annotated pictures of data/."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    annotated_folder()
    return exported_file("ONNX").parent


@pytest.fixture(scope="module")
def blocked(tmp_path_factory):
    """Environment variables with which no Python process can import what only training needs."""
    folder = tmp_path_factory.mktemp("blocked")
    lines = ["import sys", *(f"sys.modules[{name!r}] = None" for name in TRAINING_MODULES)]
    (folder / "sitecustomize.py").write_text("\n".join(lines))
    return {"PYTHONPATH": str(folder)}


def figures(folder):
    return {
        kind: values["AP"]
        for kind, values in json.loads((folder / "metrics.json").read_text()).items()
        if isinstance(values, dict)
    }


def test_evaluation_gives_the_figures_of_an_environment_with_mindspore(job, blocked):
    words = ["checkpoint_path=small.onnx", "coco_root=data"]
    run("eval.py", job, *words, "--work-dir", "without", **blocked)
    run("eval.py", job, *words, "--work-dir", "with")
    assert set(figures(job / "without")) == {"bbox", "segm"}
    for file in ("metrics.json", "results_bbox.json", "results_segm.json"):
        assert (job / "without" / file).read_bytes() == (job / "with" / file).read_bytes()
    assert json.loads((job / "with" / "results_segm.json").read_text())


def test_pictures_are_drawn_and_written(job, blocked):
    words = ["checkpoint_path=small.onnx", "photo.png", "--out", "drawn", "--threshold", "0.3"]
    run("predict.py", job, *words, "--json", "polygons", "--csv", "--crops", "--labelme", **blocked)
    assert (job / "drawn" / "photo.png").is_file() and json.loads(
        (job / "drawn" / "results.json").read_text()
    )


def test_the_predictor_imports_nothing_of_training(job, blocked):
    code = PREDICTOR.format(package="src", modules=("mindspore", "onnx"))
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=job,
        env={**blocked, "PYTHONPATH": f"{blocked['PYTHONPATH']}:{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 0


@pytest.mark.parametrize(
    ("command", "words", "pieces"),
    [
        ("predict.py", ["checkpoint_path=small.ckpt", "photo.png"], ["small.ckpt", "mindspore", "ONNX"]),
        ("eval.py", ["checkpoint_path=small.ckpt", "coco_root=data"], ["small.ckpt", "mindspore", "ONNX"]),
        ("eval.py", ["coco_root=data"], ["checkpoint_path is not set"]),
        ("eval.py", ["checkpoint_path=small.onnx", "coco_root=data", "report=True"], ["matplotlib"]),
        ("export.py", ["checkpoint_path=small.ckpt"], ["small.ckpt", "mindspore"]),
        ("train.py", ["coco_root=data"], ["mindspore", "numba", "pip install -r requirements.txt"]),
    ],
)
def test_what_needs_more_is_one_line(job, blocked, command, words, pieces):
    done = run(command, job, *words, code=2, **blocked)
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    for piece in pieces:
        assert piece in done.stderr


def test_a_file_is_shown(job, blocked):
    assert "square, disc, star" in run("export.py", job, "--show", "small.onnx", **blocked).stdout


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_clean_environment_is_small_and_enough(job, tmp_path):
    """`pip install .[infer]` into a new environment, from pip's cache where it has the packages."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    python = tmp_path / "env" / "bin" / "python"
    site = next((tmp_path / "env" / "lib").glob("python*/site-packages"))

    def size():
        files = [path for path in site.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        return sum(path.stat().st_size for path in files) / 2**20

    before = size()
    done = subprocess.run(
        [python, "-m", "pip", "install", "-q", f"{ROOT}[infer]"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert size() - before < 400
    names = {path.name.split("-")[0].lower() for path in site.iterdir()}
    assert not names & {"mindspore", "numba", "torch", "matplotlib"}
    for command in (
        ["eval.py", "checkpoint_path=small.onnx", "coco_root=data", "--work-dir", "clean"],
        ["predict.py", "checkpoint_path=small.onnx", "photo.png", "--out", "clean_drawn"],
    ):
        subprocess.run([python, str(ROOT / command[0]), *command[1:]], cwd=job, check=True)
    assert set(figures(job / "clean")) == {"bbox", "segm"}
    assert (job / "clean_drawn" / "photo.png").is_file()
    code = PREDICTOR.format(package="mask_rcnn", modules=("mindspore", "onnx", "src"))
    done = subprocess.run([python, "-c", code], cwd=job, capture_output=True, text=True)
    assert done.returncode == 0 and int(done.stdout.split()[0]) > 0, done.stderr
