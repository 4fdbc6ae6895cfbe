"""The peer of `benchmarks.data feed`: a torch DataLoader over COCO, as in torchvision's detection reference.

    PYTHON -m benchmarks.peer.peer_feed --data FOLDER --year 2017 --height 768 --width 1280 --images 400

Decode, polygons to masks, random flip, keep-ratio resize to fit the canvas (picture and masks), pad to the
canvas, batch. Prints one JSON object on its last line: images a second after the first batch.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import torch
from PIL import Image
from pycocotools.coco import COCO
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.v2 import functional as F


class CocoMasks(Dataset):
    """Pictures of a COCO data set and their objects, on a canvas of height x width; `length` of them."""

    def __init__(self, data, year, height, width, length):
        self.folder = f"{data}/train{year}"
        self.coco = COCO(f"{data}/annotations/instances_train{year}.json")
        self.ids = [i for i in sorted(self.coco.imgs) if self.coco.getAnnIds(i, iscrowd=False)]
        self.height = height
        self.width = width
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        image_id = self.ids[index % len(self.ids)]
        with Image.open(f"{self.folder}/{self.coco.imgs[image_id]['file_name']}") as file:
            image = torch.from_numpy(np.array(file.convert("RGB"))).permute(2, 0, 1)
        annotations = self.coco.loadAnns(self.coco.getAnnIds(image_id, iscrowd=False))
        masks = torch.from_numpy(np.stack([self.coco.annToMask(a) for a in annotations]))
        boxes = torch.tensor([a["bbox"] for a in annotations])
        boxes[:, 2:] += boxes[:, :2]
        if torch.rand(()) < 0.5:
            image, masks = image.flip(2), masks.flip(2)
            boxes[:, [0, 2]] = image.shape[2] - boxes[:, [2, 0]]
        scale = min(self.height / image.shape[1], self.width / image.shape[2])
        size = [int(image.shape[1] * scale + 0.5), int(image.shape[2] * scale + 0.5)]
        image = F.resize(image, size, antialias=False)
        masks = F.resize(masks, size, interpolation=F.InterpolationMode.NEAREST)
        pad = [0, 0, self.width - size[1], self.height - size[0]]
        return (
            F.pad(image, pad),
            boxes * scale,
            torch.tensor([a["category_id"] for a in annotations]),
            F.pad(masks, pad),
        )


def collate(rows):
    images, boxes, labels, masks = zip(*rows)
    return torch.stack(images), boxes, labels, masks


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True)
    parser.add_argument("--year", default="2017")
    parser.add_argument("--height", type=int, default=768)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--images", type=int, default=400)
    args = parser.parse_args()
    data = CocoMasks(args.data, args.year, args.height, args.width, args.images)
    loader = DataLoader(data, args.batch, num_workers=args.workers, collate_fn=collate)
    images_seen = 0
    start = None
    for images, *_ in loader:
        if start is None:
            start = time.perf_counter()
        else:
            images_seen += len(images)
    seconds = time.perf_counter() - start
    print(
        json.dumps(
            dict(
                peer="torch DataLoader",
                images_per_second=round(images_seen / seconds, 1),
                workers=args.workers,
                batch=args.batch,
            )
        )
    )


if __name__ == "__main__":
    main()
