"""The whole job from the command line: conversion, training, evaluation, export, prediction."""

import json
import re
import shutil

import cv2
import numpy as np
import pytest

from src.engine.display.loss_lines import LOSS_NAMES, read_loss_log
from src.weights.checkpoint_file import read_training
from tests.small_job import SMALL, run

COUNTS = ("pictures", "pictures_left_out")  # beside the figures in metrics.json


def test_training_writes_log_and_checkpoints(trained):
    folder, done = trained
    lines = (folder / "train" / "loss_0.log").read_text().splitlines()
    number = r"\d+\.\d{5}"
    form = re.compile(r"epoch: 1 step: \d+ ," + ", ".join(f"{name}: {number}" for name in LOSS_NAMES))
    assert len(lines) == 3 and all(form.fullmatch(line) for line in lines), lines
    rows = read_loss_log(folder / "train" / "loss_0.log")
    for row in rows:
        assert row["rpn_loss"] == pytest.approx(row["rpn_cls_loss"] + row["rpn_reg_loss"], abs=3e-5)
        assert row["total_loss"] == pytest.approx(row["rpn_loss"] + row["rcnn_loss"], abs=3e-5)
    assert rows[0]["rcnn_mask_loss"] == pytest.approx(
        np.log(2), abs=0.02
    )  # an untrained mask head knows nothing
    assert sorted(path.name for path in (folder / "train" / "checkpoint").iterdir()) == [
        "mask_rcnn-1_2.ckpt",
        "mask_rcnn-1_3.ckpt",
    ]
    assert "device: 1 x CPU" in done.stdout and "4 classes" in done.stdout


def test_mindspores_own_notices_are_not_shown(trained, evaluated):
    """Both compile their graph, which is where MindSpore writes notices of its own."""
    for done in (trained[1], evaluated):
        assert not re.search(r"\[(WARNING|INFO)\]", done.stdout + done.stderr), done.stdout + done.stderr


def test_the_same_seed_gives_the_same_run(trained, conversion, tmp_path):
    folder, _ = trained
    words = [
        *SMALL,
        f"coco_root={folder / 'data'}",
        f"mindrecord_dir={conversion}",
        "max_steps=3",
        "batch_size=2",
        "num_parallel_workers=1",
    ]
    done = run("train.py", tmp_path, *words)
    assert re.search(r"the graph was read from \S+ in \d+\.\d s", done.stderr)  # which the first run kept
    assert (tmp_path / "train" / "loss_0.log").read_text() == (folder / "train" / "loss_0.log").read_text()


def test_evaluation_prints_both_tables_and_writes_results(trained, evaluated):
    folder = trained[0]
    done = evaluated
    assert done.stdout.count("Average Precision") == 12 and done.stdout.count("Average Recall") == 12
    metrics = json.loads((folder / "eval" / "metrics.json").read_text())
    assert set(metrics) == {"bbox", "segm", *COUNTS} and {"AP", "AP50", "AP75"} <= set(metrics["bbox"])
    known = {
        image["id"]
        for image in json.loads((folder / "data/annotations/instances_val2017.json").read_text())["images"]
    }
    for kind in ("bbox", "segm"):
        rows = json.loads((folder / "eval" / f"results_{kind}.json").read_text())
        assert rows and {row["image_id"] for row in rows} <= known


def test_evaluation_of_a_file_without_annotations(trained, checkpoint, evaluated, tmp_path):
    """The same detections by the same graph, and no figures."""
    folder, _ = trained
    content = json.loads((folder / "data/annotations/instances_val2017.json").read_text())
    del content["annotations"]
    (tmp_path / "test.json").write_text(json.dumps(content))
    done = run(
        "eval.py",
        folder,
        "--work-dir",
        str(tmp_path),
        "coco_root=data",
        f"ann_file={tmp_path / 'test.json'}",
        f"checkpoint_path={checkpoint}",
        "device_target=CPU",
        "test_score_thr=0.01",
        f"compile_cache={folder / 'graphs'}",
    )
    assert "no figures" in done.stdout
    assert (tmp_path / "results_segm.json").read_bytes() == (
        folder / "eval" / "results_segm.json"
    ).read_bytes()
    assert not (tmp_path / "metrics.json").exists() and len(list((folder / "graphs").rglob("*.mindir"))) == 1


