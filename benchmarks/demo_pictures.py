"""What a finished demo found in its held-out pictures, counted as a person looks at its drawings.

    python -m benchmarks.demo_pictures demo

`demo` is the folder that `bash scripts/run_demo.sh` wrote. Of the detections with a score over 0.5:

- wrong: no object of their class that no better detection has taken has a mask IoU of 0.5 with them;
- missed: an object (no crowd) that none of them has taken. A plain object is one that no other covers by more
  than a twentieth; the rest are the objects of which the drawing hides a quarter or more on purpose.

A detection of which half lies in a crowd is not counted. Prints a line for each of the six pictures that the
demo draws, and one JSON line with the counts of these and of all held-out pictures.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import NamedTuple

from pycocotools import mask as mask_api
from pycocotools.coco import COCO

from src.data.shapes.drawn_data import picture_kinds
from src.data.shapes.picture import draw_picture
from src.data.shapes.scene import LEAST_HIDDEN
from src.engine.demo import DRAWN_PICTURES, HELD_OUT_PICTURES

SCORE = 0.5
IOU = 0.5
SPLIT = 1  # val2017's position in SPLITS
SEED = 1  # of the demo's pictures


class Counts(NamedTuple):
    """What went wrong in a picture.

    Attributes:
        wrong: detections without an object of their class.
        missed_plain: objects without a detection that nothing hides.
        missed_hidden: those of which a quarter or more is hidden.
    """

    wrong: int
    missed_plain: int
    missed_hidden: int


def hidden_flags(number: int, kind: str, size: tuple[int, int]) -> list[bool]:
    """Whether a quarter or more of an object is hidden, for each object of a picture, as drawn."""
    objects = draw_picture(size, kind, (SEED, SPLIT, number)).objects
    return [bool(item.visible.sum() <= (1 - LEAST_HIDDEN) * item.full.sum()) for item in objects]


def count_picture(annotations: list[dict], hidden: list[bool], results: list[dict], coco: COCO) -> Counts:
    """Match the results of a picture, best score first, with its objects."""
    truth = [coco.annToRLE(annotation) for annotation in annotations]
    crowds = [annotation["iscrowd"] for annotation in annotations]
    results = sorted((row for row in results if row["score"] > SCORE), key=lambda row: -row["score"])
    ious = (
        mask_api.iou([row["segmentation"] for row in results], truth, crowds) if results and truth else None
    )
    taken = set()
    wrong = 0
    for i, row in enumerate(results):
        candidates = [
            j
            for j, annotation in enumerate(annotations)
            if j not in taken
            and not annotation["iscrowd"]
            and annotation["category_id"] == row["category_id"]
            and ious[i][j] >= IOU
        ]
        if candidates:
            taken.add(max(candidates, key=lambda j: ious[i][j]))
        elif not any(crowd and ious[i][j] >= 0.5 for j, crowd in enumerate(crowds)):
            wrong += 1
    missed = [j for j in range(len(annotations)) if j not in taken and not crowds[j]]
    missed_hidden = sum(hidden[j] for j in missed)
    return Counts(wrong, len(missed) - missed_hidden, missed_hidden)


def summary(counts: list[Counts]) -> dict[str, int]:
    """Pictures with each fault, and those without a wrong detection and a missed plain object."""
    return {
        "pictures": len(counts),
        "with_wrong": sum(one.wrong > 0 for one in counts),
        "with_missed_plain": sum(one.missed_plain > 0 for one in counts),
        "with_missed_hidden": sum(one.missed_hidden > 0 for one in counts),
        "right": sum(one.wrong == 0 and one.missed_plain == 0 for one in counts),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("demo", type=Path)
    args = parser.parse_args()
    coco = COCO(args.demo / "data" / "annotations" / "instances_val2017.json")
    results = json.loads((args.demo / "results_segm.json").read_text(encoding="utf-8"))
    kinds = picture_kinds(HELD_OUT_PICTURES, (SEED, SPLIT))
    counts = []
    for number, image_id in enumerate(sorted(coco.imgs)):
        image = coco.imgs[image_id]
        annotations = coco.imgToAnns[image_id]
        hidden = hidden_flags(number, kinds[number], (image["width"], image["height"]))
        assert len(hidden) == len(annotations), "not the demo's pictures"
        rows = [row for row in results if row["image_id"] == image_id]
        counts.append(count_picture(annotations, hidden, rows, coco))
        if number < DRAWN_PICTURES:
            print(image["file_name"], kinds[number], counts[-1]._asdict())
    print(json.dumps({"drawn": summary(counts[:DRAWN_PICTURES]), "held out": summary(counts)}))


if __name__ == "__main__":
    main()
