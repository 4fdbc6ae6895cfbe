"""Does it learn? One seed a call; each prints one JSON line. docs/results.md holds what was found.

    python benchmarks/learn.py nuclei --seed 1                  # configs/nuclei.yaml from scratch: training seconds, bbox and segm AP
    python benchmarks/learn.py backbone --out backbone.ckpt     # a ResNet-50 FPN that has seen drawn shapes, for:
    python benchmarks/learn.py overfit --seed 1 [--backbone backbone.ckpt]

overfit: the default network (R50, 81 classes) on 8 pictures of COCO at 320x512 for at most 300 steps, AP on the same pictures; it ends at the
first of its evaluations with a segm AP of at least 0.5 (--full: not before), which is `reached`: [step, training seconds until then]. With
--backbone trunk and pyramid are the file's, and the trunk stays as it is (freeze_at=5), which spares its gradients; freeze_at=0 trains it.
The data are those of $MASKRCNN_SHARED/data (../shared/data), or --data FOLDER. KEY=VALUE words go over the settings; --work keeps the work
folder. Training seconds are wall time from start to the last step, with data conversion and the graph's compilation; where it was evaluated
while training, they are the steps' own, with compilation.
"""

import argparse
import itertools
import json
import os
import random
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
SHARED = Path(os.environ.get("MASKRCNN_SHARED", ROOT.parent / "shared")) / "data"
PICTURES, STEPS, BATCH, COPIES = 8, 300, 4, 8
TARGET = 0.5  # segm AP
EPOCH = PICTURES * COPIES // BATCH  # steps in which every picture comes COPIES times
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
# RoIs few, and many of them on objects; no augmentation, no decay. Masks are what is slow to learn by heart, so their loss counts twice, and
# RoIs keep the levels of full-sized pictures: one of 56 pixels or more then spans 14 or more cells of its level, as many as are pooled.
# Anchors fit a canvas of 0.4 of the default's width.
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
    f"epoch_size={-(-STEPS // EPOCH)}",
    f"total_epoch={-(-STEPS // EPOCH)}",
]
# What a backbone sees of drawn shapes before: 380 steps of 8 pictures of 128x128. Its heads are not kept, so they are narrow.
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


def nuclei(args, work):
    """Train by configs/nuclei.yaml and evaluate on its evaluation split."""
    data = args.data or SHARED / "nuclei"
    return learn([f"coco_root={data}", *args.words], ROOT / "configs" / "nuclei.yaml", args, work)


def overfit(args, work):
    """Train the default network on 8 pictures and evaluate on the same."""
    data = Path(work) / "data"
    chosen = few_pictures(args.data or SHARED / "coco", data, args.seed)
    words = [
        *OVERFIT,
        f"coco_root={data}",
        f"mindrecord_dir={Path(work) / 'mindrecord'}",
        f"eval_interval={args.every}",
    ]
    words += [f"pre_trained={args.backbone}", "freeze_at=5"] if args.backbone else []
    return {"backbone": args.backbone, "pictures": chosen, **learn([*words, *args.words], None, args, work)}


def backbone(args, work):
    """Train a network on drawn shapes for a while and keep its ResNet and feature pyramid, which are those of the default one."""
    from src.data.shapes.drawn_data import draw_shapes
    from src.weights.checkpoint_file import read_checkpoint, write_checkpoint

    data = Path(work) / "data"
    draw_shapes(data, 1600, 16, size=(128, 128), seed=args.seed)
    found = learn(
        [*SHAPES, f"coco_root={data}", f"mindrecord_dir={Path(work) / 'mindrecord'}", *args.words],
        None,
        args,
        work,
    )
    entries = read_checkpoint(found["checkpoint"])[0]
    write_checkpoint(
        args.out,
        {name: value for name, value in entries.items() if name.startswith(("backbone.", "fpn."))},
        {},
    )
    return {"out": str(args.out), **found}


