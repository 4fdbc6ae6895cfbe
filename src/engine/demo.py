"""The demo, the whole job on drawn shapes: data, training from scratch, COCO AP, export, use of the export.

bash scripts/run_demo.sh [KEY=VALUE ...]          writes demo/ in the current folder
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Dict, Sequence

from .entry import run_main

CONFIG = Path(__file__).parents[2] / "configs" / "demo.yaml"
FOLDER = Path("demo")
TRAINING_PICTURES = 1800
HELD_OUT_PICTURES = 50
DRAWN_PICTURES = 6


def run(words: Sequence[str], folder: Path = FOLDER) -> Dict[str, Any]:
    """Run every stage with configs/demo.yaml and `words` over it.

    Args:
        words: KEY=VALUE words.
        folder: Everything is written below it.

    Returns:
        The metrics of the evaluation.
    """
    from ..config import changed, load_config
    from ..data.shapes.drawn_data import draw_shapes
    from ..dataset import read_source

    started = time.perf_counter()

    def announce(stage: str) -> None:
        print(f"[{time.perf_counter() - started:5.0f} s] {stage}", flush=True)

    folder.mkdir(parents=True, exist_ok=True)
    words = [f"coco_root={folder / 'data'}", *words]
    config = load_config(words, CONFIG)
    announce("drawing the data set")
    size = (config.img_width, config.img_height)
    draw_shapes(config.coco_root, TRAINING_PICTURES, HELD_OUT_PICTURES, size, seed=1)
    from ..predictor import Predictor
    from .evaluator import evaluate
    from .exporter import ExportSettings, export
    from .predict_files import draw_beside_truth
    from .trainer import train

    (folder / "loss_0.log").unlink(missing_ok=True)
    announce("training from scratch")
    checkpoint = train(config, folder)
    announce("evaluating on the held-out pictures")
    config = load_config([*words, f"checkpoint_path={checkpoint}"], CONFIG)
    metrics = evaluate(config, folder)
    announce("exporting")
    records = read_source(config, "val").records[:DRAWN_PICTURES]
    exported = export(config, ExportSettings("MINDIR", folder / "mask_rcnn.mindir", picture=records[0].path))
    announce("drawing what the exported file finds")
    shutil.rmtree(folder / "pictures", ignore_errors=True)
    predictor = Predictor.from_config(changed(config, checkpoint_path=str(exported)))
    drawn = draw_beside_truth(predictor, records, folder / "pictures", 0.5)
    minutes = (time.perf_counter() - started) / 60
    print(
        f"\nbbox AP {metrics['bbox']['AP']:.3f}, segm AP {metrics['segm']['AP']:.3f} "
        f"on {config.val_data_type}, in {minutes:.1f} minutes. In {folder}{os.sep}:"
    )
    for name, path in (
        ("checkpoint", checkpoint),
        ("losses", folder / "loss_0.log"),
        ("loss curves", folder / "losses.png"),
        ("metrics", folder / "metrics.json"),
        ("exported network", exported),
        ("pictures", drawn[0].parent),
        ("report", folder / "report.html"),
    ):
        print(f"  {name:17s}{path}")
    print(
        f"Open {folder / 'report.html'} in a browser: curves, tables, and pictures of what the network finds "
        "beside what is annotated."
    )
    return metrics


def main() -> None:
    if any(word in ("-h", "--help") for word in sys.argv[1:]):
        print(__doc__)
        return
    run(sys.argv[1:])


if __name__ == "__main__":
    run_main(main)
