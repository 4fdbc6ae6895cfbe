"""Does it learn? One seed a call; each prints one JSON line. docs/results.md holds what was found.

    python benchmarks/learn.py nuclei --seed 1                  # configs/nuclei.yaml from scratch: training seconds, bbox and segm AP
    python benchmarks/learn.py backbone --out backbone.ckpt     # a ResNet-50 that has seen drawn shapes, for:
    python benchmarks/learn.py overfit --seed 1 [--backbone backbone.ckpt]

overfit: the default network (R50, 81 classes) on 8 pictures of COCO at 320x512 for at most 300 steps, AP on the same pictures; `reached` is the
step at which its segm AP was at least 0.5 for the first time. The data are those of $MASKRCNN_SHARED/data (../shared/data), or --data FOLDER.
KEY=VALUE words go over the settings; --work keeps the work folder. Training seconds are wall time from start to the last step, with data
conversion and the graph's compilation, without the evaluations.
"""
import argparse
import json
import os
import platform
import random
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
SHARED = Path(os.environ.get("MASKRCNN_SHARED", ROOT.parent / "shared")) / "data"
PICTURES, STEPS = 8, 300
# a backbone brings its norms, frozen; from scratch they are group norms; no augmentation: the pictures are to be learnt by heart
OVERFIT = ["img_height=320", "img_width=512", "flip_ratio=0", "expand_ratio=0", "fpn_norm=gn", "batch_size=2", "optimizer=adamw",
           "weight_decay=0", "clip_grad_norm=5", "base_lr=0.0004", "warmup_step=30", "warmup_ratio=0.01", f"max_steps={STEPS}",
           f"epoch_size={STEPS * 2 // PICTURES}", f"total_epoch={STEPS * 2 // PICTURES}", "tensorboard=False", "save_checkpoint_epochs=1000"]


def nuclei(args, work):
    """Train by configs/nuclei.yaml and evaluate on its evaluation split."""
    data = args.data or SHARED / "nuclei"
    return learn([f"coco_root={data}", *args.words], ROOT / "configs" / "nuclei.yaml", args, work)


def overfit(args, work):
    """Train the default network on 8 pictures and evaluate on the same."""
    data = Path(work) / "data"
    chosen = few_pictures(args.data or SHARED / "coco", data, args.seed)
    words = [*OVERFIT, f"coco_root={data}", "val_data_type=train2017", f"mindrecord_dir={Path(work) / 'mindrecord'}", f"eval_interval={args.every}"]
    words += [f"pre_trained={args.backbone}", "freeze_at=0"] if args.backbone else ["norm=gn"]
    return {"backbone": args.backbone, "pictures": chosen, **learn([*words, *args.words], None, args, work)}


def backbone(args, work):
    """Train the default network on drawn shapes for a while and keep its ResNet."""
    from src.data.shapes import draw_shapes
    from src.engine.checkpoint import read_checkpoint, write_checkpoint
    data = Path(work) / "data"
    draw_shapes(data, 400, 8, size=(256, 256), seed=args.seed)
    words = ["img_height=256", "img_width=256", "coco_classes=auto", f"coco_root={data}", "norm=bn", "expand_ratio=0", "batch_size=4",
             "optimizer=adamw", "weight_decay=0.01", "clip_grad_norm=5", "base_lr=0.0004", "warmup_step=50", "warmup_ratio=0.01", "epoch_size=4",
             "total_epoch=4", f"mindrecord_dir={Path(work) / 'mindrecord'}"]
    found = learn([*words, *args.words], None, args, work)
    entries = read_checkpoint(found.pop("checkpoint"))[0]
    write_checkpoint(args.out, {name: value for name, value in entries.items() if name.startswith("backbone.")}, {})
    return {"out": str(args.out), **found}


def few_pictures(source, folder, seed):
    """A COCO data set in `folder` of PICTURES random training pictures that hold 2 to 12 objects, no crowd; returns their ids."""
    content = json.loads((source / "annotations" / "instances_train2017.json").read_text())
    objects = {}
    for item in content["annotations"]:
        objects.setdefault(item["image_id"], []).append(item)
    usable = [image for image in content["images"] if 2 <= len(objects.get(image["id"], [])) <= 12
              and not any(item["iscrowd"] for item in objects[image["id"]])]
    chosen = random.Random(seed).sample(sorted(usable, key=lambda image: image["id"]), PICTURES)
    (folder / "annotations").mkdir(parents=True)
    (folder / "train2017").symlink_to((source / "train2017").resolve())
    (folder / "annotations" / "instances_train2017.json").write_text(json.dumps({
        **content, "images": chosen, "annotations": [item for image in chosen for item in objects[image["id"]]]}))
    return [image["id"] for image in chosen]


def learn(words, config_file, args, work):
    """Train and evaluate; {"train_seconds", "steps", "bbox", "segm", ...}."""
    from src.config import load_config
    config = load_config([*words, f"seed={args.seed}"], config_file)
    from src.engine.evaluator import evaluate
    from src.engine.trainer import train
    from src.engine.watching import read_metrics
    started = time.perf_counter()
    checkpoint = train(config, Path(work) / "train")
    seconds = time.perf_counter() - started
    rows = read_metrics(Path(work) / "train" / "metrics.jsonl")
    steps = [row for row in rows if "total_loss" in row]
    curve = [(row["step"], row["segm"]["AP"]) for row in rows if row.get("evaluated") == "weights"]
    if curve:                                # evaluations took their part of the time
        seconds = sum(row["seconds"] + row["data_seconds"] for row in steps)
    metrics = evaluate(load_config([*words, f"checkpoint_path={checkpoint}"], config_file), Path(work) / "eval")
    step_seconds = sorted(row["seconds"] for row in steps)
    found = {"seed": args.seed, "train_seconds": round(seconds, 1), "steps": len(steps), "pictures_seen": len(steps) * config.batch_size,
             "median_step_seconds": round(step_seconds[len(steps) // 2], 3), "last_loss": round(steps[-1]["total_loss"], 4),
             **{f"{kind}_{name}": round(metrics[kind][name], 4) for kind in ("bbox", "segm") for name in ("AP", "AP50", "AP75")}}
    if curve:
        found["curve"] = [(step, round(value, 3)) for step, value in curve]
        found["reached"] = next((step for step, value in curve if value >= 0.5), None)
    return {**found, "checkpoint": str(checkpoint), "words": words, "machine": f"{platform.machine()}, {os.cpu_count()} cores"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("nuclei", "overfit", "backbone"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, help="the data set's folder")
    parser.add_argument("--backbone", help="overfit: a backbone checkpoint to start from")
    parser.add_argument("--every", type=int, default=15, help="overfit: epochs (of 4 steps) between evaluations")
    parser.add_argument("--out", type=Path, default=Path("backbone.ckpt"), help="backbone: the file to write")
    parser.add_argument("--work", help="work folder to keep; a temporary one otherwise")
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE")
    args = parser.parse_intermixed_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps({"what": args.what, **globals()[args.what](args, args.work or folder)}))


if __name__ == "__main__":
    from src.errors import run_main
    run_main(main)
