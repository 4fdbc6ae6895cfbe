"""The annotated objects of the small COCO data set, for tests of masks."""

from __future__ import annotations

import json

import numpy as np


def real_objects(shared, split="val2017"):
    content = json.loads((shared / f"data/coco/annotations/instances_{split}.json").read_text())
    images = {image["id"]: image for image in content["images"]}
    for annotation in content["annotations"]:
        image = images[annotation["image_id"]]
        x, y, w, h = annotation["bbox"]
        yield annotation, image["height"], image["width"], np.array([x, y, x + w, y + h])
