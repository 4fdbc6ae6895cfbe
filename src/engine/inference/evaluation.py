"""Evaluation of a network, by one process or several: detections, COCO's tables, the result files."""

from __future__ import annotations

import contextlib
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from ...config import Config, load_config
from ...data.annotations.records import DataSource, Record
from ...data.images.decode import read_picture
from ...data.pipeline.evaluation_batches import EvaluationBatchSettings, evaluation_batches
from ...data.read_ahead import read_ahead
from ...data_settings import annotation_settings, evaluation_batch_settings, statistics_settings
from ...errors import DataError, RankError, UserError
from ...evaluation.coco_settings import CocoSettings, coco_settings
from ...evaluation.inputs import read_inputs
from ...evaluation.result_files import results_name, write_evaluated_data
from ...report.report import ReportSettings
from ...util import detections_to_results, write_metrics, write_results
from ..display.progress import Progress
from ..distributed.rank_group import RankGroup
from .detections import Network, detect
from .figures import evaluate_kinds
from .merging import MergeSettings
from .picture_detector import PictureDetector, merge_settings, view_settings
from .run_report import start_report
from .views import ViewSettings

# What an evaluation may fail with while training goes on: data, files, memory, MindSpore's own errors.
FAILURES = (UserError, OSError, MemoryError, RuntimeError)


class EvaluationError(DataError):
    """An evaluation failed; what it evaluated is as it was."""


@dataclass(frozen=True)
class EvaluationSettings:
    """What an evaluation takes of the settings.

    Attributes:
        batches: The batches of pictures.
        mask_threshold: The probability from which on a mask's pixel is set.
        figures: How COCO's figures are computed.
        views: The views of a picture besides the whole.
        merging: How they are merged.
        with_details: Whether to evaluate in depth, see `figures.evaluate_kinds`.
        report: Of report.html; None: it is not written.
    """

    batches: EvaluationBatchSettings
    mask_threshold: float
    figures: CocoSettings
    views: ViewSettings
    merging: MergeSettings
    with_details: bool = False
    report: Optional[ReportSettings] = None


def evaluation_settings(config: Config) -> EvaluationSettings:
    return EvaluationSettings(
        batches=evaluation_batch_settings(config),
        mask_threshold=config.mask_thr_binary,
        figures=coco_settings(
            config.eval_iou_thresholds, config.eval_max_dets, config.test_max_per_img, config.eval_area_limits
        ),
        with_details=config.eval_details,
        views=view_settings(config),
        merging=merge_settings(config),
        report=report_settings(config) if config.report else None,
    )


def report_settings(config: Config) -> ReportSettings:
    defaults = load_config()
    return ReportSettings(
        values=dict(config),
        changed={name: config[name] for name in config if config[name] != defaults[name]},
        statistics=statistics_settings(config),
        evaluated=config.results or config.checkpoint_path,
        picture_folder=annotation_settings(config, "val").folder,
    )


class ResultRows(NamedTuple):
    """COCO's result rows: of boxes, and of masks."""

    bbox: List[Dict[str, Any]]
    segm: List[Dict[str, Any]]


def evaluate_network(
    network: Network,
    settings: EvaluationSettings,
    source: DataSource,
    work_dir,
    group: Optional[RankGroup] = None,
) -> Dict[str, Any]:
    """Evaluate a network in evaluation mode. The ranks share the pictures, rank 0 writes the files.

    Args:
        network: See `detect`.
        settings: Of the evaluation.
        source: The pictures, with annotations or without.
        work_dir: The folder for metrics.json and the result files.
        group: The ranks that evaluate together; None: this process alone.

    Returns:
        On every rank {"bbox": {...}, "segm": {...}}, the figures of `evaluate_coco`; "segm" where there are
        masks; {} without annotations.

    Raises:
        EvaluationError: on every rank alike, with the line of the first rank that failed.
    """
    group = group or RankGroup()
    with_masks = source.has_masks or not source.has_annotations
    rows = ResultRows([], [])
    failure = None
    try:
        rows = detect_own_pictures(network, settings, source, with_masks, group)
    except RankError:
        raise  # another rank has failed: the whole job ends
    except FAILURES as error:
        failure = _failure_line(error)
    failures = group.barrier(failure, decide=lambda lines: [line for line in lines if line is not None])
    if failures:
        raise EvaluationError(failures[0])
    shares = [rows]
    if group.num > 1:
        shares = group.gather(zlib.compress(json.dumps(rows).encode(), 1))
    group.report("while rank 0 computed the figures", idle_limit=None)
    if group.num > 1 and group.rank == 0:
        rows = _join_shares([ResultRows(*json.loads(zlib.decompress(share))) for share in shares], source)

    def figures_or_failure(_):
        try:
            return {"figures": write_figures(rows, settings, source, work_dir, with_masks)}
        except FAILURES as error:
            return {"failure": _failure_line(error)}

    answer = group.barrier(decide=figures_or_failure)
    if "failure" in answer:
        raise EvaluationError(answer["failure"])
    return answer["figures"]


