"""The pictures of an evaluation: checked before anything long starts, as training's are."""

from __future__ import annotations

from typing import Collection, List

from ...config import Config
from ...data.annotations.records import DataSource
from ...data.annotations.source_paths import annotation_path
from ...data.annotations.sources import read_source
from ...data.check.data_check import checked_source
from ...data.findings import Findings
from ...errors import ConfigError
from ..distributed.rank_group import RankGroup


def checked_evaluation_data(config: Config, group: RankGroup, needs_objects: bool = False) -> DataSource:
    """The evaluation split, whose annotation file and pictures rank 0 checks while the others wait.

    What is left out or corrected is logged. Pictures that cannot be used are left out on every rank
    (bad_pictures=skip), or are an error.

    Args:
        config: the configuration; its coco_classes may be "auto".
        group: the ranks of the job.
        needs_objects: whether a split without any object is an error, as it is while training.

    Raises:
        DataError: something in the data is fatal; the message is the first such finding's.
    """
    sources: List[DataSource] = []

    def check_on_rank_0(_) -> List[int]:
        sources.append(checked_source(config, split="val"))
        if needs_objects:
            _require_objects(config, sources[0])
        return sources[0].left_out

    group.report("while rank 0 checked the evaluation's pictures", idle_limit=None)
    unusable = group.barrier(decide=check_on_rank_0)
    return sources[0] if sources else _read(config, unusable)


def with_classes_of(config: Config, source: DataSource) -> DataSource:
    """A checked evaluation split with the classes of `config`; it is read again where it has others.

    Raises:
        DataError: the file has a class that `config` lacks.
    """
    if source.class_names == tuple(config.coco_classes):
        return source
    return _read(config, source.left_out)


def _require_objects(config, source):
    if any(len(record.boxes) for record in source.records):
        return
    what = "has no usable object" if source.has_annotations else "has no annotations"
    raise ConfigError(
        f"eval_interval={config.eval_interval}: {source.annotation_file} {what} to evaluate with; "
        "give another ann_file or leave out eval_interval"
    )


def _read(config: Config, unusable: Collection[int]) -> DataSource:
    """The evaluation split without the pictures that a check found unusable. Nothing is logged again."""
    findings = Findings(annotation_path(config, "val"), skip_pictures=config.bad_pictures == "skip")
    source = read_source(config, "val", findings)
    source.leave_out(unusable)
    return source
