"""The demo: the whole job on drawn shapes - data, training from scratch, COCO AP, export, and the exported file at work.

bash scripts/run_demo.sh [KEY=VALUE ...]          writes demo/ in the current folder
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

from ..config import load_config
from ..data.shapes.drawn_data import draw_shapes
from .entry import run_main

CONFIG = Path(__file__).parents[2] / "configs" / "demo.yaml"
FOLDER = Path("demo")


def run(words, folder=FOLDER):
    """Run every stage with configs/demo.yaml and `words` over it; returns the metrics. Everything is written below `folder`."""
    started = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    defaults = [f"coco_root={folder / 'data'}"]
    config = load_config(defaults + list(words), CONFIG)
    say(started, "drawing the data set")
    draw_shapes(config.coco_root, 800, 50, (config.img_width, config.img_height), seed=1)
    from .evaluator import evaluate
    from .exporter import export, load_exported
    from .inference.predictor import open_checkpoint
    from .predict_files import draw_files
    from .trainer import train

    (folder / "loss_0.log").unlink(missing_ok=True)
    say(started, "training from scratch")
    checkpoint = train(config, folder)
    say(started, "evaluating on the held-out pictures")
    config = load_config(defaults + list(words) + [f"checkpoint_path={checkpoint}"], CONFIG)
    metrics = evaluate(config, folder)
    say(started, "exporting")
    pictures = sorted((Path(config.coco_root) / config.val_data_type).iterdir())[:6]
    exported = export(config, "MINDIR", folder / "mask_rcnn.mindir", picture=pictures[0])
    say(started, "drawing what the exported file finds")
    shutil.rmtree(folder / "pictures", ignore_errors=True)
    drawn = draw_files(
        load_exported(exported), open_checkpoint(config)[0], pictures, folder / "pictures", 0.5
    )
    print(
        f"\nbbox AP {metrics['bbox']['AP']:.3f}, segm AP {metrics['segm']['AP']:.3f} on {config.val_data_type}, "
        f"in {(time.perf_counter() - started) / 60:.1f} minutes. In {folder}{os.sep}:"
    )
    for name, path in (
        ("checkpoint", checkpoint),
        ("losses", folder / "loss_0.log"),
        ("loss curves", folder / "losses.png"),
        ("metrics", folder / "metrics.json"),
        ("exported network", exported),
        ("pictures", drawn[0].parent),
    ):
        print(f"  {name:17s}{path}")
    return metrics


def say(started, what):
    print(f"[{time.perf_counter() - started:5.0f} s] {what}", flush=True)


def main():
    if any(word in ("-h", "--help") for word in sys.argv[1:]):
        print(__doc__)
        return
    run(sys.argv[1:])


if __name__ == "__main__":
    run_main(main)
