"""Faults of images, categories and ids."""

from __future__ import annotations

import copy
from typing import Any, Callable

import numpy as np

from tests.fuzz.drawn_set import DrawnSplit
from tests.fuzz.faults import fault, one, some

HUGE_IDS = (2**31, 2**33 + 5, 2**53 + 1, 2**62, 2**63, 10**20, -1)


def renumber(split: DrawnSplit, entries: str, key: str, change: Callable[[Any], Any]) -> None:
    """Change the ids of a list's entries, and the annotations that refer to them by `key`."""
    for entry in split.entries(entries):
        if "id" in entry:
            entry["id"] = change(entry["id"])
    for item in split.objects:
        if key in item:
            item[key] = change(item[key])


@fault("lists", keeps_objects=True)
def ids_as_text(split: DrawnSplit, generator: np.random.Generator) -> None:
    spell = one(generator, (str, float, lambda number: f" {number} "))
    entries, key = one(generator, (("images", "image_id"), ("categories", "category_id")))
    if generator.random() < 0.5:
        renumber(split, entries, key, spell)
        return
    for item in some(generator, split.objects):
        if type(item.get(key)) is int:
            item[key] = spell(item[key])


@fault("lists")
def ids_that_are_no_numbers(split: DrawnSplit, generator: np.random.Generator) -> None:
    spell = one(
        generator, (lambda number: f"id{number}", lambda n: f"{n}.0", lambda n: n + 0.5, lambda n: [n])
    )
    entries, key = one(generator, (("images", "image_id"), ("categories", "category_id")))
    renumber(split, entries, key, lambda number: spell(number) if type(number) is int else number)


@fault("ids")
def image_ids_huge(split: DrawnSplit, generator: np.random.Generator) -> None:
    base = one(generator, HUGE_IDS)
    renumber(split, "images", "image_id", lambda number: base + number if type(number) is int else number)


@fault("ids", keeps_objects=True)
def image_ids_from_zero(split: DrawnSplit, generator: np.random.Generator) -> None:
    renumber(split, "images", "image_id", lambda number: number - 10 if type(number) is int else number)


@fault("lists", weight=0.5)
def image_ids_twice(split: DrawnSplit, generator: np.random.Generator) -> None:
    images = split.images
    if images:
        for image in some(generator, images):
            image["id"] = images[0].get("id")


@fault("lists")
def images_twice(split: DrawnSplit, generator: np.random.Generator) -> None:
    for image in some(generator, split.images):
        other = copy.deepcopy(image)
        if generator.random() < 0.7:
            other["id"] = 1000 + len(split.images)
        split.content["images"].append(other)


@fault("lists", keeps_objects=True)
def annotation_ids_twice(split: DrawnSplit, generator: np.random.Generator) -> None:
    for item in some(generator, split.objects):
        item["id"] = one(generator, (1, 0, None, "1", -1))


@fault("lists")
def objects_of_unknown_images(split: DrawnSplit, generator: np.random.Generator) -> None:
    for item in some(generator, split.objects):
        item["image_id"] = one(generator, (99999, None, "x", -1, [], True))


@fault("lists")
def objects_of_unknown_categories(split: DrawnSplit, generator: np.random.Generator) -> None:
    for item in some(generator, split.objects):
        item["category_id"] = one(generator, (99999, None, "x", -1, "disc", True))


@fault("lists", weight=0.5)
def categories_twice(split: DrawnSplit, generator: np.random.Generator) -> None:
    first = next(iter(split.categories), {"id": 3, "name": "square"})
    split.content["categories"].append({**first, **one(generator, ({}, {"id": 50}, {"name": "other"}))})


@fault("ids", keeps_objects=True)
def category_ids_with_gaps(split: DrawnSplit, generator: np.random.Generator) -> None:
    base = int(one(generator, (0, -3, 90, 2**31, 2**40)))
    step = int(one(generator, (1, 13, 1000)))
    order = {number: base + i * step for i, number in enumerate((3, 7, 8))}
    renumber(
        split,
        "categories",
        "category_id",
        lambda number: order.get(number, number) if type(number) is int else number,
    )


