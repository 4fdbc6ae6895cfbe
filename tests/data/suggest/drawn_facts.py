"""Facts of data sets that are described by a few numbers."""

from __future__ import annotations

import numpy as np

from src.data.suggest.facts import DataFacts


def facts(
    sizes, sides, objects_per_picture, classes=1, ratio=1.0, empty=0, has_masks=True, aligned=False
) -> DataFacts:
    """Pictures with objects of given sides.

    Args:
        sizes: (height, width) of a picture, or a list of them, one a picture.
        sides: roots of the boxes' areas in pixels; repeated until every object has one.
        objects_per_picture: a list, one a picture.
        classes: objects are dealt out to so many classes in turn.
        ratio: of the boxes, height over width.
        empty: further pictures without objects.
        has_masks: as of `DataFacts`.
        aligned: all objects are in the middle of their picture.
    """
    counts = np.array(objects_per_picture, np.int64)
    sizes = np.broadcast_to(np.array(sizes, np.float64), (len(counts), 2))
    picture_index = np.repeat(np.arange(len(counts)), counts)
    sides = np.resize(np.array(sides, np.float64), len(picture_index))
    half = np.stack([sides / ratio**0.5, sides * ratio**0.5], 1) / 2
    centres = sizes[picture_index][:, ::-1] / 2
    if not aligned:  # anywhere within the cells of the pyramid's levels
        centres = centres + np.random.default_rng(1).uniform(0, 64, centres.shape)
    labels = np.arange(len(picture_index)) % classes
    return DataFacts(
        picture_sizes=sizes,
        objects_per_picture=counts,
        boxes=np.concatenate([centres - half, centres + half], 1),
        picture_index=picture_index,
        class_objects={f"class {label}": int((labels == label).sum()) for label in range(classes)},
        empty_pictures=empty,
        has_masks=has_masks,
    )


def nuclei_like() -> DataFacts:
    """As the nuclei of docs/results.md: 70 pictures of 360x360 with 14 to 43 objects, 23 in the median.

    5% of the sides are under 8 pixels, the median is 48, 5% are over 65.
    """
    counts = [14] * 3 + [17] * 12 + [20] * 5 + [23] * 20 + [26] * 15 + [29] * 10 + [31, 31, 31, 38, 43]
    sides = [7.9] * 6 + [15] * 9 + [29] * 15 + [48] * 21 + [55] * 25 + [60] * 18 + [65] * 6
    return facts((360, 360), sides, counts)


def demo_like() -> DataFacts:
    """As configs/small_shapes.yaml's shapes: 1,710 pictures of 192x192, up to 7 objects, 5 in the median."""
    counts = [2] * 100 + [3] * 350 + [4] * 350 + [5] * 350 + [6] * 350 + [7] * 210
    sides = [19] * 4 + [25] * 11 + [31] * 20 + [47] * 20 + [68] * 25 + [85] * 15 + [97] * 4 + [110]
    return facts((192, 192), sides, counts, classes=4)


def coco_like() -> DataFacts:
    """As COCO: two thirds of the pictures 640x480, a third 480x640, mostly 3 to 10 objects, 80 classes.

    A twelfth of COCO's pictures. The sides' 5%, 50% and 95% quantiles are about 9, 44 and 306 pixels.
    """
    counts = np.resize([1, 2, 3, 4, 5, 6, 7, 10, 14, 21], 10_000)
    sizes = np.resize([(480, 640), (480, 640), (640, 480)], (10_000, 2))
    sides = [5] * 3 + [9] * 6 + [14] * 8 + [20] * 12 + [30] * 12 + [44] * 14 + [70] * 14 + [110] * 12
    return facts(sizes, [*sides, *[200] * 10, *[306] * 6, *[500] * 3], counts, classes=80)
