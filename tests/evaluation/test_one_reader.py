"""What is evaluated is what is trained on: the same objects, for every odd file of the shared folder."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from PIL import Image

from src.config import load_config
from src.data.mindrecord.converter import ensure_mindrecord
from src.data.mindrecord.shard_reader import ShardReader
from src.engine.distributed.rank_group import RankGroup
from src.engine.inference.evaluation_data import check_evaluation_data, read_evaluation_data
from src.errors import UserError
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
        unusable = check_evaluation_data(config, RankGroup())
        source = read_evaluation_data(config, unusable)
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
