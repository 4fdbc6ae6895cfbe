"""Evaluation: every picture of a split through the network, COCO's tables, metrics.json and the result files."""
from __future__ import annotations

from pathlib import Path

from src.dataset import evaluation_batches, read_source, resolve_classes
from src.engine.device import start_device
from src.engine.predictor import detect, network_from, open_checkpoint
from src.engine.progress import Progress
from src.util import detections_to_results, evaluate_coco, records_to_coco, write_metrics, write_results


def evaluate(config, work_dir):
    """Evaluate `checkpoint_path` on the evaluation split (or `ann_file`); returns {"bbox": {...}, "segm": {...}} (segm where there are masks).

    Writes metrics.json and results_{bbox,segm}.json into `work_dir`; without annotations (a test set) only the result files.
    """
    config, entries = open_checkpoint(config)
    device = start_device(config)
    source = read_source(config, "val")
    config = resolve_classes(config, source)
    network = network_from(config, entries, device.target)
    return evaluate_network(network, config, source, work_dir)


def evaluate_network(network, config, source, work_dir):
    """The same for a network in evaluation mode and a DataSource."""
    work_dir = Path(work_dir)
    work_dir.mkdir(parents=True, exist_ok=True)
    with_masks = source.has_masks or not source.has_annotations
    sizes = {record.image_id: (record.height, record.width) for record in source.records}
    bbox_rows, segm_rows = [], []
    with Progress(len(source.records), "evaluation", unit="picture") as progress:
        for batch in evaluation_batches(config, source):
            for image_id, found in zip(batch["image_id"].tolist(), detect(network, batch)):
                rows = detections_to_results(found, image_id, *sizes[image_id], source.category_ids, config.mask_thr_binary, with_masks)
                bbox_rows += rows[0]
                segm_rows += rows[1]
            progress.update(batch["count"], detections=len(bbox_rows))
    write_results(work_dir, bbox_rows, segm_rows)
    truth = source.name if config.dataset == "coco" else records_to_coco(source)
    categories = [category for category in source.category_ids[1:] if category is not None]
    metrics = {}
    for kind, rows in (("bbox", bbox_rows), ("segm", segm_rows)):
        if kind == "bbox" or with_masks:
            figures = evaluate_coco(truth, rows, kind, image_ids=list(sizes), category_ids=categories)
            if figures:
                metrics[kind] = figures
    if metrics:
        write_metrics(work_dir, metrics)
    print(f"wrote {work_dir / 'results_bbox.json'}" + (f" and {work_dir / 'metrics.json'}" if metrics else ""), flush=True)
    return metrics
