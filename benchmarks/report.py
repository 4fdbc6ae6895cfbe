"""Time report.html of 5,000 drawn pictures with 100 detections each, boxes and masks.

    python -m benchmarks.report
    python -m benchmarks.report --pictures 500

The objects and detections are those of benchmarks.evaluation. Prints a JSON object: seconds of the match
tables, their figures and the page; its size; the largest memory of the process, which draws the data, too.
Reading the results is not counted: an evaluation has them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import cv2
import numpy as np

from benchmarks.evaluation import HEIGHT, WIDTH, draw_inputs
from benchmarks.timing import peak_rss_mb
from src.config import load_config
from src.data.annotations.coco_reader import read_coco_alone
from src.data.annotations.records import DataSource
from src.engine.inference.evaluation import report_settings
from src.evaluation.coco_metrics import COCO
from src.evaluation.inputs import EvaluationInputs
from src.evaluation.matching.details import detailed_figures
from src.evaluation.matching.table import make_match_table
from src.report.report import Report

_FILES = 100  # picture files; the pictures of the data take them in turns


def draw_files(folder: Path) -> List[Path]:
    """JPEG files of blurred noise, which are about as large as photographs."""
    rng = np.random.default_rng(0)
    paths = []
    for number in range(_FILES):
        noise = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        picture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
        paths.append(folder / f"{number:03d}.jpg")
        cv2.imwrite(str(paths[-1]), picture)
    return paths


def source_of(inputs: EvaluationInputs, paths: List[Path]) -> DataSource:
    """The ground truth of an evaluation as data with picture files."""
    truth = inputs.truth
    images = [{"id": number, "height": h, "width": w} for number, (h, w) in truth.sizes.items()]
    categories = [{"id": number, "name": name} for number, name in truth.classes.items()]
    content = {"images": images, "categories": categories, "annotations": truth.annotations}
    source = read_coco_alone(json.dumps(content, default=_as_text).encode(), "drawn")
    for number, record in enumerate(source.records):
        record.path = str(paths[number % len(paths)])
    return dataclasses.replace(source, folder=str(paths[0].parent))


def _as_text(value):
    return value.decode("ascii") if isinstance(value, bytes) else value.tolist()


def timed(work: Callable[[], Any]) -> Tuple[Dict[str, float], Any]:
    """Wall and processor seconds of a work, and what it returns."""
    start = time.perf_counter()
    cpu_start = time.process_time()
    result = work()
    cpu = round(time.process_time() - cpu_start, 3)
    return {"wall": round(time.perf_counter() - start, 3), "cpu": cpu}, result


def main() -> int:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--detections", type=int, default=100, help="a picture")
    args = parser.parse_args()
    seconds: Dict[str, Dict[str, float]] = {}
    report = None
    with tempfile.TemporaryDirectory() as folder:
        paths = draw_files(Path(folder))
        for kind in ("bbox", "segm"):
            inputs = draw_inputs(kind, args.pictures, args.detections)
            if report is None:
                report = Report(report_settings(load_config()), source_of(inputs, paths))
            seconds[f"table_{kind}"], table = timed(lambda inputs=inputs: make_match_table(inputs, COCO))
            seconds[f"figures_{kind}"], figures = timed(lambda table=table: detailed_figures(table))
            seconds[f"part_{kind}"], _ = timed(lambda: report.add_kind(inputs, table, figures))  # noqa: B023
        metrics = {kind: {"AP": figures["headline"]["AP"]["value"]} for kind in ("bbox", "segm")}
        seconds["page"], path = timed(lambda: report.write(folder, metrics))
        size = path.stat().st_size
    result = {
        "pictures": args.pictures,
        "detections": args.pictures * args.detections,
        "seconds": seconds,
        "seconds_in_all": {
            clock: round(sum(step[clock] for step in seconds.values()), 3) for clock in ("wall", "cpu")
        },
        "megabytes": round(size / 1e6, 2),
        "peak_rss_mb": peak_rss_mb(),
    }
    print(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
