"""Evaluation of a network on a DataSource: detections, COCO's tables, metrics.json and the result files; by one process or several."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import zlib
from pathlib import Path

from ...dataset import evaluation_batches
from ...util import detections_to_results, evaluate_coco, records_to_coco, write_metrics, write_results
from ..display.progress import Progress
from ..distributed.rank_group import RankGroup
from .predictor import detect


def evaluate_network(network, config, source, work_dir, group=None):
    """The same for a network in evaluation mode and a DataSource, whose batches the ranks of `group` take in turns; all get the figures,
    rank 0 writes the files."""
    group = group or RankGroup()
    with_masks = source.has_masks or not source.has_annotations
    rows = detect_share(network, config, source, with_masks, group)
    pieces = group.gather(zlib.compress(json.dumps(rows).encode(), 1)) if group.num > 1 else None
    group.report("while rank 0 computed the figures", idle_limit=None)
    if pieces is not None:
        # in the order of the pictures, as one process finds them
        order = {record.image_id: place for place, record in enumerate(source.records)}
        shares = [json.loads(zlib.decompress(piece)) for piece in pieces]
        rows = [
            sorted((row for share in shares for row in share[kind]), key=lambda row: order[row["image_id"]])
            for kind in range(2)
        ]
    return group.barrier(decide=lambda _: score(rows, config, source, work_dir, with_masks))


def share(records, batch_size, rank, num):
    """The records of rank `rank` of `num`: every num-th batch of `batch_size`, so that each is seen once and none is seen twice."""
    return [record for place, record in enumerate(records) if place // batch_size % num == rank]


def detect_share(network, config, source, with_masks, group):
    """[bbox result rows, segm result rows] of this rank's pictures: every num-th batch, made of the pictures it has in one process too."""
    records = share(source.records, config.test_batch_size, group.rank, group.num)
    sizes = {record.image_id: (record.height, record.width) for record in records}
    bbox_rows, segm_rows = [], []
    with (
        Progress(len(records), "evaluation", unit="picture")
        if group.rank == 0
        else contextlib.nullcontext() as progress
    ):
        for batch in evaluation_batches(config, dataclasses.replace(source, records=records)):
            group.report(f"while it evaluated pictures {batch['image_id'].tolist()}")
            for image_id, found in zip(batch["image_id"].tolist(), detect(network, batch)):
                rows = detections_to_results(
                    found, image_id, *sizes[image_id], source.category_ids, config.mask_thr_binary, with_masks
                )
                bbox_rows += rows[0]
                segm_rows += rows[1]
            if progress is not None:
                progress.update(batch["count"], detections=len(bbox_rows))
    return [bbox_rows, segm_rows]


def score(rows, config, source, work_dir, with_masks):
    """Write the result rows, and the figures where there are annotations; returns the figures."""
    work_dir = Path(work_dir)
    work_dir.mkdir(parents=True, exist_ok=True)
    write_results(work_dir, *rows)
    truth = source.name if config.dataset == "coco" else records_to_coco(source)
    categories = [category for category in source.category_ids[1:] if category is not None]
    metrics = {}
    for kind, found in zip(("bbox", "segm"), rows):
        if kind == "bbox" or with_masks:
            figures = evaluate_coco(
                truth,
                found,
                kind,
                image_ids=[record.image_id for record in source.records],
                category_ids=categories,
            )
            if figures:
                metrics[kind] = figures
    if metrics:
        write_metrics(work_dir, metrics)
    print(
        f"wrote {work_dir / 'results_bbox.json'}" + (f" and {work_dir / 'metrics.json'}" if metrics else ""),
        flush=True,
    )
    return metrics
