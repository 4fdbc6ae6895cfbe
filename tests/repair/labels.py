"""A small data set with known label mistakes, results of a perfect network, and repair.py as a process."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from src.data.images.rle import mask_to_rle
from src.engine.results_evaluator import evaluate_results
from src.evaluation.coco_settings import coco_settings
from tests.conftest import ROOT

SIDE = 100  # of each picture
FIGURES = coco_settings((0.5, 0.75), "auto", 100, (1024.0, 9216.0))
NAMES = {3: "disc", 7: "<b>plate</b>"}


def square(x, y, side=20):
    """A mask with one square that is set."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[y : y + side, x : x + side] = 1
    return mask


def annotation(annotation_id, image_id, x, y, side=20, category=3, **more):
    """An annotation with a square of polygons."""
    corners = [x, y, x + side, y, x + side, y + side, x, y + side]
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": category,
        "bbox": [x, y, side, side],
        "area": side * side,
        "iscrowd": 0,
        "segmentation": [corners],
        **more,
    }


def row(image_id, x, y, side=20, category=3, score=0.9):
    """A result row of a square."""
    return {
        "image_id": image_id,
        "category_id": category,
        "score": score,
        "segmentation": mask_to_rle(square(x, y, side)),
    }


def content(annotations, images=(1, 2, 3, 4)):
    """An annotation file's content."""
    return {
        "info": {"made": "by hand", "unknown": [1.50, None]},
        "images": [
            {"id": i, "file_name": f"{i}.png", "width": SIDE, "height": SIDE, "camera": "old"} for i in images
        ],
        "annotations": annotations,
        "categories": [{"id": i, "name": name, "extra": True} for i, name in NAMES.items()],
    }


def usual_labels():
    """Annotations with one mistake of each kind; the results show what is right.

    Picture 1: a disc is missing at (60, 60). 2: a disc at (5, 70) that is not there, and one that is. 3: a
    plate that is annotated as a disc, and a disc 8 pixels off. 4: a disc that is annotated twice.
    """
    annotations = [
        annotation(11, 1, 10, 10, note={"keep": "é"}),
        annotation(21, 2, 10, 10),
        annotation(22, 2, 5, 70),
        annotation(31, 3, 10, 10),
        annotation(32, 3, 58, 50, attributes={"truncated": False}),
        annotation(41, 4, 10, 10),
        annotation(42, 4, 11, 10),
    ]
    rows = [
        row(1, 10, 10, score=0.95),
        row(1, 60, 60, score=0.98),
        row(2, 10, 10, score=0.97),
        row(3, 10, 10, category=7, score=0.96),
        row(3, 50, 50, score=0.94),
        row(4, 10, 10, score=0.99),
    ]
    return annotations, rows


def make_run(folder: Path, annotations=None, rows=None) -> Path:
    """Write a data set with pictures, results, and their evaluation in `run`; returns its folder."""
    if annotations is None:
        annotations, rows = usual_labels()
    (folder / "annotations").mkdir(parents=True)
    (folder / "val").mkdir()
    path = folder / "annotations" / "instances_val.json"
    path.write_text(json.dumps(content(annotations), indent=1, ensure_ascii=False))
    for number in (1, 2, 3, 4):
        picture = np.full((SIDE, SIDE, 3), 40 * number, np.uint8)
        cv2.imwrite(str(folder / "val" / f"{number}.png"), picture)
    (folder / "results.json").write_text(json.dumps(rows))
    evaluate_results(
        folder / "results.json", str(path), folder / "run", FIGURES, picture_folder=str(folder / "val")
    )
    return folder / "run"


def read(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


class RepairServer:
    """repair.py as a process.

    Attributes:
        process: its process.
        port: its port on 127.0.0.1.
    """

    def __init__(self, *words):
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "repair.py"), "--port", "0", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self.lines = [self.process.stdout.readline(), self.process.stdout.readline()]
        found = re.search(r"ready: http://127\.0\.0\.1:(\d+)", self.lines[1])
        assert found, (self.lines, self.process.communicate(timeout=60))
        self.port = int(found[1])

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path, body=None, method=None, **headers):
        """(status, content) of a request; `Content_Type=...` becomes a header of this name."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {name.replace("_", "-"): value for name, value in headers.items()}
            if body is not None and not isinstance(body, bytes):
                body = json.dumps(body).encode()
                headers = {"Content-Type": "application/json", **headers}
            connection.request(method or ("GET" if body is None else "POST"), path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
            is_json = answer.headers["content-type"] == "application/json"
            return answer.status, json.loads(data) if is_json else data
        finally:
            connection.close()

    def keys(self):
        """{kind: id} of the suspects; of several of a kind the first."""
        found = {}
        for suspect in self.ask("/v1/suspects")[1]["suspects"]:
            found.setdefault(suspect["kind"], suspect["id"])
        return found

    def decide(self, key, decision, touched=0):
        return self.ask("/v1/decisions", {"suspect": key, "decision": decision, "touched": touched})

    def kill(self):
        self.process.kill()
        self.process.communicate(timeout=60)

    def end(self):
        """Stop it; returns (exit code, standard output, standard error)."""
        self.process.terminate()
        out, error = self.process.communicate(timeout=60)
        return self.process.returncode, out, error


@contextlib.contextmanager
def repairing(*words):
    """A RepairServer; it is killed at the end where it still runs."""
    server = RepairServer(*words)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()
