"""A labelling tool's folder, trained on and evaluated as it is: check_data.py, train.py and eval.py."""

import json

import cv2
import numpy as np
import pytest

from tests.small_job import SMALL, run


@pytest.fixture
def yolo_folder(tmp_path):
    """tmp_path/set: a YOLO data set as Roboflow exports it, of bright rectangles, one of them a triangle."""
    rng = np.random.default_rng(5)
    for split, count in (("train", 6), ("valid", 2)):
        for part in ("images", "labels"):
            (tmp_path / "set" / split / part).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 90, (128, 128, 3), dtype=np.uint8)
            rows = []
            for corners in (4, 4, 3):
                x, y = rng.integers(0, 64, 2).tolist()
                w, h = rng.integers(20, 60, 2).tolist()
                points = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])[:corners]
                cv2.fillPoly(pixels, [points], rng.integers(120, 256, 3).tolist())
                rows.append(f"{4 - corners} " + " ".join(f"{value / 128:.5f}" for value in points.ravel()))
            cv2.imwrite(str(tmp_path / "set" / split / "images" / f"{number} é.png"), pixels)
            (tmp_path / "set" / split / "labels" / f"{number} é.txt").write_text("\n".join(rows))
    text = "train: ../train/images\nval: ../valid/images\n\nnc: 2\nnames: ['box', 'corner']\n"
    (tmp_path / "set" / "data.yaml").write_text(text)
    return tmp_path / "set"


@pytest.mark.slow
def test_training_and_evaluation_from_a_yolo_folder(yolo_folder, tmp_path):
    data = ("dataset=auto", "coco_root=set")
    checked = run("check_data.py", tmp_path, *data, "coco_classes=auto")
    assert "nothing stands in the way of training" in checked.stdout
    words = [*SMALL, *data, "max_steps=3", "batch_size=2", "num_parallel_workers=1"]
    trained = run("train.py", tmp_path, *words)
    assert "YOLO (data.yaml)" in trained.stdout + trained.stderr
    checkpoint = next((tmp_path / "train" / "checkpoint").glob("mask_rcnn-1_3.ckpt"))
    run(
        "eval.py",
        tmp_path,
        *data,
        f"checkpoint_path={checkpoint}",
        "device_target=CPU",
        "test_score_thr=0.01",
    )
    metrics = json.loads((tmp_path / "eval" / "metrics.json").read_text())
    assert metrics["pictures"] == 2
    assert {"AP", "AP50"} <= set(metrics["segm"])
    rows = json.loads((tmp_path / "eval" / "results_segm.json").read_text())
    assert {row["image_id"] for row in rows} <= {1, 2}
