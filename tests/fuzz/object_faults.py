"""Faults of objects: boxes, crowds, numbers, missing values."""

from __future__ import annotations

import copy
import math

import numpy as np

from tests.fuzz.drawn_set import DrawnSplit, box_of, compressed_rle, list_rle, outline
from tests.fuzz.faults import fault, one, some

# Texts that `DrawnSplit.raw` replaces by numbers that Python's JSON does not write.
RAW_NUMBERS = {"@1e999": "1e999", "@-1e999": "-1e999", "@digits": "9" * 5000, "@-0": "-0"}


@fault("objects")
def boxes_as_corners(split: DrawnSplit, generator: np.random.Generator) -> None:
    for item in some(generator, split.objects):
        x, y, width, height = box_of(item)
        item["bbox"] = [x, y, x + width, y + height]


@fault("objects")
def coordinates_normalised(split: DrawnSplit, generator: np.random.Generator) -> None:
    for item in some(generator, split.objects):
        image = split.image_of(item)
        x, y, width, height = box_of(item)
        box = [x / image["width"], y / image["height"], width / image["width"], height / image["height"]]
        item["bbox"] = box
        if isinstance(item.get("segmentation"), list):
            item["segmentation"] = [outline(box)]


@fault("objects")
def boxes_out_of_the_picture(split: DrawnSplit, generator: np.random.Generator) -> None:
    for item in some(generator, split.objects):
        shift = float(one(generator, (-500, -30, 30, 60, 500)))
        item["bbox"] = [box_of(item)[0] + shift, *box_of(item)[1:]]


@fault("objects")
def boxes_without_area(split: DrawnSplit, generator: np.random.Generator) -> None:
    for item in some(generator, split.objects):
        item["bbox"] = [*box_of(item)[:2], *one(generator, ([0, 5], [5, 0], [-3, 9], [1e-9, 9], [0.0, 0.0]))]


@fault("objects")
def boxes_of_other_forms(split: DrawnSplit, generator: np.random.Generator) -> None:
    for item in some(generator, split.objects):
        box = box_of(item)
        forms = (
            [str(v) for v in box],
            box[:3],
            [*box, 0],
            {"x": box[0]},
            None,
            [],
            "1,2,3,4",
            7,
            [box],
            [True] * 4,
        )
        item["bbox"] = one(generator, forms)


@fault("objects")
def polygons_outside(split: DrawnSplit, generator: np.random.Generator) -> None:
    for item in some(generator, split.objects):
        shift = float(one(generator, (-1000, -40, 40, 1000)))
        item["segmentation"] = [[value + shift for value in outline(box_of(item))]]


@fault("objects")
def polygons_tiny(split: DrawnSplit, generator: np.random.Generator) -> None:
    for item in some(generator, split.objects):
        x, y = box_of(item)[:2]
        size = one(generator, (0.0, 1e-7, 0.3, 1.0))
        item["bbox"] = [x, y, size, size] if generator.random() < 0.5 else item.get("bbox")
        item["segmentation"] = [[x, y, x + size, y, x + size, y + size]]


@fault("objects")
def polygons_crossing(split: DrawnSplit, generator: np.random.Generator) -> None:
    for item in some(generator, split.objects):
        x, y, width, height = box_of(item)
        item["segmentation"] = [[x, y, x + width, y + height, x + width, y, x, y + height]]


@fault("objects")
def polygons_short_or_odd(split: DrawnSplit, generator: np.random.Generator) -> None:
    for item in some(generator, split.objects):
        polygon = outline(box_of(item))
        forms = (
            [polygon[:4]],
            [polygon[:7]],
            [[]],
            [polygon, polygon[:3]],
            [None, polygon],
            [polygon, "text"],
        )
        item["segmentation"] = one(generator, forms)


@fault("objects")
def numbers_not_finite(split: DrawnSplit, generator: np.random.Generator) -> None:
    split.raw.update(RAW_NUMBERS)
    for item in some(generator, split.objects):
        number = one(generator, (math.nan, math.inf, -math.inf, "@1e999", "@-1e999"))
        _set_number(item, number, generator)


@fault("objects")
def numbers_huge(split: DrawnSplit, generator: np.random.Generator) -> None:
    split.raw.update(RAW_NUMBERS)
    for item in some(generator, split.objects):
        _set_number(item, one(generator, (1e30, 1e308, -1e308, 10**25, 10**400, 2**63, "@digits")), generator)


