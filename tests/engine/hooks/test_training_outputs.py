"""What the hooks of a real training leave: evaluation, average, pictures, metrics, curves and profile."""

from __future__ import annotations

import json
import re
import struct

import cv2
import numpy as np
import pytest

from src.data.shapes.drawn_data import draw_shapes
from src.engine.display.loss_lines import LOSS_NAMES, read_loss_log
from src.engine.display.metrics_file import read_metrics
from tests.small_job import SMALL, run

WORDS = [
    *SMALL,
    "coco_root=data",
    "batch_size=2",
    "epoch_size=2",
    "total_epoch=2",
    "warmup_step=2",
    "eval_interval=1",
    "early_stop=9",
    "ema_decay=0.9",
    "accumulate_steps=2",
    "lr_schedule=multi_step",
    "lr_milestones=[0.5]",
    "base_batch=16",
    "profile=2",
    "clip_grad_norm=5",
    "test_score_thr=0",
    "report=True",
]


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A folder with two epochs of training, four steps each and an update every two; and what was printed."""
    folder = tmp_path_factory.mktemp("watched")
    draw_shapes(folder / "data", 8, 2, size=(128, 128), seed=3)
    return folder / "train", run("train.py", folder, *WORDS)


def test_start_says_what_is_trained(watched):
    _, done = watched
    assert re.search(r"device: 1 x CPU \(.+, \d+ cores\), MindSpore 2\.\d+\.\d+, Python 3\.", done.stdout)
    assert re.search(r"data: 7 pictures, \d+ objects, 4 classes", done.stdout)
    assert re.search(
        r"network: [\d,]+ parameters, [\d,]+ of them trained, [\d,]+ frozen or moving statistics, "
        r".* weights from scratch",
        done.stdout,
    )
    assert "schedule: 8 steps, 4 an epoch, batch 2 x 1 x 2 accumulated, canvas 128x128" in done.stdout
    assert "learning rate: 0.005 = base_lr 0.02 x 4/16 (linear rule: 4 pictures an update)" in done.stdout
    assert "times 0.1 at update 2 of 4" in done.stdout
    compiled, first = map(
        float,
        re.search(
            r"the graph was compiled in (\d+\.\d) s; first step, with that: (\d+\.\d) s", done.stderr
        ).groups(),
    )
    assert 0.5 < compiled < first < compiled + 20


def test_the_display_without_a_terminal(watched):
    _, done = watched
    last = [line for line in done.stderr.splitlines() if line.startswith("training: ")][-1]
    assert last.startswith("training: 8/8 steps (100%)")
    assert re.search(
        r"loss [\d.]+ = rpn [\d.]+ \(class [\d.]+ box [\d.e-]+\) \+ rcnn [\d.]+ \(class [\d.]+ box [\d.e-]+ "
        r"mask [\d.]+\), lr 0\.0005, "
        r"memory [\d.]+ GB, images/s [\d.]+, data \d+%$",
        last,
    ), last


def test_metrics_hold_what_the_log_holds(watched):
    folder, _ = watched
    rows = [row for row in read_metrics(folder / "metrics.jsonl") if "total_loss" in row]
    log = read_loss_log(folder / "loss_0.log")
    assert [row["step"] for row in rows] == list(range(1, 9)) and len(log) == 8
    for row, line in zip(rows, log):
        assert (row["epoch"], row["place"]) == (line["epoch"], line["step"])
        assert all(row[name] == pytest.approx(line[name], abs=1e-5) for name in LOSS_NAMES)
        assert row["seconds"] > 0 and row["images_per_second"] > 0 and row["memory_gb"] > 0.1
    # peak .005, two updates of warm-up from a third, a fall by ten at the third update; an update every two
    # steps
    assert [row["lr"] for row in rows] == pytest.approx([0.005 / 3] * 2 + [0.01 / 3] * 2 + [0.0005] * 4)
    assert [row["gradient_norm"] > 0 for row in rows] == [False, True] * 4


def test_evaluations_of_the_weights_and_of_their_average(watched):
    folder, done = watched
    rows = [row for row in read_metrics(folder / "metrics.jsonl") if "evaluated" in row]
    assert [(row["step"], row["evaluated"]) for row in rows] == [
        (4, "weights"),
        (4, "average"),
        (8, "weights"),
        (8, "average"),
    ]
    assert all(0 <= row[kind]["AP"] <= 1 for row in rows for kind in ("bbox", "segm"))
    assert json.loads((folder / "eval" / "metrics.json").read_text())["segm"]["AP"] == rows[2]["segm"]["AP"]
    assert (
        json.loads((folder / "eval_average" / "metrics.json").read_text())["segm"]["AP"]
        == rows[3]["segm"]["AP"]
    )
    assert re.search(
        r"epoch 2: segm AP [\d.]+ of the weights, [\d.]+ of the average; best [\d.]+", done.stdout
    )


def test_checkpoints_of_the_weights_the_average_and_the_best(watched):
    folder, _ = watched
    from src.weights.checkpoint_file import read_checkpoint

    names = {path.name for path in (folder / "checkpoint").glob("*.ckpt")}
    assert {
        "mask_rcnn-1_4.ckpt",
        "mask_rcnn-2_4.ckpt",
        "mask_rcnn_ema-1_4.ckpt",
        "mask_rcnn_ema-2_4.ckpt",
        "best.ckpt",
    } <= names
    weights, settings = read_checkpoint(folder / "checkpoint" / "mask_rcnn-2_4.ckpt")[:2]
    average, same_settings = read_checkpoint(folder / "checkpoint" / "mask_rcnn_ema-2_4.ckpt")[:2]
    assert settings == same_settings and set(average) <= set(weights)
    assert any((weights[name].asnumpy() != value.asnumpy()).any() for name, value in average.items())


def events(folder):
    """What TensorBoard's event files hold, read record by record.

    Returns:
        (scalars {name: [(step, value)]}, pictures {name: [(step, PNG bytes)]})
    """
    from tensorboardX.proto.event_pb2 import Event

    scalars, pictures = {}, {}
    for path in folder.glob("events.out.tfevents.*"):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            event = Event.FromString(data[at + 12 : at + 12 + length])
            at += 16 + length
            for value in event.summary.value:
                if value.HasField("image"):
                    pictures.setdefault(value.tag, []).append((event.step, value.image.encoded_image_string))
                else:
                    scalars.setdefault(value.tag, []).append((event.step, value.simple_value))
    return scalars, pictures


def test_the_report_is_written_once_and_shows_the_last_evaluation(watched):
    folder, done = watched
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert done.stdout.count("report.html") == 1 and not (folder / "eval" / "report.html").exists()
    figures = json.loads((folder / "eval" / "metrics.json").read_text())
    assert f"{figures['segm']['AR100']:.3f}" in page
    assert "Losses of 8 logged steps" in page and "AP of masks, average of the weights" in page
    assert page.count('<figure class="picture"') == 2  # of the evaluated pictures


def test_tensorboard_shows_scalars_and_pictures(watched):
    folder, _ = watched
    scalars, pictures = events(folder / "tensorboard")
    rows = read_metrics(folder / "metrics.jsonl")
    expected = [(row["step"], row["total_loss"]) for row in rows if "total_loss" in row]
    assert scalars["loss/total_loss"] == [(step, pytest.approx(value, rel=1e-5)) for step, value in expected]
    assert {"lr", "gradient_norm", "run/images_per_second", "segm/AP", "bbox_average/AP50"} <= set(scalars)
    assert set(pictures) == {"picture_0", "picture_1"}  # the evaluation split has two
    assert [step for step, _ in pictures["picture_0"]] == [4, 8]
    picture = cv2.imdecode(np.frombuffer(pictures["picture_0"][-1][1], np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[1] > 2 * 128


def test_curves(watched):
    folder, _ = watched
    for name in ("losses.png", "ap.png"):
        assert cv2.imread(str(folder / name)).std() > 5


def test_profile_by_operator(watched):
    folder, done = watched
    lines = (folder / "profile.csv").read_text().splitlines()
    assert lines[0] == "operator,part,calls_a_step,ms_a_step,share"
    rows = [line.rsplit(",", 3) for line in lines[1:]]
    assert sum(float(row[3]) for row in rows) == pytest.approx(1, abs=0.01)
    assert any("Conv2D" in row[0] and "backbone" in row[0] for row in rows)
    step = [row for row in read_metrics(folder / "metrics.jsonl") if "total_loss" in row][2:4]
    assert 0 < sum(float(row[2]) for row in rows) < 2 * 1000 * max(row["seconds"] for row in step) * 2
    assert "profile of 2 steps: " in done.stdout