def test_export_and_prediction(trained, checkpoint, tmp_path):
    folder, _ = trained
    done = run(
        "export.py", tmp_path, f"checkpoint_path={checkpoint}", "--out", "net.mindir", "device_target=CPU"
    )
    assert (
        tmp_path / "net.mindir"
    ).stat().st_size > 100_000 and "gives what the network gives" in done.stdout
    done = run("export.py", tmp_path, f"checkpoint_path={checkpoint}", "--file-format", "AIR", code=2)
    assert done.stderr.count("\n") == 1 and "Ascend" in done.stderr
    picture = next((folder / "data" / "val2017").iterdir())
    run(
        "predict.py",
        tmp_path,
        f"checkpoint_path={checkpoint}",
        str(picture),
        "--out",
        "drawn",
        "--threshold",
        "0.01",
        "device_target=CPU",
    )
    assert cv2.imread(str(tmp_path / "drawn" / f"{picture.stem}.png")) is not None


@pytest.mark.slow
def test_files_of_any_name(trained, checkpoint, tmp_path):
    """Exported into a folder and to a name that MindSpore refuses; three pictures of one name, and others."""
    folder, _ = trained
    out = "mein Größe [2] 模型"
    words = [f"checkpoint_path={checkpoint}", "device_target=CPU"]
    done = run("export.py", tmp_path, *words, "--out", f"{out}/net (ü) v1.5")
    assert [path.name for path in (tmp_path / out).iterdir()] == ["net (ü) v1.5.mindir"]
    assert f"wrote {out}/net (ü) v1.5.mindir" in done.stdout
    source = next((folder / "data" / "val2017").iterdir())
    names = ["a/1.jpg", "b/1.jpg", "1.jpeg", "frame_t=0.5.jpg", "scan.2024.01.jpg", "螺栓 (2).jpg", "-x.jpg"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(source, tmp_path / name)
    strip = np.random.default_rng(0).integers(0, 256, (2, 1500, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "strip.png"), strip)
    done = run(
        "predict.py",
        tmp_path,
        *words,
        "--threshold",
        "0.01",
        "--out",
        "drawn",
        "--",
        *names,
        "strip.png",
        "1.jpeg",
    )
    drawn = ["1", "1_2", "1_3", "frame_t=0.5", "scan.2024.01", "螺栓 (2)", "-x", "strip"]
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == sorted(
        f"{name}.png" for name in drawn
    )
    assert done.stdout.count("wrote ") == 8 and "wrote drawn/1_2.png (b/1.jpg)" in done.stdout
    sizes = {
        name: cv2.imdecode(np.fromfile(tmp_path / "drawn" / f"{name}.png", np.uint8), 1).shape
        for name in drawn
    }
    assert sizes["strip"] == (4, 3000, 3) and sizes["1"] == sizes["1_2"] == sizes["1_3"]


def test_a_loss_that_is_not_finite_ends_the_run(trained, conversion, tmp_path):
    folder, _ = trained
    done = run(
        "train.py",
        tmp_path,
        *SMALL,
        f"coco_root={folder / 'data'}",
        f"mindrecord_dir={conversion}",
        "max_steps=9",
        "base_lr=1e30",
        "warmup_step=0",
        "batch_size=2",
        code=2,
    )
    assert re.search(
        r"error: (a loss is not finite at epoch 1 step \d+, rank 0, pictures \[\d+, \d+\]: rpn_loss "
        r"|weights are not finite)",
        done.stderr,
    )
    assert done.stderr.count("Traceback") == 0
    state = read_training(tmp_path / "train" / "checkpoint" / "latest.ckpt")[
        3
    ]  # something is left to go on from
    assert state["done"] < 9
