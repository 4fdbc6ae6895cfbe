"""The pictures of an evaluation: checked before anything long starts, as training's are."""

from __future__ import annotations

from typing import Collection, List, Optional

from ...data.annotations.annotation_file import AnnotationSettings
from ...data.annotations.records import DataSource
from ...data.check.data_check import CheckSettings, checked_source
from ...data.findings import Findings
from ...data.sources.read import read_annotations
from ...errors import ConfigError
from ..distributed.rank_group import RankGroup

_LISTED_CLASSES = 10  # in an error message


def checked_evaluation_data(
    settings: CheckSettings, group: RankGroup, eval_interval: Optional[int] = None
) -> DataSource:
    """The evaluation split, whose annotation file and pictures rank 0 checks while the others wait.

    What is left out or corrected is logged. Pictures that cannot be used are left out on every rank
    (bad_pictures=skip), or are an error.

    Args:
        settings: the check of the split.
        group: the ranks of the job.
        eval_interval: while training, the key of this name; then a split without any object is an error.

    Raises:
        DataError: something in the data is fatal; the message is the first such finding's.
    """
    sources: List[DataSource] = []

    def check_on_rank_0(_) -> List[int]:
        sources.append(checked_source(settings))
        if eval_interval is not None:
            _require_objects(sources[0], eval_interval)
        return sources[0].left_out

    group.report("while rank 0 checked the evaluation's pictures", idle_limit=None)
    unusable = group.barrier(decide=check_on_rank_0)
    return sources[0] if sources else _read(settings.annotations, unusable)


def with_classes_of(
    annotations: AnnotationSettings, source: DataSource, eval_interval: Optional[int]
) -> DataSource:
    """A checked evaluation split with the classes of `annotations`; it is read again where it has others.

    Args:
        annotations: of the split, with the classes that are trained.
        source: the split, as `checked_evaluation_data` returned it.
        eval_interval: the key of this name; None: nothing is evaluated, and the split needs no object.

    Raises:
        DataError: the file has a class that `annotations` lacks.
        ConfigError: it has no object of these classes (eval_classes=common leaves out those of others).
    """
    if source.class_names == tuple(annotations.class_names):
        return source
    source = _read(annotations, source.left_out)
    if eval_interval is None:
        return source
    names = source.class_names[1:]
    listed = ", ".join(names[:_LISTED_CLASSES]) + (" ..." if len(names) > _LISTED_CLASSES else "")
    _require_objects(source, eval_interval, f" of the classes that are trained ({listed})")
    return source


def _require_objects(source: DataSource, eval_interval: int, which: str = "") -> None:
    if any(len(record.boxes) for record in source.records):
        return
    what = f"has no usable object{which}" if source.has_annotations else "has no annotations"
    raise ConfigError(
        f"eval_interval={eval_interval}: {source.annotation_file} {what} to evaluate with; "
        "give another ann_file or leave out eval_interval"
    )


def _read(annotations: AnnotationSettings, unusable: Collection[int]) -> DataSource:
    """The evaluation split without the pictures that a check found unusable. Nothing is logged again."""
    findings = Findings(annotations.path, skip_pictures=annotations.skip_pictures)
    source = read_annotations(annotations, findings)
    source.leave_out(unusable)
    return source
