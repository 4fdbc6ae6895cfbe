"""The whole job from the command line, as a user runs it: conversion, training steps, evaluation, export, prediction."""

import json
import os
import re
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

from src.data.shapes.drawn_data import draw_shapes
from src.engine.display.progress import LOSS_NAMES, read_loss_log
from src.weights.checkpoint_file import read_training
from tests.conftest import ROOT

# Small enough to compile and run in seconds; the same cells as the full network.
SMALL = [
    "img_height=128",
    "img_width=128",
    "resnet_block=[1,1,1,1]",
    "resnet_in_channels=[16,32,64,64]",
    "resnet_out_channels=[32,64,64,64]",
    "fpn_out_channels=32",
    "rpn_feat_channels=32",
    "rcnn_fc_out_channels=64",
    "rcnn_mask_out_channels=32",
    "max_instance_count=8",
    "gt_mask_size=28",
    "num_expected_pos_stage2=16",
    "num_expected_neg_stage2=48",
    "num_expected_total_stage2=48",
    "rpn_proposal_nms_pre=100",
    "rpn_proposal_nms_post=100",
    "rpn_proposal_max_num=100",
    "rpn_nms_pre=50",
    "rpn_nms_post=50",
    "rpn_max_num=50",
    "test_nms_pre=100",
    "test_max_per_img=20",
    "coco_classes=auto",
    "device_target=CPU",
]


