"""A small run with names that a page must escape: data, results with mistakes, and lines of a training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List

import numpy as np

from src.config import load_config
from src.data.images.rasterize import segmentation_to_mask
from src.data.images.rle import mask_to_rle
from src.data.shapes.drawn_data import draw_shapes
from src.data.sources.read import read_annotations
from src.data_settings import annotation_settings
from src.engine.inference.evaluation import evaluation_settings
from src.engine.inference.run_report import report_of_files
from src.evaluation.result_files import write_metrics, write_results

# A picture's objects are named after these instead of circle, triangle, rectangle and star.
SCRIPT = "<script>document.title='bad'</script>"
NAMES = (SCRIPT, '"><img src=x onerror=alert(1)>', "$a_b$ & </style>", "猫 _x")
LOSSES = ("rpn_cls_loss", "rpn_reg_loss", "rcnn_cls_loss", "rcnn_reg_loss", "rcnn_mask_loss")


def make_run(folder: Path, pictures: int = 8) -> Path:
    """Write data, results with known mistakes and metrics.jsonl into a folder, and its report; its path.

    Detections are the objects with scores from 0.3 on, but for these mistakes: in each third picture the
    first object is missed, and the last one has the class that follows its own.
    """
    data = draw_shapes(folder / "data", 1, pictures, (96, 96), seed=3)
    annotations = data / "annotations" / "instances_val2017.json"
    content = json.loads(annotations.read_text())
    for category, name in zip(content["categories"], NAMES):
        category["name"] = name
    annotations.write_text(json.dumps(content))
    words = [f"coco_root={data}", "coco_classes=auto", "report=True"]
    config = load_config([*words, "img_width=96", "img_height=96"])
    source = read_annotations(annotation_settings(config, "val"))
    bbox, segm = _rows(source)
    write_results(folder, bbox, segm)
    write_metrics(folder, {kind: {"AP": 0.5, "AP50": 0.75, "APl": -1.0} for kind in ("bbox", "segm")})
    lines = [json.dumps(row) for row in training_rows()]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    settings = evaluation_settings(config)
    return report_of_files(settings.report, settings.figures, source, folder, folder)


def training_rows() -> List[Dict[str, Any]]:
    """Forty steps, then an evaluation."""
    rows: List[Dict[str, Any]] = []
    for step in range(1, 41):
        losses = {name: 1.0 / step for name in LOSSES}
        rows.append({"step": step, "lr": 0.01 * step, "total_loss": 5.0 / step, **losses})
    figures = {"AP": 0.5, "AP50": 0.75}
    rows.append({"step": 40, "evaluated": "weights", "bbox": figures, "segm": figures})
    return rows


def _rows(source):
    bbox, segm = [], []
    for number, record in enumerate(source.records):
        own = np.flatnonzero(~record.crowd)
        labels = record.labels.copy()
        if number % 3 == 0 and len(own) > 1:
            labels[own[-1]] = labels[own[-1]] % 4 + 1
            own = own[1:]
        for place, i in enumerate(own.tolist()):
            x1, y1, x2, y2 = record.boxes[i].tolist()
            row = {
                "image_id": record.image_id,
                "category_id": source.category_ids[int(labels[i])],
                "score": round(0.3 + 0.6 * ((7 * number + 3 * place) % 10) / 10, 2),
            }
            mask = segmentation_to_mask(record.segmentations[i], record.height, record.width)
            bbox.append({**row, "bbox": [x1, y1, x2 - x1, y2 - y1]})
            segm.append({**row, "segmentation": mask_to_rle(mask)})
    return bbox, segm