def _failure_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text[:300]}"


def own_records(records: Sequence[Any], batch_size: int, rank: int, num: int) -> List[Any]:
    """The records of rank `rank` of `num`: every num-th batch, so that each record is evaluated once."""
    return [record for index, record in enumerate(records) if index // batch_size % num == rank]


def detect_own_pictures(
    network: Network, settings: EvaluationSettings, source: DataSource, with_masks: bool, group: RankGroup
) -> ResultRows:
    """The result rows of this rank's pictures. The batches are those of an evaluation by one process."""
    records = own_records(source.records, settings.batches.batch_size, group.rank, group.num)
    sizes = {record.image_id: (record.height, record.width) for record in records}
    rows = ResultRows([], [])
    with contextlib.ExitStack() as stack:
        progress = None
        if group.rank == 0:
            progress = stack.enter_context(Progress(len(records), "evaluation", unit="picture"))
        for found in _detections(network, settings, records, group):
            for image_id, detections in found:
                height, width = sizes[image_id]
                bbox_rows, segm_rows = detections_to_results(
                    detections,
                    image_id,
                    height,
                    width,
                    source.category_ids,
                    settings.mask_threshold,
                    with_masks,
                )
                rows.bbox.extend(bbox_rows)
                rows.segm.extend(segm_rows)
            if progress is not None:
                progress.update(len(found), detections=len(rows.bbox))
    return rows


def _detections(
    network: Network, settings: EvaluationSettings, records: Sequence[Record], group: RankGroup
) -> Iterator[List[Tuple[int, Dict[str, Any]]]]:
    """Lists of (image id, detections): of a batch's pictures, or of one that has several views."""
    if settings.views.is_single:
        for batch in evaluation_batches(settings.batches, records):
            image_ids = batch["image_id"].tolist()
            group.report(f"while it evaluated pictures {image_ids}")
            yield list(zip(image_ids, detect(network, batch)))
        return
    detector = PictureDetector(
        network, settings.batches.canvas, settings.views, settings.merging, settings.batches.batch_size
    )

    def read(record: Record) -> np.ndarray:
        return read_picture(record.path, (record.height, record.width))

    threads = settings.batches.threads
    with contextlib.closing(read_ahead(read, records, threads, threads)) as pictures:
        for record, picture in zip(records, pictures):
            group.report(f"while it evaluated picture {record.image_id}")
            yield [(record.image_id, detector(picture))]


def _join_shares(shares: Sequence[ResultRows], source: DataSource) -> ResultRows:
    """The rows of all ranks in the order of the pictures, as one process gives them."""
    order = {record.image_id: index for index, record in enumerate(source.records)}

    def join(parts):
        return sorted((row for part in parts for row in part), key=lambda row: order[row["image_id"]])

    return ResultRows(join(share.bbox for share in shares), join(share.segm for share in shares))


def write_figures(
    rows: ResultRows, settings: EvaluationSettings, source: DataSource, work_dir, with_masks: bool
) -> Dict[str, Any]:
    """Write the result rows, and the figures where there are annotations; returns the figures."""
    work_dir = Path(work_dir)
    work_dir.mkdir(parents=True, exist_ok=True)
    write_results(work_dir, *rows)
    kinds = ("bbox", "segm") if with_masks else ("bbox",)
    write_evaluated_data(work_dir, source, source.folder, {kind: results_name(kind) for kind in kinds})
    inputs = (read_inputs(source, kind_rows, kind) for kind, kind_rows in zip(kinds, rows))
    report = None if settings.report is None else start_report(settings.report, source, work_dir)
    metrics = evaluate_kinds(inputs, settings.figures, work_dir, settings.with_details, report)
    if source.left_out:
        print(
            f"{len(source.left_out)} of {len(source.left_out) + len(source.records)} pictures cannot be used "
            "and are left out of these figures (bad_pictures=skip)"
        )
    written = f"wrote {work_dir / 'results_bbox.json'}"
    if metrics:
        counts = {"pictures": len(source.records), "pictures_left_out": len(source.left_out)}
        write_metrics(work_dir, {**metrics, **counts})
        written += f" and {work_dir / 'metrics.json'}"
    print(written, flush=True)
    if report is not None:
        print(f"wrote {report.write(work_dir, metrics)}", flush=True)
    return metrics
