"""AP with test-time augmentation and with tiles, of a finished run of the demo.

    bash scripts/run_demo.sh
    python -m benchmarks.views demo
    python -m benchmarks.views demo --pictures 40

Evaluates the newest checkpoint of the run on its held-out pictures, plainly and with each kind of views. Then
it does the same on large pictures of small objects, each made of 16 drawn pictures of the size that was
trained, four by four. Prints two tables in Markdown.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, List

import cv2
import numpy as np

from src.config import Config, changed, load_config
from src.data.shapes.drawn_object import SHAPE_CLASSES
from src.data.shapes.picture import draw_picture, object_annotation
from src.data.sources.read import read_annotations
from src.data_settings import annotation_settings
from src.engine.inference.detections import Network
from src.engine.inference.evaluation import evaluate_network, evaluation_settings
from src.engine.inference.opening import open_network

_GRID = 4  # drawn pictures a side of a large one
_SEED = 77
HELD_OUT = {
    "plain": {},
    "flip": {"test_tta": ("flip",)},
    "scales": {"test_tta": ("scales",)},
    "flip, scales": {"test_tta": ("flip", "scales")},
    "tiles of 128": {"test_tiles": 128},
}
LARGE = {
    "plain": {},
    "flip": {"test_tta": ("flip",)},
    "scales": {"test_tta": ("scales",)},
    "tiles of 384": {"test_tiles": 384},
    "tiles of 256": {"test_tiles": 256},
    "tiles of 192": {"test_tiles": 192},
    "tiles of 192, overlap .4": {"test_tiles": 192, "test_tile_overlap": 0.4},
}


def draw_large(folder: Path, pictures: int, side: int) -> Path:
    """Write large pictures with their annotations; returns the annotation file."""
    content: Dict[str, List[dict]] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": i, "name": name} for i, name in enumerate(SHAPE_CLASSES, 1)],
    }
    (folder / "large").mkdir()
    for number in range(1, pictures + 1):
        large = np.zeros((_GRID * side, _GRID * side, 3), np.uint8)
        for cell in range(_GRID**2):
            top, left = (side * place for place in divmod(cell, _GRID))
            kind = "occluded" if cell % 2 else "plain"
            drawn = draw_picture((side, side), kind, (_SEED, number, cell))
            large[top : top + side, left : left + side] = drawn.image
            for item in drawn.objects:
                entry = _moved(object_annotation(item), left, top)
                entry.update(id=len(content["annotations"]) + 1, image_id=number)
                content["annotations"].append(entry)
        name = f"{number}.png"
        cv2.imwrite(str(folder / "large" / name), large[:, :, ::-1])
        content["images"].append(
            {"id": number, "file_name": name, "width": _GRID * side, "height": _GRID * side}
        )
    path = folder / "large.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def _moved(entry: dict, left: int, top: int) -> dict:
    """An annotation with polygons, in the large picture's pixels."""
    x, y, width, height = entry["bbox"]
    corner = np.array([left, top])
    polygons = [(np.reshape(polygon, (-1, 2)) + corner).ravel().tolist() for polygon in entry["segmentation"]]
    return {**entry, "bbox": [x + left, y + top, width, height], "segmentation": polygons}


def newest_checkpoint(run: Path) -> Path:
    found = sorted((run / "checkpoint").glob("*.ckpt"), key=lambda path: path.stat().st_mtime)
    if not found:
        sys.exit(f"error: {run / 'checkpoint'}: no checkpoint; give the folder of a demo")
    return found[-1]


def measure(title: str, config: Config, network: Network, choices: Dict[str, Dict[str, Any]]) -> None:
    """Print a row for each choice of views."""
    source = read_annotations(annotation_settings(config, "val"))
    print(f"| {title} | bbox AP | AP50 | segm AP | AP50 |\n|---|---|---|---|---|", flush=True)
    for name, values in choices.items():
        settings = evaluation_settings(changed(config, **values))
        with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "output", "w") as output:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                metrics = evaluate_network(network, settings, source, Path(folder) / "eval")
        figures = [metrics[kind][figure] for kind in ("bbox", "segm") for figure in ("AP", "AP50")]
        print(f"| {name} | " + " | ".join(f"{figure:.3f}" for figure in figures) + " |", flush=True)
    print()


def main() -> int:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.views",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="the folder of a demo")
    parser.add_argument("--pictures", type=int, default=20, help="large ones")
    parser.add_argument("--weights", type=Path, help="a checkpoint or an exported file instead of the newest")
    parser.add_argument("--only", choices=("held-out", "large"))
    args = parser.parse_args()
    weights = args.weights or newest_checkpoint(args.run)
    words = [f"checkpoint_path={weights}", "device_target=CPU", f"coco_root={args.run / 'data'}"]
    config = load_config(words)
    network, config = open_network(config, config.test_batch_size)
    if args.only != "large":
        measure("held-out pictures", config, network, HELD_OUT)
    if args.only != "held-out":
        with tempfile.TemporaryDirectory() as folder:
            side = config.img_width
            path = draw_large(Path(folder), args.pictures, side)
            of_large = changed(config, ann_file=str(path), coco_root=folder, val_data_type="large")
            measure(f"pictures of {_GRID * side}x{_GRID * side}", of_large, network, LARGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