def _set_number(item: dict, number: object, generator: np.random.Generator) -> None:
    """Put a number into one of an annotation's values."""
    key = one(generator, ("bbox", "bbox", "area", "segmentation", "id", "category_id", "iscrowd"))
    if key == "bbox":
        item["bbox"] = list(box_of(item))
        item["bbox"][int(generator.integers(4))] = number
    elif key == "segmentation":
        polygon = outline(box_of(item))
        polygon[int(generator.integers(len(polygon)))] = number
        item["segmentation"] = [polygon]
    else:
        item[key] = number


@fault("objects", keeps_objects=True)
def areas_wrong(split: DrawnSplit, generator: np.random.Generator) -> None:
    for item in some(generator, split.objects):
        item["area"] = one(generator, (0, -5, 1e12, "12.5", None, [], True, 1e-30))


@fault("objects", keeps_objects=True)
def iscrowd_as_text(split: DrawnSplit, generator: np.random.Generator) -> None:
    for item in some(generator, split.objects):
        item["iscrowd"] = str(item.get("iscrowd", 0))


@fault("objects")
def iscrowd_of_other_values(split: DrawnSplit, generator: np.random.Generator) -> None:
    for item in some(generator, split.objects):
        item["iscrowd"] = one(
            generator, (True, False, None, 2, -1, 0.0, 1.0, "false", "yes", "", [], {}, [1])
        )


@fault("objects")
def iscrowd_spelled_otherwise(split: DrawnSplit, generator: np.random.Generator) -> None:
    for item in some(generator, split.objects):
        item["is_crowd"] = item.pop("iscrowd", 0)


@fault("objects")
def all_crowd(split: DrawnSplit, generator: np.random.Generator) -> None:
    as_list = generator.random() < 0.5
    for item in split.objects:
        item["iscrowd"] = 1
        image = split.image_of(item)
        if item.get("segmentation"):
            rle = list_rle if as_list else compressed_rle
            item["segmentation"] = rle(outline(box_of(item)), image["height"], image["width"])


@fault("objects")
def crowds_without_masks(split: DrawnSplit, generator: np.random.Generator) -> None:
    for item in some(generator, split.objects):
        item["iscrowd"] = 1
        item.pop("segmentation", None)


@fault("objects")
def objects_twice(split: DrawnSplit, generator: np.random.Generator) -> None:
    same_ids = generator.random() < 0.5
    for item in some(generator, split.objects):
        other = copy.deepcopy(item)
        if not same_ids:
            other["id"] = len(split.objects) + 1
        split.content["annotations"].append(other)


@fault("objects")
def more_objects_than_slots(split: DrawnSplit, generator: np.random.Generator) -> None:
    for item in some(generator, split.objects)[:3]:
        for _ in range(int(generator.integers(10, 40))):
            other = copy.deepcopy(item)
            other["id"] = len(split.objects) + 1
            other["bbox"] = [
                round(float(v), 2) for v in (*generator.uniform(0, 50, 2), *generator.uniform(2, 25, 2))
            ]
            if other.get("segmentation"):
                other["segmentation"] = [outline(other["bbox"])]
            split.content["annotations"].append(other)


@fault("objects")
def one_of_many_without_a_mask(split: DrawnSplit, generator: np.random.Generator) -> None:
    for item in some(generator, split.objects):
        item["segmentation"] = one(generator, ([], None, {}, "", [[]]))


@fault("lists")
def keys_missing_in_objects(split: DrawnSplit, generator: np.random.Generator) -> None:
    keys = ("bbox", "area", "iscrowd", "segmentation", "id", "image_id", "category_id")
    key = one(generator, keys)
    for item in some(generator, split.objects):
        item.pop(key, None)


@fault("lists", weight=0.5)
def entries_of_other_kinds(split: DrawnSplit, generator: np.random.Generator) -> None:
    key = one(generator, ("annotations", "annotations", "images", "categories"))
    values = split.content[key]
    values.insert(
        int(generator.integers(len(values) + 1)), one(generator, (None, 7, "text", [], [1], True, {}))
    )


@fault("lists")
def no_objects(split: DrawnSplit, generator: np.random.Generator) -> None:
    split.content["annotations"] = []


@fault("lists")
def pictures_without_objects(split: DrawnSplit, generator: np.random.Generator) -> None:
    left_out = [image.get("id") for image in some(generator, split.images)]
    kept = [item for item in split.objects if item.get("image_id") not in left_out]
    split.content["annotations"] = kept
