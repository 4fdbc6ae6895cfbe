"""Further trainings from the command line, minutes each."""

import json
import os
import re
import shutil

import pytest

from src.engine.display.loss_lines import read_loss_log
from src.weights.checkpoint_file import read_training
from tests.small_job import SMALL, run

COUNTS = ("pictures", "pictures_left_out")  # beside the figures in metrics.json


@pytest.mark.slow
def test_a_loss_scale_that_collapses_ends_the_run(trained, conversion, tmp_path):
    """A loss so large that its gradients' squares overflow at any scale.

    27 halvings of 2^16 reach 2^-11, which is below the smallest scale that is accepted.
    """
    folder, _ = trained
    done = run(
        "train.py",
        tmp_path,
        *SMALL,
        f"coco_root={folder / 'data'}",
        f"mindrecord_dir={conversion}",
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
    """From a folder to the first step with one command; each kind of finding is one line before it."""
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
    # As a Windows editor saves it. A name with a space, a box that reaches out of its picture, a box without
    # width, a box outside.
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
    assert set(json.loads((tmp_path / "eval" / "metrics.json").read_text())) == {"bbox", *COUNTS}


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
