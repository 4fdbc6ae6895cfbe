"""What the tests of the data check share: a check of a folder, its findings of a kind, and what is said of it before training."""

from __future__ import annotations

from src.config import load_config
from src.data.check.data_check import check_data, checked_source
from src.errors import DataError

CLASSES = "coco_classes=[background,square,disc]"
JSON = "annotations/instances_train2017.json"


def check(root, *words, split="train", **kwargs):
    return check_data(load_config([f"coco_root={root}", CLASSES, *words]), split, quiet=True, **kwargs)


def found(result, kind):
    return [one for one in result.as_json()["findings"] if one["kind"] == kind]


def said_before_training(result, folder, caplog):
    """(the lines that a training logs before its first step, its error's line or None)."""
    caplog.clear()
    try:
        checked_source(result.config, folder / "report.json")
    except DataError as error:
        assert "\n" not in str(error)
        return list(caplog.messages), str(error)
    return list(caplog.messages), None
