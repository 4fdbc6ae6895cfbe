"""Time COCO's figures of 5,000 drawn pictures with 100 detections each, computed in three ways.

    python -m benchmarks.evaluation                     # boxes
    python -m benchmarks.evaluation segm --pictures 1000
    python -m benchmarks.evaluation --details           # and every figure of eval_details=True

pycocotools, hotcoco and the match table are given the same objects and detections, and have to give the same
figures. Prints a JSON object: seconds, and how many times the others are faster than pycocotools. Ends with
exit code 1 where the figures differ.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any, Callable, Dict, List, Sequence, Tuple

import numpy as np
from pycocotools import mask as mask_api

from benchmarks.timing import peak_rss_mb
from src.evaluation.coco_engine import HOTCOCO, PYCOCOTOOLS, coco_arrays
from src.evaluation.coco_metrics import COCO
from src.evaluation.inputs import EvaluationInputs, read_inputs
from src.evaluation.matching.details import detailed_figures
from src.evaluation.matching.precision_recall import coco_arrays_of
from src.evaluation.matching.table import make_match_table

CLASSES = 80
HEIGHT = 480
WIDTH = 640


def draw_inputs(kind: str, pictures: int, detections: int, classes: int = CLASSES) -> EvaluationInputs:
    """`draw_problem` as the inputs of an evaluation."""
    return read_inputs(*draw_problem((kind,), pictures, detections, classes), kind)


def draw_problem(
    kinds: Sequence[str], pictures: int, detections: int, classes: int = CLASSES
) -> Tuple[Dict[str, List[dict]], List[dict]]:
    """Objects, and detections near them or anywhere, as an average detector gives them.

    Args:
        kinds: what result rows hold: "bbox", "segm" or both.
        pictures: how many.
        detections: a picture.
        classes: how many.

    Returns:
        (the content of an annotation file, result rows)
    """
    rng = np.random.default_rng(0)
    truth: Dict[str, List[dict]] = {
        "images": [{"id": i, "height": HEIGHT, "width": WIDTH} for i in range(1, pictures + 1)],
        "categories": [{"id": i, "name": f"class {i}"} for i in range(1, classes + 1)],
        "annotations": [],
    }
    rows = []
    for image in truth["images"]:
        count = int(rng.integers(1, 15))
        boxes = _boxes(rng, count)
        labels = rng.integers(1, classes + 1, count)
        for box, label in zip(boxes, labels.tolist()):
            truth["annotations"].append(_object(len(truth["annotations"]) + 1, image["id"], label, box))
        near = rng.integers(0, count, detections)
        found = boxes[near] + rng.normal(0, 0.08, (detections, 4)) * np.tile(boxes[near][:, 2:], 2)
        found[:, :2] = np.maximum(found[:, :2], 0)
        found[:, 2:] = np.clip(found[:, 2:], 2, [WIDTH, HEIGHT] - found[:, :2])
        anywhere = rng.random(detections) < 0.5
        found[anywhere] = _boxes(rng, int(anywhere.sum()))
        is_own = rng.random(detections) < 0.7
        found_labels = np.where(is_own, labels[near], rng.integers(1, classes + 1, detections))
        scores = np.round(rng.random(detections), 5)
        for box, label, score in zip(found.round(3), found_labels.tolist(), scores.tolist()):
            row = {"image_id": image["id"], "category_id": label, "score": score}
            if "bbox" in kinds:
                row["bbox"] = box.tolist()
            if "segm" in kinds:
                row["segmentation"] = _rle(box)
            rows.append(row)
    return truth, rows


def _boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corner = rng.uniform(0, [WIDTH - 140, HEIGHT - 140], (count, 2))
    return np.concatenate([corner, rng.uniform(10, 140, (count, 2))], axis=1)


def _polygon(box: np.ndarray) -> List[float]:
    """A shape with 40 corners that fills the box."""
    x, y, w, h = box
    angle = np.arange(40) * (2 * np.pi / 40)
    radius = 0.45 + 0.05 * np.sin(7 * angle)
    return np.stack(
        [x + w / 2 + w * radius * np.cos(angle), y + h / 2 + h * radius * np.sin(angle)], 1
    ).ravel()


def _rle(box: np.ndarray) -> Dict[str, Any]:
    rle = mask_api.frPyObjects([_polygon(box).tolist()], HEIGHT, WIDTH)[0]
    return {"size": rle["size"], "counts": rle["counts"].decode("ascii")}


def _object(number: int, image_id: int, label: int, box: np.ndarray) -> Dict[str, Any]:
    return {
        "id": number,
        "image_id": image_id,
        "category_id": label,
        "bbox": box.tolist(),
        "area": float(box[2] * box[3]),
        "iscrowd": int(number % 50 == 0),
        "segmentation": [_polygon(box).tolist()],
    }


def timed(work: Callable[[], Any]) -> Tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return round(time.perf_counter() - start, 3), result


def main() -> int:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.evaluation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", nargs="?", choices=("bbox", "segm"), default="bbox")
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--detections", type=int, default=100, help="a picture")
    parser.add_argument("--details", action="store_true")
    args = parser.parse_args()
    inputs = draw_inputs(args.kind, args.pictures, args.detections)
    seconds = {}
    arrays = {}
    for engine in (HOTCOCO, PYCOCOTOOLS):
        seconds[engine], arrays[engine] = timed(lambda engine=engine: coco_arrays(inputs, COCO, engine))
    seconds["match_table"], table = timed(lambda: make_match_table(inputs, COCO))
    seconds["figures_of_table"], of_table = timed(lambda: coco_arrays_of(table))
    if args.details:
        seconds["details"], _ = timed(lambda: detailed_figures(table))
    reference = arrays[PYCOCOTOOLS]
    equal = {
        "hotcoco_to_the_bit": all(map(np.array_equal, reference, arrays[HOTCOCO])),
        "match_table_to_1e-9": np.allclose(reference.precision[..., -1:], of_table.precision, 0, 1e-9)
        and np.allclose(reference.recall, of_table.recall, 0, 1e-9),
    }
    own = seconds["match_table"] + seconds["figures_of_table"]
    times_faster = {
        HOTCOCO: round(seconds[PYCOCOTOOLS] / seconds[HOTCOCO], 1),
        "match_table": round(seconds[PYCOCOTOOLS] / own, 1),
    }
    report = {
        "kind": args.kind,
        "pictures": args.pictures,
        "detections": len(inputs.detections),
        "objects": len(inputs.truth.annotations),
        "seconds": seconds,
        "times_faster_than_pycocotools": times_faster,
        "equal": equal,
        "peak_rss_mb": peak_rss_mb(),
    }
    print(json.dumps(report, indent=1))
    return 0 if all(equal.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
