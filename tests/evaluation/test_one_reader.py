"""What is evaluated is what is trained on: the same objects, for every odd file of the shared folder."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as mask_api

from src.config import load_config
from src.data.images.rle import mask_to_rle
from src.data.mindrecord.shard_reader import ShardReader
from src.data_settings import data_check_settings
from src.dataset import ensure_mindrecord
from src.engine.distributed.rank_group import RankGroup
from src.engine.inference.evaluation_data import checked_evaluation_data
from src.errors import UserError
from src.evaluation.coco_metrics import evaluate_coco
from src.evaluation.ground_truth import make_ground_truth
from tests.conftest import SHARED

DATA = SHARED / "data"
REPORTS = sorted(path.parent.parent.name for path in DATA.glob("reports/*/annotations/instances_*.json"))
DIRTY = sorted(path.name for path in DATA.glob("dirty/*.json"))


def stored_objects(config, folder):
    """{image id: [(label, box)]} of a conversion; None for data that is refused."""
    try:
        folder, manifest = ensure_mindrecord(config.replace(mindrecord_dir=str(folder)))
    except UserError:
        return None
    reader = ShardReader(folder, manifest)
    pictures = {}
    for row in range(len(reader.rows)):
        objects, _ = reader.read(row)
        if len(objects.labels):
            pictures[int(reader.rows[row]["image_id"])] = list(zip(objects.labels.tolist(), objects.boxes))
    reader.close()
    return pictures


def evaluated_objects(config):
    """The same of what pycocotools is given, without crowds; None for data that is refused."""
    try:
        source = checked_evaluation_data(data_check_settings(config, "val"), RankGroup())
    except UserError:
        return None
    truth = make_ground_truth(source, "bbox")
    label_of = {number: label for label, number in enumerate(source.category_ids)}
    pictures = {}
    for item in truth.annotations:
        if not item["iscrowd"]:
            x, y, w, h = item["bbox"]
            box = np.array([x, y, x + w, y + h], np.float32)
            pictures.setdefault(item["image_id"], []).append((label_of[item["category_id"]], box))
    return pictures


def compare(root, data_type, tmp_path):
    words = [
        f"coco_root={root}",
        f"train_data_type={data_type}",
        f"val_data_type={data_type}",
        "coco_classes=auto",
        "keep_empty=True",
        "bad_pictures=skip",
        "max_instance_count=1000",
    ]
    config = load_config(words)
    trained = stored_objects(config, tmp_path / "records")
    evaluated = evaluated_objects(config)
    if trained is None:
        # Without any object there is nothing to learn from, and nothing to evaluate.
        assert not evaluated
        return
    assert trained.keys() == evaluated.keys()
    for image_id, objects in trained.items():
        labels, boxes = zip(*objects)
        other_labels, other_boxes = zip(*evaluated[image_id])
        assert labels == other_labels
        np.testing.assert_allclose(boxes, other_boxes, atol=1e-4)


@pytest.mark.parametrize("name", REPORTS)
def test_reported_data_sets(shared, name, tmp_path):
    root = shared / "data" / "reports" / name
    for path in sorted((root / "annotations").glob("instances_*.json")):
        compare(root, path.stem.split("_", 1)[1], tmp_path / path.stem)


@pytest.mark.parametrize("name", DIRTY)
def test_dirty_files(shared, name, tmp_path):
    """Their pictures are not there: grey ones of the size that the file says take their place."""
    content = json.loads((shared / "data" / "dirty" / name).read_text())
    (tmp_path / "annotations").mkdir()
    for image in content["images"] if isinstance(content, dict) else ():
        path = tmp_path / "train2017" / str(image.get("file_name"))
        os.makedirs(path.parent, exist_ok=True)
        Image.new("RGB", (image.get("width") or 64, image.get("height") or 64)).save(path, "JPEG")
    target = tmp_path / "annotations" / "instances_train2017.json"
    target.write_bytes((shared / "data" / "dirty" / name).read_bytes())
    compare(tmp_path, "train2017", tmp_path)


def figures_of(root, rows=None):
    """(bbox figures, segm figures, result rows) of an evaluation split; rows: None for shifted objects."""
    config = load_config([f"coco_root={root}", "coco_classes=auto"])
    source = checked_evaluation_data(data_check_settings(config, "val"), RankGroup())
    if rows is None:
        rows = [shifted_rows(make_ground_truth(source, kind), kind) for kind in ("bbox", "segm")]
    figures = [evaluate_coco(source, part, kind) for part, kind in zip(rows, ("bbox", "segm"))]
    return figures, rows


def shifted_rows(truth, kind):
    """Two thirds of the objects, four pixels too far right, with falling scores."""
    rows = []
    for number, item in enumerate(truth.annotations):
        if number % 3 == 2:
            continue
        row = {"image_id": item["image_id"], "category_id": item["category_id"], "score": 1 / (1 + number)}
        if kind == "bbox":
            x, y, w, h = item["bbox"]
            row["bbox"] = [x + 4, y, w, h]
        else:
            mask = mask_api.decode(item["segmentation"])
            row["segmentation"] = mask_to_rle(np.roll(mask, 4, 1))
        rows.append(row)
    return rows


@pytest.mark.parametrize("name", ["demo_corners", "demo_iscrowd_text", "demo_flat", "demo_bom"])
def test_a_file_that_is_mended_gives_the_figures_of_the_clean_one(shared, name):
    """Of the same detections: boxes as corners, iscrowd as text, flat segmentations, a byte-order mark."""
    clean, rows = figures_of(shared / "data" / "reports" / "demo_clean")
    mended, _ = figures_of(shared / "data" / "reports" / name, rows)
    assert 0.2 < clean[0]["AP"] < 0.8 and 0.2 < clean[1]["AP"] < 0.8
    for one, other in zip(clean, mended):
        assert one.pop("per_class") == pytest.approx(other.pop("per_class"), abs=1e-9)
        assert one == pytest.approx(other, abs=1e-9)
