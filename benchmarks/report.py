"""Time eval.py results=FILE report=True on 5,000 drawn pictures with 100 detections each, boxes and masks.

    python -m benchmarks.report
    python -m benchmarks.report --pictures 500

The objects and detections are those of benchmarks.evaluation. They are written to a temporary folder, with
picture files; then eval.py is run on them twice, without the report and with it. Prints a JSON object: wall
and processor seconds and the largest memory of both, their difference, and the size of the report.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List

import cv2
import numpy as np

from benchmarks.evaluation import CLASSES, HEIGHT, WIDTH, draw_problem
from benchmarks.timing import ROOT

_FILES = 100  # picture files that are drawn; the pictures of the data are links to them in turns
_SPLIT = "drawn"


def write_data(folder: Path, pictures: int, detections: int, classes: int) -> List[str]:
    """Write annotations, results and pictures; returns eval.py's words for them."""
    truth, rows = draw_problem(("bbox", "segm"), pictures, detections, classes)
    drawn = _draw_files(folder / "files")
    (folder / _SPLIT).mkdir()
    for number, image in enumerate(truth["images"]):
        image["file_name"] = f"{image['id']:06d}.jpg"
        os.link(drawn[number % len(drawn)], folder / _SPLIT / image["file_name"])
    for name, content in (("annotations.json", truth), ("results.json", rows)):
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return [
        f"results={folder / 'results.json'}",
        f"ann_file={folder / 'annotations.json'}",
        f"coco_root={folder}",
        f"val_data_type={_SPLIT}",
    ]


def _draw_files(folder: Path) -> List[Path]:
    """JPEG files of blurred noise, which are about as large as photographs."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    paths = []
    for number in range(_FILES):
        noise = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        picture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
        paths.append(folder / f"{number:03d}.jpg")
        cv2.imwrite(str(paths[-1]), picture)
    return paths


def run_eval(words: List[str], work_dir: Path) -> Dict[str, Any]:
    """Seconds and memory of eval.py. What it prints goes to a file in its work folder."""
    work_dir.mkdir()
    command = [sys.executable, str(ROOT / "eval.py"), *words, "--work-dir", str(work_dir)]
    start = time.perf_counter()
    with open(work_dir / "output.txt", "w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    if process.returncode != 0:
        sys.exit(f"error: {' '.join(command)}: {(work_dir / 'output.txt').read_text()[-2000:]}")
    return {
        "wall_seconds": round(wall, 1),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_rss_mb": round(usage.ru_maxrss / 1024),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--detections", type=int, default=100, help="a picture")
    parser.add_argument("--classes", type=int, default=CLASSES)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = write_data(folder, args.pictures, args.detections, args.classes)
        figures = run_eval(words, folder / "figures")
        both = run_eval([*words, "report=True"], folder / "both")
        size = (folder / "both" / "report.html").stat().st_size
    result = {
        "pictures": args.pictures,
        "detections": args.pictures * args.detections,
        "figures": figures,
        "figures_and_report": both,
        "report_seconds": {
            clock: round(both[f"{clock}_seconds"] - figures[f"{clock}_seconds"], 1)
            for clock in ("wall", "processor")
        },
        "megabytes": round(size / 1e6, 2),
    }
    print(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
