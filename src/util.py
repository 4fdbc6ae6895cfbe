"""The evaluation functions under the module name that the model zoo has for them.

Their code is in `src/evaluation/`:
    result_rows: from detections to COCO's result rows.
    ground_truth: from annotations to ground truth for pycocotools.
    coco_metrics: COCO's twelve figures, and the table of AP by class.
    result_files: results_bbox.json, results_segm.json and metrics.json.

Example:

    rows = [detections_to_results(detections, image_id, height, width, category_ids) for ...]
    write_results(folder, bbox_rows, segm_rows)
    write_metrics(folder, {"bbox": evaluate_coco("instances_val2017.json", bbox_rows, "bbox")})
"""

from __future__ import annotations

from .evaluation.coco_metrics import METRIC_NAMES, evaluate_coco
from .evaluation.ground_truth import records_to_coco
from .evaluation.result_files import write_metrics, write_results
from .evaluation.result_rows import detections_to_results

__all__ = [
    "METRIC_NAMES",
    "detections_to_results",
    "evaluate_coco",
    "records_to_coco",
    "write_metrics",
    "write_results",
]
