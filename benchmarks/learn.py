"""Train and evaluate, one seed a call; each call prints one JSON line. docs/results.md has the results.

    python -m benchmarks.learn nuclei --seed 1                # configs/nuclei.yaml from scratch
    python -m benchmarks.learn backbone --out backbone.ckpt   # a ResNet-50 FPN trained on drawn shapes, for:
    python -m benchmarks.learn overfit --seed 1 [--backbone backbone.ckpt]

Run it from the project's folder.

nuclei: training seconds, bbox and segm AP on the evaluation split of the 2018 Data Science Bowl.

overfit: the default network (R50, 81 classes) on 8 pictures of COCO at 320x512 for at most 300 steps, AP on
    the same pictures. It ends at the first of its evaluations with a segm AP of at least 0.5 (with --full it
    goes on), which is `reached`: [step, training seconds until then]. With --backbone, trunk and pyramid are
    the file's, and the trunk is not trained (freeze_at=5), which saves its gradients; freeze_at=0 trains it.

The data sets are not part of this repository. They are looked for in $MASKRCNN_SHARED/data (../shared/data),
or in --data FOLDER. KEY=VALUE words go over the settings; --work keeps the work folder. Training seconds are
wall time from start to the last step, with data conversion and the graph's compilation. Where a run is
evaluated while it trains, they are those of the steps alone, with compilation.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Optional

from benchmarks.timing import ROOT
from src.config import load_config
from src.engine.entry import run_main
from src.errors import UserError

DATA = Path(os.environ.get("MASKRCNN_SHARED") or ROOT.parent / "shared") / "data"
PICTURES = 8
COPIES = 8  # how often an epoch has every picture
STEPS = 300
BATCH = 4
TARGET = 0.5  # segm AP
STEPS_PER_EPOCH = PICTURES * COPIES // BATCH
PROPOSALS = ("nms_pre", "nms_post", "max_num")
# Norms everywhere but in the box head's two layers, as nothing is pretrained.
SCRATCH = [
    "norm=bn",
    "fpn_norm=bn",
    "rcnn_mask_norm=gn",
    "freeze_at=0",
    "optimizer=adamw",
    "clip_grad_norm=5",
    "warmup_ratio=0.01",
    "expand_ratio=0",
    "tensorboard=False",
    "save_checkpoint_epochs=1000",
    "save_checkpoint_minutes=0",
]
# Few RoIs, and many of them on objects; no augmentation, no decay. Masks are the slowest to learn, so their
# loss counts twice, and RoIs keep the levels of full-sized pictures: one of 56 pixels or more then spans 14
# or more cells of its level, as many as are pooled. Anchors fit a canvas of 0.4 of the default's width.
OVERFIT = [
    *SCRATCH,
    "img_height=320",
    "img_width=512",
    "flip_ratio=0",
    "anchor_scales=[4]",
    f"batch_size={BATCH}",
    "num_expected_total_stage2=128",
    "num_expected_neg_stage2=128",
    "num_expected_pos_stage2=48",
    "num_mask_rois=16",
    "rcnn_loss_mask_fb_weight=2",
    *(f"rpn_proposal_{name}=500" for name in PROPOSALS),
    *(f"rpn_{name}=300" for name in PROPOSALS),
    "weight_decay=0",
    "base_lr=0.001",
    "warmup_step=20",
    f"max_steps={STEPS}",
    f"epoch_size={-(-STEPS // STEPS_PER_EPOCH)}",
    f"total_epoch={-(-STEPS // STEPS_PER_EPOCH)}",
]
# The backbone: 380 steps of 8 pictures of 128x128 with drawn shapes. Its heads are not kept, so they are
# narrow.
SHAPES = [
    *SCRATCH,
    "img_height=128",
    "img_width=128",
    "coco_classes=auto",
    "anchor_scales=[4]",
    "roi_align_finest_scale=28",
    "batch_size=8",
    "num_expected_total_stage2=48",
    "num_expected_neg_stage2=48",
    "num_expected_pos_stage2=16",
    "num_mask_rois=8",
    "rcnn_mask_out_channels=64",
    "rcnn_fc_out_channels=256",
    *(f"rpn_proposal_{name}=200" for name in PROPOSALS),
    "weight_decay=0.01",
    "base_lr=0.001",
    "warmup_step=20",
    "epoch_size=2",
    "total_epoch=2",
]


def nuclei(args: argparse.Namespace, work: Path) -> dict:
    """Train by configs/nuclei.yaml and evaluate on its evaluation split."""
    data = data_folder(args, "nuclei")
    return learn([f"coco_root={data}", *args.words], ROOT / "configs" / "nuclei.yaml", args, work)


def overfit(args: argparse.Namespace, work: Path) -> dict:
    """Train the default network on 8 pictures and evaluate on the same."""
    data = work / "data"
    picture_ids = select_pictures(data_folder(args, "coco"), data, args.seed)
    words = [
        *OVERFIT,
        f"coco_root={data}",
        f"mindrecord_dir={work / 'mindrecord'}",
        f"eval_interval={args.every}",
    ]
    words += [f"pre_trained={args.backbone}", "freeze_at=5"] if args.backbone else []
    figures = learn([*words, *args.words], None, args, work)
    return {"backbone": args.backbone, "pictures": picture_ids, **figures}


def backbone(args: argparse.Namespace, work: Path) -> dict:
    """Train a network on drawn shapes and keep its ResNet and feature pyramid, of the default size."""
    from src.data.shapes.drawn_data import draw_shapes
    from src.weights.checkpoint_file import read_checkpoint, write_checkpoint

    data = work / "data"
    draw_shapes(data, 1600, 16, size=(128, 128), seed=args.seed)
    words = [*SHAPES, f"coco_root={data}", f"mindrecord_dir={work / 'mindrecord'}", *args.words]
    figures = learn(words, None, args, work)
    entries = read_checkpoint(figures["checkpoint"])[0]
    kept = {name: value for name, value in entries.items() if name.startswith(("backbone.", "fpn."))}
    write_checkpoint(args.out, kept, {})
    return {"out": str(args.out), **figures}


def data_folder(args: argparse.Namespace, name: str) -> Path:
    """The folder of a data set; a UserError where there is none."""
    folder = args.data or DATA / name
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; --data FOLDER names that of the data set")
    return folder


def select_pictures(source: Path, folder: Path, seed: int) -> list[int]:
    """Make a COCO data set in `folder` of 8 random training pictures with 2 to 12 objects, none a crowd.

    Its training split lists each of them 8 times, under links of their own, so that an epoch is more than a
    few steps; its evaluation split lists each once.

    Returns:
        The pictures' ids in `source`.
    """
    content = json.loads((source / "annotations" / "instances_train2017.json").read_text())
    objects = {}
    for item in content["annotations"]:
        objects.setdefault(item["image_id"], []).append(item)
    candidates = [
        image
        for image in content["images"]
        if 2 <= len(objects.get(image["id"], [])) <= 12
        and not any(item["iscrowd"] for item in objects[image["id"]])
    ]
    selected = random.Random(seed).sample(sorted(candidates, key=lambda image: image["id"]), PICTURES)
    (folder / "annotations").mkdir(parents=True)
    for split, copies in (("train2017", COPIES), ("val2017", 1)):
        (folder / split).mkdir()
        images = []
        annotations = []
        for copy in range(copies):
            for image in selected:
                name = f"{copy}_{image['file_name']}"
                (folder / split / name).symlink_to((source / "train2017" / image["file_name"]).resolve())
                images.append({**image, "id": len(images) + 1, "file_name": name})
                annotations += [
                    {**item, "id": len(annotations) + number, "image_id": len(images)}
                    for number, item in enumerate(objects[image["id"]])
                ]
        (folder / "annotations" / f"instances_{split}.json").write_text(
            json.dumps({**content, "images": images, "annotations": annotations})
        )
    return [image["id"] for image in selected]


def learn(words: Sequence[str], config_file: Optional[Path], args: argparse.Namespace, work: Path) -> dict:
    """Train and evaluate; returns the figures of the JSON line."""
    words = [*words, f"seed={args.seed}"]
    config = load_config(words, config_file)
    from src.engine.display.metrics_file import read_metrics
    from src.engine.evaluator import evaluate
    from src.engine.trainer import train
    from src.engine.training.summary import processor_name

    start = time.perf_counter()
    hooks = [stop_hook()] if args.what == "overfit" and not args.full else []
    checkpoint = train(config, work / "train", hooks)
    seconds = time.perf_counter() - start
    rows = read_metrics(work / "train" / "metrics.jsonl")
    steps = [row for row in rows if "total_loss" in row]
    curve = evaluation_curve(rows, steps)
    if curve:  # evaluations are part of the wall time
        seconds = sum(row["seconds"] + row["data_seconds"] for row in steps)
    metrics = evaluate(load_config([*words, f"checkpoint_path={checkpoint}"], config_file), work / "eval")
    step_seconds = sorted(row["seconds"] for row in steps)
    figures = {
        "seed": args.seed,
        "train_seconds": round(seconds, 1),
        "steps": len(steps),
        "pictures_seen": len(steps) * config.batch_size,
        "median_step_seconds": round(step_seconds[len(steps) // 2], 3),
        "last_loss": round(steps[-1]["total_loss"], 4),
    }
    for kind in ("bbox", "segm"):
        figures.update({f"{kind}_{name}": round(metrics[kind][name], 4) for name in ("AP", "AP50", "AP75")})
    if curve:
        figures["curve"] = curve
        figures["reached"] = next(([step, spent] for step, spent, ap in curve if ap >= TARGET), None)
    return {
        **figures,
        "checkpoint": str(checkpoint),
        "words": words,
        "machine": f"{processor_name()}, MindSpore {version('mindspore')}",
    }


def evaluation_curve(rows: Sequence[dict], steps: Sequence[dict]) -> list[tuple]:
    """(step, training seconds until then, segm AP) of each evaluation of a run.

    Args:
        rows: All rows of metrics.jsonl.
        steps: Those of training steps.
    """
    totals = itertools.accumulate(row["seconds"] + row["data_seconds"] for row in steps)
    spent = dict(zip((row["step"] for row in steps), totals))
    return [
        (row["step"], round(spent[row["step"]], 1), round(row["segm"]["AP"], 3))
        for row in rows
        if row.get("evaluated") == "weights"
    ]


def stop_hook():
    """A hook that ends a run once its last evaluation has the target's segm AP."""
    from src.engine.display.metrics_file import read_metrics
    from src.engine.hooks.hook import Hook

    class StopAtTarget(Hook):
        def after_epoch(self, trainer):  # the evaluation of the same epoch comes before
            rows = read_metrics(trainer.work_dir / "metrics.jsonl")
            precisions = [row["segm"]["AP"] for row in rows if row.get("evaluated") == "weights"]
            if precisions and precisions[-1] >= TARGET:
                trainer.stop_reason = f"segm AP {precisions[-1]:.3f}"

    return StopAtTarget()


COMMANDS = {"nuclei": nuclei, "overfit": overfit, "backbone": backbone}


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.learn",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=COMMANDS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, help="the data set's folder")
    parser.add_argument("--backbone", help="overfit: a backbone checkpoint to start from")
    parser.add_argument(
        "--every",
        type=int,
        default=2,
        help=f"overfit: epochs (of {STEPS_PER_EPOCH} steps) between evaluations",
    )
    parser.add_argument("--full", action="store_true", help="overfit: take all steps")
    parser.add_argument("--out", type=Path, default=Path("backbone.ckpt"), help="backbone: the file to write")
    parser.add_argument("--work", help="work folder to keep; a temporary one otherwise")
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE")
    args = parser.parse_intermixed_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = COMMANDS[args.what](args, Path(args.work or folder))
    print(json.dumps({"what": args.what, **figures}))


if __name__ == "__main__":
    run_main(main)
