"""torchvision's Mask R-CNN from scratch: what it learns, beside `benchmarks.learn` and the demo.

    PYTHON -m benchmarks.peer.peer_learn demo --data demo/data --lr 0.001 --norm gn --seed 1
    PYTHON -m benchmarks.peer.peer_learn nuclei --data FOLDER

demo: the network of `peer_small.py` on the pictures of a demo (`bash scripts/run_demo.sh` draws them into
    demo/data), as often, with the same optimizer, schedule and flips as configs/demo.yaml: 1,710 steps.
nuclei: ResNet-18 FPN with batch norms on the 2018 Data Science Bowl's nuclei, 280 steps.

Run it from the project's folder. Pictures without objects are not trained on, as this project does by
default. Prints the losses on the way and one JSON line at the end: the training seconds, and [AP, AP50,
AP75] of boxes and of masks on all pictures of the validation split, by pycocotools.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from typing import NamedTuple, Optional

import numpy as np
import torch
import torchvision
from PIL import Image
from pycocotools import mask as mask_api
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

from benchmarks.peer import peer_small

REPORT_INTERVAL = 50  # steps


class Picture(NamedTuple):
    """A picture and its objects.

    Attributes:
        image_id: COCO's.
        image: float32 [3, H, W], 0 to 1.
        targets: torchvision's boxes, labels and masks; None for a picture without objects.
    """

    image_id: int
    image: torch.Tensor
    targets: Optional[dict]


class Recipe(NamedTuple):
    """How a network is trained.

    Attributes:
        model: The network.
        optimizer: Of its parameters.
        steps: Of two pictures.
        clip: The bound of the gradients' norm.
        rate: The rate of a step, from 0, over the highest.
    """

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    steps: int
    clip: float
    rate: object


def load_split(folder: str, split: str, year: str) -> tuple[COCO, list[Picture]]:
    """The annotations and the pictures of a split, all of them in memory."""
    coco = COCO(f"{folder}/annotations/instances_{split}{year}.json")
    pictures = []
    for image_id in sorted(coco.imgs):
        path = f"{folder}/{split}{year}/{coco.imgs[image_id]['file_name']}"
        pixels = np.array(Image.open(path).convert("RGB"))
        image = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
        annotations = coco.loadAnns(coco.getAnnIds(image_id, iscrowd=False))
        targets = None
        if annotations:
            boxes = np.array([annotation["bbox"] for annotation in annotations], np.float32)
            boxes[:, 2:] += boxes[:, :2]
            targets = dict(
                boxes=torch.from_numpy(boxes),
                labels=torch.tensor([annotation["category_id"] for annotation in annotations]),
                masks=torch.from_numpy(np.stack([coco.annToMask(annotation) for annotation in annotations])),
            )
        pictures.append(Picture(image_id, image, targets))
    return coco, pictures


def flipped(image: torch.Tensor, targets: dict) -> tuple[torch.Tensor, dict]:
    """A picture and its objects, mirrored."""
    image = image.flip(2)
    boxes = targets["boxes"].clone()
    boxes[:, [0, 2]] = image.shape[2] - boxes[:, [2, 0]]
    return image, dict(targets, boxes=boxes, masks=targets["masks"].flip(2))


def demo_recipe(args: argparse.Namespace) -> Recipe:
    """That of configs/demo.yaml."""
    model = peer_small.build(args.norm)
    optimizer = torch.optim.AdamW(model.parameters(), args.lr, weight_decay=0.01)
    warm_up = 50

    def rate(step):
        if step < warm_up:
            return 0.01 + 0.99 * step / warm_up
        return (1 + math.cos(math.pi * min(1, (step - warm_up) / args.steps))) / 2

    return Recipe(model, optimizer, args.steps, 5.0, rate)


def nuclei_recipe(args: argparse.Namespace) -> Recipe:
    """SGD with 50 steps of warm-up and one drop at 80%."""
    backbone = resnet_fpn_backbone(
        backbone_name="resnet18", weights=None, norm_layer=torch.nn.BatchNorm2d, trainable_layers=5
    )
    model = MaskRCNN(backbone, 2, min_size=384, max_size=384)
    optimizer = torch.optim.SGD(model.parameters(), args.lr, 0.9, weight_decay=1e-4)

    def rate(step):
        return min(1, (step + 1) / 50) * (0.1 if step > args.steps * 0.8 else 1)

    return Recipe(model, optimizer, args.steps, 10.0, rate)


def fit(recipe: Recipe, pictures: list[Picture], lr: float, rng: np.random.Generator) -> float:
    """Train; returns the seconds that it took."""
    with_objects = [picture for picture in pictures if picture.targets is not None]
    order = []
    start = time.perf_counter()
    recipe.model.train()
    for step in range(recipe.steps):
        for group in recipe.optimizer.param_groups:
            group["lr"] = lr * recipe.rate(step)
        if len(order) < 2:
            order = list(rng.permutation(len(with_objects)))
        batch = []
        for picture in (with_objects[order.pop()], with_objects[order.pop()]):
            is_flipped = rng.random() < 0.5
            batch.append(flipped(*picture[1:]) if is_flipped else picture[1:])
        losses = recipe.model([image for image, _ in batch], [targets for _, targets in batch])
        recipe.optimizer.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(recipe.model.parameters(), recipe.clip)
        recipe.optimizer.step()
        if step % REPORT_INTERVAL == 0:
            seconds = round(time.perf_counter() - start, 1)
            print(step, seconds, {name: round(loss.item(), 4) for name, loss in losses.items()}, flush=True)
    return time.perf_counter() - start


def evaluate(model: torch.nn.Module, coco: COCO, pictures: list[Picture]) -> dict[str, list[float]]:
    """{"bbox": [AP, AP50, AP75], "segm": the same}; {} if nothing is found."""
    results = []
    model.eval()
    for picture in pictures:
        with torch.inference_mode():
            detections = model([picture.image])[0]
        masks = (detections["masks"][:, 0] > 0.5).numpy()
        boxes, scores, labels = (detections[name].tolist() for name in ("boxes", "scores", "labels"))
        for (x1, y1, x2, y2), score, label, mask in zip(boxes, scores, labels, masks):
            rle = mask_api.encode(np.asfortranarray(mask.astype(np.uint8)))
            rle["counts"] = rle["counts"].decode()
            result = dict(image_id=picture.image_id, category_id=label, score=score, segmentation=rle)
            results.append(dict(result, bbox=[x1, y1, x2 - x1, y2 - y1]))
    figures = {}
    for kind in ("bbox", "segm") if results else ():
        evaluation = COCOeval(coco, coco.loadRes(results), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        figures[kind] = [round(float(value), 4) for value in evaluation.stats[:3]]
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("demo", "nuclei"))
    parser.add_argument("--data", required=True, help="folder with annotations/, train.../ and val.../")
    parser.add_argument("--year", help="of the files' names (default: 2017, nuclei 2018)")
    parser.add_argument("--steps", type=int, help="default: 1710, nuclei 280")
    parser.add_argument("--lr", type=float, help="the highest rate (default: 0.001, nuclei 0.01)")
    parser.add_argument("--norm", choices=("bn", "gn"), default="bn", help="of the demo's trunk and pyramid")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    is_demo = args.what == "demo"
    args.year = args.year or ("2017" if is_demo else "2018")
    args.steps = args.steps or (1710 if is_demo else 280)
    args.lr = args.lr or (0.001 if is_demo else 0.01)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    recipe = (demo_recipe if is_demo else nuclei_recipe)(args)
    _, training = load_split(args.data, "train", args.year)
    coco, validation = load_split(args.data, "val", args.year)
    seconds = fit(recipe, training, args.lr, np.random.default_rng(args.seed))
    figures = evaluate(recipe.model, coco, validation)
    print(
        json.dumps(
            dict(
                peer="torchvision " + torchvision.__version__,
                what=args.what,
                norm=args.norm if is_demo else "bn",
                lr=args.lr,
                steps=args.steps,
                seed=args.seed,
                train_seconds=round(seconds, 1),
                **figures,
            )
        )
    )


if __name__ == "__main__":
    main()
