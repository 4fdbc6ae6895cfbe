"""Faults of segmentations: forms that other programs write, and broken RLE."""

from __future__ import annotations

import json
from typing import Any, Callable, List

import numpy as np

from tests.fuzz.drawn_set import DrawnSplit, compressed_rle, list_rle
from tests.fuzz.faults import fault, one, some


def change_polygons(
    split: DrawnSplit, generator: np.random.Generator, change: Callable[[List[float]], Any]
) -> None:
    """Replace segmentations of one polygon by what `change` makes of it."""
    for item in some(generator, split.objects):
        written = item.get("segmentation")
        if isinstance(written, list) and written and _is_polygon(written[0]):
            item["segmentation"] = change(written[0])


def change_rles(split: DrawnSplit, generator: np.random.Generator, change: Callable[[dict], Any]) -> None:
    """Turn segmentations into compressed RLE and replace them by what `change` makes of it."""
    for item in some(generator, split.objects):
        image = split.image_of(item)
        written = item.get("segmentation")
        if isinstance(written, list) and written and _is_polygon(written[0]):
            written = compressed_rle(written[0], image["height"], image["width"])
        if isinstance(written, dict) and "counts" in written:
            item["segmentation"] = change(dict(written))


def _is_polygon(values: Any) -> bool:
    """Whether a value is a polygon that pycocotools can draw."""
    if not isinstance(values, list) or len(values) < 6 or len(values) % 2:
        return False
    return all(type(value) in (int, float) and abs(value) < 1e4 for value in values)


def _pairs(polygon: List[Any]) -> List[List[Any]]:
    return [list(pair) for pair in zip(polygon[::2], polygon[1::2])]


@fault("segmentations", keeps_objects=True)
def segmentation_flat(split: DrawnSplit, generator: np.random.Generator) -> None:
    change_polygons(split, generator, lambda polygon: polygon)


@fault("segmentations", keeps_objects=True)
def segmentation_pairs(split: DrawnSplit, generator: np.random.Generator) -> None:
    is_nested = generator.random() < 0.5
    change_polygons(split, generator, lambda polygon: [_pairs(polygon)] if is_nested else _pairs(polygon))


@fault("segmentations", keeps_objects=True)
def segmentation_points(split: DrawnSplit, generator: np.random.Generator) -> None:
    change_polygons(split, generator, lambda polygon: [[{"x": x, "y": y} for x, y in _pairs(polygon)]])


@fault("segmentations", keeps_objects=True)
def segmentation_nested(split: DrawnSplit, generator: np.random.Generator) -> None:
    forms = (
        lambda p: [[p]],
        lambda p: [[[p]]],
        lambda p: [[[point] for point in _pairs(p)]],
        lambda p: [p, [p]],
    )
    change_polygons(split, generator, one(generator, forms))


@fault("segmentations", keeps_objects=True)
def segmentation_via(split: DrawnSplit, generator: np.random.Generator) -> None:
    def shape(polygon: List[Any]) -> dict:
        return {"name": "polygon", "all_points_x": polygon[::2], "all_points_y": polygon[1::2]}

    forms = (
        shape,
        lambda polygon: {"shape_attributes": shape(polygon), "region_attributes": {}},
        lambda polygon: {"0": {"shape_attributes": shape(polygon)}},
        lambda polygon: [shape(polygon)],
    )
    change_polygons(split, generator, one(generator, forms))


@fault("segmentations")
def segmentation_via_of_other_shapes(split: DrawnSplit, generator: np.random.Generator) -> None:
    shapes = (
        {"name": "circle", "cx": 40, "cy": 40, "r": 12},
        {"name": "rect", "x": 1, "y": 2},
        {"name": "point", "cx": 5, "cy": 5},
        {"all_points_x": [1, 2, 3], "all_points_y": [1, 2]},
        {"name": "polygon", "all_points_x": ["1", None, 3], "all_points_y": [1, 2, 9]},
        {"0": {}},
    )
    change_polygons(split, generator, lambda _: one(generator, shapes))


@fault("segmentations", keeps_objects=True)
def segmentation_as_text(split: DrawnSplit, generator: np.random.Generator) -> None:
    write = one(generator, (json.dumps, repr))
    for item in some(generator, split.objects):
        if item.get("segmentation") is not None:
            item["segmentation"] = write(item["segmentation"])


@fault("segmentations")
def segmentation_as_other_text(split: DrawnSplit, generator: np.random.Generator) -> None:
    writers = (
        lambda value: json.dumps(json.dumps(value)),
        lambda value: "polygon",
        lambda value: json.dumps(value)[:-3],
        lambda value: "[" * 5000,
        lambda value: "__import__('os')",
        lambda value: "9" * 5000,
        lambda value: "nan",
    )
    write = one(generator, writers)
    for item in some(generator, split.objects):
        if item.get("segmentation") is not None:
            item["segmentation"] = write(item["segmentation"])


@fault("segmentations", keeps_objects=True)
def rle_bytes_as_text(split: DrawnSplit, generator: np.random.Generator) -> None:
    def change(rle: dict) -> dict:
        is_text = isinstance(rle["counts"], str)
        return {**rle, "counts": repr(rle["counts"].encode())} if is_text else rle

    change_rles(split, generator, change)


@fault("segmentations")
def rle_of_another_size(split: DrawnSplit, generator: np.random.Generator) -> None:
    def change(rle: dict) -> dict:
        height, width = rle["size"]
        sizes = (
            [width, height],
            [height + 1, width],
            [0, 0],
            [-1, 5],
            [height],
            ["9", 9],
            None,
            [1e9, 1e9],
            [2**40] * 2,
        )
        return {**rle, "size": one(generator, sizes)}

    change_rles(split, generator, change)


@fault("segmentations")
def rle_corrupt(split: DrawnSplit, generator: np.random.Generator) -> None:
    def change(rle: dict) -> dict:
        text = str(rle["counts"])
        counts = (
            text[: len(text) // 2],
            text + "5",
            "",
            "\n",
            "Ω",
            None,
            [],
            [1, 2],
            [-5, 9],
            [1.5],
            [10**30],
            {},
            "o" * 99,
        )
        return {**rle, "counts": one(generator, counts)}

    change_rles(split, generator, change)


@fault("segmentations")
def rle_empty(split: DrawnSplit, generator: np.random.Generator) -> None:
    change_rles(split, generator, lambda rle: {"size": [96, 96], "counts": [96 * 96]})


@fault("segmentations", keeps_objects=True)
def rle_counts_as_list(split: DrawnSplit, generator: np.random.Generator) -> None:
    for item in some(generator, split.objects):
        image = split.image_of(item)
        written = item.get("segmentation")
        if isinstance(written, list) and written and _is_polygon(written[0]):
            item["segmentation"] = list_rle(written[0], image["height"], image["width"])


@fault("segmentations")
def masks_apart_from_boxes(split: DrawnSplit, generator: np.random.Generator) -> None:
    items = split.objects
    for item, other in zip(some(generator, items), items[1:]):
        if "segmentation" in other:
            item["segmentation"] = other["segmentation"]
