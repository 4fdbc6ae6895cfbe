"""The pictures of an evaluation: checked before anything long starts, as training's are."""

from __future__ import annotations

from typing import List

from ...config import Config
from ...data.annotations.records import DataSource
from ...data.annotations.source_paths import annotation_path
from ...data.annotations.sources import read_source
from ...data.check.data_check import checked_source
from ...data.findings import Findings
from ...errors import ConfigError
from ..distributed.rank_group import RankGroup


def check_evaluation_data(config: Config, group: RankGroup, needs_objects: bool = False) -> List[int]:
    """Check the evaluation split's annotation file and pictures. Rank 0 does it while the others wait.

    What is left out or corrected is logged.

    Args:
        config: the configuration; its coco_classes may be "auto".
        group: the ranks of the job.
        needs_objects: whether a split without any object is an error, as it is while training.

    Returns:
        On every rank the ids of the pictures that cannot be used, which bad_pictures=skip leaves out.

    Raises:
        DataError: something in the data is fatal; the message is the first such finding's.
    """
    group.report("while rank 0 checked the evaluation's pictures", idle_limit=None)
    return group.barrier(decide=lambda _: _unusable_pictures(config, needs_objects))


def _unusable_pictures(config, needs_objects):
    source = checked_source(config, split="val")
    if needs_objects and not any(len(record.boxes) for record in source.records):
        what = "has no usable object" if source.has_annotations else "has no annotations"
        raise ConfigError(
            f"eval_interval={config.eval_interval}: {source.annotation_file} {what} to evaluate with; "
            "give another ann_file or leave out eval_interval"
        )
    return source.left_out


def read_evaluation_data(config: Config, unusable: List[int]) -> DataSource:
    """The evaluation split without the pictures that `check_evaluation_data` found unusable."""
    # Findings of its own: what is unusual was logged by the check.
    findings = Findings(annotation_path(config, "val"), skip_pictures=config.bad_pictures == "skip")
    source = read_source(config, "val", findings)
    source.leave_out(unusable)
    return source
