"""The model zoo's name for the evaluation functions. Their code is in `src/evaluation/`:

`result_rows`   detections -> COCO result rows
`ground_truth`  annotations -> ground truth for pycocotools
`coco_metrics`  COCO's twelve figures and the table of AP by class
`result_files`  results_bbox.json, results_segm.json, metrics.json

Use:

    rows = [detections_to_results(detections, image_id, height, width, category_ids) for ...]
    write_results(folder, bbox_rows, segm_rows)
    write_metrics(folder, {"bbox": evaluate_coco("instances_val2017.json", bbox_rows, "bbox")})
"""

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
