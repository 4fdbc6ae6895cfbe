"""Time pasting and encoding the masks of 100 detections a picture of 640x480, in one process.

    python -m benchmarks.pasting [--pictures 20]

The plain way pastes each mask into an empty picture, which pycocotools encodes; the other computes the pixels
of the box alone (src/data/images/paste_rle.py). Both have to give the same text. Boxes have sides from 12 to
400 pixels, evenly distributed in their logarithm; masks are disks with a soft edge. Prints a JSON line: the
pictures a second of each.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import List, Tuple

import numpy as np

from benchmarks.timing import timed
from src.data.images.box_masks import paste_mask
from src.data.images.paste_rle import pasted_rle
from src.data.images.rle import mask_to_rle

HEIGHT = 480
WIDTH = 640
DETECTIONS = 100
CELLS = 28


def draw_picture(seed: int) -> Tuple[np.ndarray, np.ndarray]:
    """(boxes float64 [100, 4], masks float32 [100, 28, 28])."""
    rng = np.random.default_rng(seed)
    sides = np.exp(rng.uniform(np.log(12), np.log(400), (DETECTIONS, 2)))
    centres = rng.uniform(0, 1, (DETECTIONS, 2)) * (WIDTH, HEIGHT)
    boxes = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)
    boxes[:, 0::2] = boxes[:, 0::2].clip(0, WIDTH)
    boxes[:, 1::2] = boxes[:, 1::2].clip(0, HEIGHT)
    distance = np.hypot(*(np.mgrid[:CELLS, :CELLS] - (CELLS - 1) / 2)) / CELLS
    radii = rng.uniform(0.3, 0.6, (DETECTIONS, 1, 1))
    masks = 1 / (1 + np.exp(30 * (distance - radii)))
    return boxes, masks.astype(np.float32)


def plain(picture: Tuple[np.ndarray, np.ndarray]) -> List[dict]:
    """The RLEs of a picture's masks, by a mask of the picture's size each."""
    return [mask_to_rle(paste_mask(mask, box, HEIGHT, WIDTH)) for box, mask in zip(*picture)]


def direct(picture: Tuple[np.ndarray, np.ndarray]) -> List[dict]:
    """The RLEs of a picture's masks, from the pixels of their boxes."""
    return [pasted_rle(mask, box, HEIGHT, WIDTH) for box, mask in zip(*picture)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=20)
    args = parser.parse_args()
    figures = {"detections": DETECTIONS, "height": HEIGHT, "width": WIDTH}
    for work in (plain, direct):
        seconds, _ = timed(work, args.pictures, draw_picture)
        figures[f"{work.__name__}_pictures_per_second"] = round(1 / float(np.median(seconds)), 1)
    are_equal = plain(draw_picture(0)) == direct(draw_picture(0))
    print(json.dumps({**figures, "equal": are_equal}))
    sys.exit(0 if are_equal else 1)


if __name__ == "__main__":
    main()
