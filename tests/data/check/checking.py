"""Shared by the tests of the data check: checking a folder, and what is logged before a training."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Optional

from src.config import load_config
from src.data.check.data_check import check_data, checked_source
from src.data_settings import data_check_settings
from src.errors import DataError

CLASSES = "coco_classes=[background,square,disc]"
JSON = "annotations/instances_train2017.json"


class Mistake(NamedTuple):
    """A mistake in the annotation file of `coco_folder`, and the finding that it must give.

    Attributes:
        kind, action, location, image_id, annotation_id: of the finding.
        change: changes the file's content (a dict) in place so that it has the mistake.
    """

    kind: str
    action: str
    location: str
    image_id: Optional[int]
    annotation_id: Optional[int]
    change: Callable[[dict], Any]


def check(root, *words, split="train", **kwargs):
    """The DataCheck of a COCO folder."""
    config = load_config([f"coco_root={root}", CLASSES, *words])
    return check_data(data_check_settings(config, split), quiet=True, **kwargs)


def found(result, kind):
    """The findings of a kind, as in data_report.json."""
    return [one for one in result.as_json()["findings"] if one["kind"] == kind]


def said_before_training(result, folder, caplog):
    """(the lines that a training logs before its first step, the message of its error or None)."""
    caplog.clear()
    try:
        checked_source(result.settings, folder / "report.json")
    except DataError as error:
        assert "\n" not in str(error)
        return list(caplog.messages), str(error)
    return list(caplog.messages), None
