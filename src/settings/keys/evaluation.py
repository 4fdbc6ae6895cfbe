"""Evaluation: COCO's figures, and what becomes of it while training."""

from __future__ import annotations

from .key import Key

KEYS = (
    Key("test_batch_size", 2, "pictures a batch in evaluation", low=1),
    Key(
        "eval_max_dets",
        "auto",
        "three numbers of detections a picture for AR and AP; auto: 1, 10, 100 as COCO has it, "
        "with test_max_per_img for the last where that is larger",
        kind=("auto", (int,)),
        low=1,
        in_graph=False,
    ),
    Key(
        "eval_iou_thresholds",
        (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95),
        "IoU thresholds over which AP and AR are means",
        low=0,
        high=1,
        in_graph=False,
    ),
    Key(
        "eval_area_limits",
        (1024.0, 9216.0),
        "objects below the first area (square pixels) are small, above the second large",
        low=0,
        length=2,
        in_graph=False,
    ),
    Key(
        "eval_details",
        False,
        "evaluate in depth: a table a class, intervals, and eval_details.json with curves, confusion, "
        "calibration, kinds of errors, suspected label mistakes; detections and objects as CSV",
        in_graph=False,
    ),
    Key(
        "report",
        False,
        "write report.html at the end of training and of an evaluation: curves, tables, pictures of what is "
        "annotated and found; one file that needs no network",
        in_graph=False,
    ),
    Key(
        "results",
        None,
        "a file in COCO's results format to evaluate, instead of a network (eval)",
        kind=str,
        path=True,
        per_call=True,
        in_graph=False,
    ),
    Key(
        "eval_classes",
        "all",
        "all: an evaluation file with a class that the network does not know is refused; "
        "common: only the classes of both are evaluated",
        choices=("all", "common"),
        in_graph=False,
    ),
    Key(
        "eval_failure",
        "go_on",
        "what an evaluation that fails while training does: go_on with training, or stop the run",
        choices=("go_on", "stop"),
        in_graph=False,
    ),
)