@fault("ids")
def category_ids_too_large(split: DrawnSplit, generator: np.random.Generator) -> None:
    base = one(generator, (2**62, 2**63, 2**64, 10**30, 10**400))
    renumber(
        split, "categories", "category_id", lambda number: base + number if type(number) is int else number
    )


@fault("lists")
def class_called_background(split: DrawnSplit, generator: np.random.Generator) -> None:
    name = one(generator, ("background", "Background", "__background__", "_background_", "BG"))
    if generator.random() < 0.5:
        split.content["categories"].insert(0, {"id": 0, "name": name})
        for item in some(generator, split.objects):
            item["category_id"] = 0
    else:
        for entry in some(generator, split.categories)[:1]:
            entry["name"] = name


@fault("lists")
def class_names_odd(split: DrawnSplit, generator: np.random.Generator) -> None:
    names = (
        "猫",
        "e\u0301cole",
        "école",
        " disc",
        "a,b",
        "[x]",
        "yes",
        "null",
        "",
        "  ",
        "1",
        "a\nb",
        "a\x1b[31m",
        "n" * 300,
    )
    names += ("\ud800", "a\x00b", "🙂", "שלום", "$\\alpha^$", "%s{0}", "a=b")
    for entry in some(generator, split.categories)[:1]:
        entry["name"] = one(generator, names)


@fault("lists", weight=0.5)
def class_names_of_other_kinds(split: DrawnSplit, generator: np.random.Generator) -> None:
    for entry in some(generator, split.categories)[:1]:
        entry["name"] = one(generator, (None, 7, True, [], {}, ["disc"], 1.5))


@fault("lists")
def fewer_classes(split: DrawnSplit, generator: np.random.Generator) -> None:
    split.content["categories"] = split.content["categories"][: int(generator.integers(0, 3))]


@fault("lists")
def more_classes(split: DrawnSplit, generator: np.random.Generator) -> None:
    for number in range(int(generator.integers(1, 4))):
        split.content["categories"].append({"id": 100 + number, "name": f"new{number}"})
        for item in some(generator, split.objects)[:2]:
            item["category_id"] = 100 + number


@fault("lists")
def other_classes(split: DrawnSplit, generator: np.random.Generator) -> None:
    rename = one(generator, (str.upper, str.title, lambda name: name + "s", lambda name: "x" + name))
    for entry in some(generator, split.categories):
        if isinstance(entry.get("name"), str):
            entry["name"] = rename(entry["name"])


@fault("lists", keeps_objects=True)
def classes_in_another_order(split: DrawnSplit, generator: np.random.Generator) -> None:
    split.content["categories"].reverse()


@fault("lists")
def keys_missing_in_images(split: DrawnSplit, generator: np.random.Generator) -> None:
    keys = one(generator, (("id",), ("file_name",), ("width",), ("height",), ("width", "height")))
    for image in some(generator, split.images):
        for key in keys:
            image.pop(key, None)


@fault("lists", weight=0.5)
def keys_missing_in_categories(split: DrawnSplit, generator: np.random.Generator) -> None:
    key = one(generator, ("id", "name"))
    for entry in some(generator, split.categories):
        entry.pop(key, None)


@fault("lists")
def sizes_wrong(split: DrawnSplit, generator: np.random.Generator) -> None:
    for image in some(generator, split.images):
        change = one(generator, ("swapped", "larger", "other"))
        if change == "swapped" and "width" in image and "height" in image:
            image.update(width=image["height"], height=image["width"])
        elif change == "larger" and type(image.get("width")) is int:
            image["width"] += 1
        else:
            image["height"] = one(
                generator, (0, -5, None, "96", "x", 96.0, 96.5, 10**12, 10**400, float("nan"), [], True)
            )