def run(command, folder, *words, code=0, **environment):
    done = subprocess.run(
        [sys.executable, str(ROOT / command), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == code, (
        f"{command} {words}: exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    )
    return done


def conversion(folder):
    """The conversion that a training in `folder` made."""
    return next(path for path in (folder / "mindrecord").iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a drawn data set in data/ and three training steps in train/."""
    folder = tmp_path_factory.mktemp("job")
    draw_shapes(folder / "data", 8, 3, size=(128, 128), seed=3)
    done = run(
        "train.py", folder, *SMALL, "coco_root=data", "max_steps=3", "batch_size=2", "save_checkpoint_steps=2"
    )
    return folder, done


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


def test_the_same_seed_gives_the_same_run(trained, tmp_path):
    folder, _ = trained
    words = [
        *SMALL,
        f"coco_root={folder / 'data'}",
        f"mindrecord_dir={conversion(folder)}",
        "max_steps=3",
        "batch_size=2",
        "num_parallel_workers=1",
    ]
    done = run("train.py", tmp_path, *words)
    assert re.search(r"the graph was read from \S+ in \d+\.\d s", done.stderr)  # which the first run kept
    assert (tmp_path / "train" / "loss_0.log").read_text() == (folder / "train" / "loss_0.log").read_text()


@pytest.fixture(scope="module")
def checkpoint(trained):
    return trained[0] / "train" / "checkpoint" / "mask_rcnn-1_3.ckpt"


@pytest.fixture(scope="module")
def evaluated(trained, checkpoint):
    """What eval.py printed; its files are in eval/ and its graph is in graphs/."""
    folder, _ = trained
    # the network's settings come from the checkpoint: only the data is named
    return run(
        "eval.py",
        folder,
        "coco_root=data",
        f"checkpoint_path={checkpoint}",
        "device_target=CPU",
        "test_score_thr=0.01",
        "compile_cache=graphs",
    )


def test_evaluation_prints_both_tables_and_writes_results(trained, evaluated):
    folder, done = trained[0], evaluated
    assert done.stdout.count("Average Precision") == 12 and done.stdout.count("Average Recall") == 12
    metrics = json.loads((folder / "eval" / "metrics.json").read_text())
    assert set(metrics) == {"bbox", "segm"} and {"AP", "AP50", "AP75"} <= set(metrics["bbox"])
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


def test_a_loss_that_is_not_finite_ends_the_run(trained, tmp_path):
    folder, _ = trained
    done = run(
        "train.py",
        tmp_path,
        *SMALL,
        f"coco_root={folder / 'data'}",
        f"mindrecord_dir={conversion(folder)}",
        "max_steps=9",
        "base_lr=1e30",
        "warmup_step=0",
        "batch_size=2",
        code=2,
    )
    assert re.search(
        r"error: (a loss is not finite at epoch 1 step \d+, rank 0, pictures \[\d+, \d+\]: rpn_loss |weights are not finite)",
        done.stderr,
    )
    assert done.stderr.count("Traceback") == 0
    state = read_training(tmp_path / "train" / "checkpoint" / "latest.ckpt")[
        3
    ]  # something is left to go on from
    assert state["done"] < 9


@pytest.mark.slow
def test_a_loss_scale_that_collapses_ends_the_run(trained, tmp_path):
    """A loss so large that its gradients' squares overflow at any scale: 27 halvings from 2^16 reach 2^-11, under the smallest that is let pass."""
    folder, _ = trained
    done = run(
        "train.py",
        tmp_path,
        *SMALL,
        f"coco_root={folder / 'data'}",
        f"mindrecord_dir={conversion(folder)}",
        "batch_size=2",
        "loss_scale=dynamic",
        "rcnn_loss_cls_weight=1e34",
        "tensorboard=False",
        code=2,
    )
    assert re.search(
        r"^error: the loss scale fell to 0\.000488281 at epoch 7 step 3, rank 0, pictures \[\d+, \d+\]: ",
        done.stderr,
        re.M,
    ), done.stderr
    assert "Traceback" not in done.stderr and len(read_loss_log(tmp_path / "train" / "loss_0.log")) == 27
    assert (
        read_training(tmp_path / "train" / "checkpoint" / "mask_rcnn-6_4.ckpt")[3]["done"] == 24
    )  # something to go on from


@pytest.mark.slow
def test_txt_boxes_train_detection_alone_and_are_evaluated_on_boxes(trained, tmp_path):
    """From a folder to the first step with one command, and every oddity of the file is said in one line before that step."""
    folder, _ = trained
    content = json.loads((folder / "data/annotations/instances_train2017.json").read_text())
    rows = []
    for image in content["images"]:
        boxes = [a for a in content["annotations"] if a["image_id"] == image["id"] and not a["iscrowd"]]
        corners = [
            (
                a["bbox"][0],
                a["bbox"][1],
                a["bbox"][0] + a["bbox"][2],
                a["bbox"][1] + a["bbox"][3],
                a["category_id"],
            )
            for a in boxes
        ]
        rows.append(
            " ".join(
                [f"train2017/{image['file_name']}"]
                + [",".join(str(value) for value in corner) for corner in corners]
            )
        )
    # as a Windows editor saves it; a name with a space, a box that reaches out of its picture, one without width, one outside
    shutil.copytree(folder / "data/train2017", tmp_path / "data/train2017")
    name = content["images"][0]["file_name"]
    os.rename(tmp_path / "data/train2017" / name, tmp_path / "data/train2017/a b.jpg")
    rows[0] = rows[0].replace(name, "a b.jpg") + " 100,20,140,60,1 30,30,30,60,1 200,10,220,30,2"
    (tmp_path / "boxes.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode() + b"\r\n")
    words = ["dataset=other", "IMAGE_DIR=data", "ANNO_PATH=boxes.txt", "device_target=CPU"]
    classes = "coco_classes=[background,circle,triangle,rectangle,star]"
    done = run(
        "train.py",
        tmp_path,
        *[word for word in SMALL if not word.startswith(("coco_classes", "device"))],
        *words,
        classes,
        "max_steps=1",
    )
    assert done.stdout.count("training box detection only") == 1
    for line in (
        "1 x byte-order mark",
        "8 x Windows line end",
        "1 x picture name with spaces",
        "1 x box reaching out of the picture, clipped",
        "1 x box without area (zero or negative width or height), left out",
        "1 x box outside the picture, left out",
    ):
        assert done.stderr.count(f"boxes.txt: {line}") == 1, done.stderr
    assert read_loss_log(tmp_path / "train" / "loss_0.log")[0]["rcnn_mask_loss"] == 0
    done = run("eval.py", tmp_path, *words, "checkpoint_path=train/checkpoint/mask_rcnn-1_1.ckpt")
    assert done.stdout.count("Average Precision") == 6
    assert set(json.loads((tmp_path / "eval" / "metrics.json").read_text())) == {"bbox"}


@pytest.mark.slow
def test_fine_tuning_to_other_classes_says_what_starts_anew(trained, checkpoint, tmp_path):
    folder, _ = trained
    words = [
        *SMALL[:-2],
        f"coco_root={folder / 'data'}",
        "device_target=CPU",
        f"pre_trained={checkpoint}",
        "max_steps=1",
        "batch_size=2",
    ]
    done = run(
        "train.py", tmp_path, *words, "coco_classes=[background, circle, triangle, rectangle, star, moon]"
    )
    assert (
        "all but the class layers" in done.stdout
        and "its 4 classes are not the 5 here" in done.stdout
        and "box_head.cls.weight" in done.stdout
    )
    assert (tmp_path / "train/checkpoint/mask_rcnn-1_1.ckpt").is_file()


@pytest.mark.slow
def test_out_to_torchvision_and_in_again_evaluates_the_same(trained, checkpoint, tmp_path):
    folder, _ = trained
    run("convert_weights.py", tmp_path, str(checkpoint), "out.safetensors", "--to", "torchvision")
    done = run("convert_weights.py", tmp_path, "out.safetensors", "in.ckpt")
    assert "torchvision, a whole model with 4 classes" in done.stdout
    for name, path in (("before", checkpoint), ("after", "in.ckpt")):
        run(
            "eval.py",
            tmp_path,
            f"coco_root={folder / 'data'}",
            f"checkpoint_path={path}",
            "device_target=CPU",
            "test_score_thr=0.01",
            "--work-dir",
            name,
        )
    assert (tmp_path / "before/results_segm.json").read_text() == (
        tmp_path / "after/results_segm.json"
    ).read_text()


@pytest.mark.parametrize(
    "words, pieces",
    [
        (["img_widht=3"], ["img_widht", "img_width"]),
        (["coco_root=/nowhere"], ["/nowhere"]),
        (["pre_trained=/nowhere.ckpt"], ["/nowhere.ckpt"]),
        (["device_target=Ascend", "coco_root=/nowhere"], ["Ascend"]),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(tmp_path, words, pieces):
    done = run("train.py", tmp_path, *words, code=2)
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert all(piece in done.stderr for piece in pieces)


@pytest.mark.parametrize("command", ["train.py", "eval.py", "export.py", "predict.py", "convert_weights.py"])
def test_help(command, tmp_path):
    done = run(command, tmp_path, "--help")
    assert f"python {command}" in done.stdout
    assert "img_width = 1280" in run(command, tmp_path, "--keys").stdout