def few_pictures(source, folder, seed):
    """A COCO data set in `folder` of PICTURES random training pictures that hold 2 to 12 objects, no crowd; returns their ids.

    Its training split lists each COPIES times, under links of their own, so that an epoch is more than a few steps; its evaluation split once.
    """
    content = json.loads((source / "annotations" / "instances_train2017.json").read_text())
    objects = {}
    for item in content["annotations"]:
        objects.setdefault(item["image_id"], []).append(item)
    usable = [
        image
        for image in content["images"]
        if 2 <= len(objects.get(image["id"], [])) <= 12
        and not any(item["iscrowd"] for item in objects[image["id"]])
    ]
    chosen = random.Random(seed).sample(sorted(usable, key=lambda image: image["id"]), PICTURES)
    (folder / "annotations").mkdir(parents=True)
    for split, copies in (("train2017", COPIES), ("val2017", 1)):
        (folder / split).mkdir()
        images, annotations = [], []
        for copy in range(copies):
            for image in chosen:
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
    return [image["id"] for image in chosen]


def learn(words, config_file, args, work):
    """Train and evaluate; {"train_seconds", "steps", "bbox", "segm", ...}."""
    from src.config import load_config

    words = [*words, f"seed={args.seed}"]
    config = load_config(words, config_file)
    from src.engine.evaluator import evaluate
    from src.engine.hooks.hook import Hook
    from src.engine.hooks.metrics import read_metrics
    from src.engine.trainer import train
    from src.engine.training.summary import processor_name

    class Reached(Hook):
        """Ends an overfitting run that has learnt enough; the evaluation of the same epoch came before."""

        def after_epoch(self, trainer):
            found = [
                row["segm"]["AP"]
                for row in read_metrics(trainer.work_dir / "metrics.jsonl")
                if row.get("evaluated") == "weights"
            ]
            if found and found[-1] >= TARGET:
                trainer.stop_reason = f"segm AP {found[-1]:.3f}"

    started = time.perf_counter()
    checkpoint = train(
        config, Path(work) / "train", [Reached()] if args.what == "overfit" and not args.full else []
    )
    seconds = time.perf_counter() - started
    rows = read_metrics(Path(work) / "train" / "metrics.jsonl")
    steps = [row for row in rows if "total_loss" in row]
    gone = dict(
        zip(
            (row["step"] for row in steps),
            itertools.accumulate(row["seconds"] + row["data_seconds"] for row in steps),
        )
    )
    curve = [
        (row["step"], round(gone[row["step"]], 1), round(row["segm"]["AP"], 3))
        for row in rows
        if row.get("evaluated") == "weights"
    ]
    if curve:  # evaluations took their part of the time
        seconds = gone[steps[-1]["step"]]
    metrics = evaluate(
        load_config([*words, f"checkpoint_path={checkpoint}"], config_file), Path(work) / "eval"
    )
    step_seconds = sorted(row["seconds"] for row in steps)
    found = {
        "seed": args.seed,
        "train_seconds": round(seconds, 1),
        "steps": len(steps),
        "pictures_seen": len(steps) * config.batch_size,
        "median_step_seconds": round(step_seconds[len(steps) // 2], 3),
        "last_loss": round(steps[-1]["total_loss"], 4),
        **{
            f"{kind}_{name}": round(metrics[kind][name], 4)
            for kind in ("bbox", "segm")
            for name in ("AP", "AP50", "AP75")
        },
    }
    if curve:
        found["curve"] = curve
        found["reached"] = next(
            ([step, seconds] for step, seconds, precision in curve if precision >= TARGET), None
        )
    return {
        **found,
        "checkpoint": str(checkpoint),
        "words": words,
        "machine": f"{processor_name()}, MindSpore {version('mindspore')}",
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("nuclei", "overfit", "backbone"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, help="the data set's folder")
    parser.add_argument("--backbone", help="overfit: a backbone checkpoint to start from")
    parser.add_argument(
        "--every", type=int, default=2, help=f"overfit: epochs (of {EPOCH} steps) between evaluations"
    )
    parser.add_argument("--full", action="store_true", help="overfit: take all steps")
    parser.add_argument("--out", type=Path, default=Path("backbone.ckpt"), help="backbone: the file to write")
    parser.add_argument("--work", help="work folder to keep; a temporary one otherwise")
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE")
    args = parser.parse_intermixed_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps({"what": args.what, **globals()[args.what](args, args.work or folder)}))


if __name__ == "__main__":
    from src.engine.entry import run_main

    run_main(main)
