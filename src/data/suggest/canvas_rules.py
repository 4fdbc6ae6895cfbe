"""The size of the canvas."""

from __future__ import annotations

from typing import List, NamedTuple, Tuple

import numpy as np

from .facts import DataFacts, TrainingTarget, evenly_chosen, fitting_scale
from .suggestion import DATA, Suggestion

_STEP = 64  # the coarsest stride of the pyramid: every level's map is then whole
_SHORTEST = 128
_LONGEST = 4096
_MOST_ENLARGED = 2.0  # more pixels than this hold nothing that the picture does not
# Smallest sides on the canvas. The finest level has a cell every 4 pixels, so 8 pixels are two cells. Anchors
# of one's own start at 16 pixels; those of published weights at 32, which reach objects half as large.
_SMALL_OWN_ANCHORS = 8
_SMALL_FIXED_ANCHORS = 16
_LARGEST_AREA = {"CPU": 512 * 512, "Ascend": 768 * 1280}


class Canvas(NamedTuple):
    """A canvas and what the data set is like on it.

    Attributes:
        width, height: in pixels.
        scale: geometric mean of the factors by which pictures are resized.
        small_side: 5% of the objects have a side (root of the box's area) up to this, in canvas pixels.
        median_side: half of the objects have one up to this.
        is_bounded: whether a larger canvas was wanted than the device is given.
    """

    width: int
    height: int
    scale: float
    small_side: float
    median_side: float
    is_bounded: bool


def smallest_wanted_side(target: TrainingTarget) -> int:
    """The side in canvas pixels that the smallest objects should have, by which anchors there are."""
    return _SMALL_FIXED_ANCHORS if target.weights else _SMALL_OWN_ANCHORS


def choose_canvas(facts: DataFacts, target: TrainingTarget) -> Canvas:
    """The smallest canvas on which the objects are large enough.

    Pictures keep their size at least, as in configs/demo.yaml and configs/nuclei.yaml, which these rules give
    again. They are enlarged, at most twice, until the 5% quantile of the objects' sides is
    `smallest_wanted_side`. They are made smaller only while that quantile stays twice as much and the median
    eight times: 16 and 64 pixels from scratch (the two recipes have 8 and 19, and 51 and 47).

    The area is bounded by the device: 512x512 on a CPU, where a step of ResNet-50 takes about 4 s; 768x1280
    on Ascend, the original's canvas. Under a bound, the canvas of the largest mean scale is taken.
    """
    small = smallest_wanted_side(target)
    sizes = evenly_chosen(facts.picture_sizes)
    boxes = evenly_chosen(facts.boxes)
    object_sizes = facts.picture_sizes[evenly_chosen(facts.picture_index)]
    sides = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(1))
    best = None
    for width, height in _candidates(_LARGEST_AREA[target.device]):
        scale = float(np.exp(np.log(fitting_scale(sizes, width, height)).mean()))
        canvas_sides = sides * fitting_scale(object_sizes, width, height)
        small_side, median_side = np.quantile(canvas_sides, (0.05, 0.5)).tolist()
        canvas = Canvas(width, height, scale, small_side, median_side, False)
        is_shrunk_too_far = scale < 1 and (small_side < 2 * small or median_side < 8 * small)
        if scale >= _MOST_ENLARGED or (small_side >= small and not is_shrunk_too_far):
            return canvas
        if best is None or scale > best.scale:
            best = canvas._replace(is_bounded=True)
    return best


def _candidates(largest_area: int) -> List[Tuple[int, int]]:
    """(width, height) of all canvases up to an area, small ones first, of equal ones the squarest."""
    sides = range(_SHORTEST, _LONGEST + 1, _STEP)
    found = [(w, h) for w in sides for h in sides if w * h <= largest_area]
    return sorted(found, key=lambda size: (size[0] * size[1], max(size), -size[0]))


def canvas_suggestion(canvas: Canvas, facts: DataFacts, target: TrainingTarget) -> Suggestion:
    """The canvas with its reason."""
    height, width = np.median(facts.picture_sizes, axis=0)
    reason = (
        f"pictures of {width:.0f}x{height:.0f} (medians) are resized by {canvas.scale:.2f} on average; then "
        f"95% of the objects have a side over {canvas.small_side:.1f} pixels and half over "
        f"{canvas.median_side:.0f} (the pyramid's finest level has a cell every 4)"
    )
    if canvas.is_bounded:
        area = "512x512 on a CPU" if target.device == "CPU" else "1280x768 on a card"
        reason += f"; larger was wanted, the limit is the area of {area}"
    return Suggestion({"img_width": canvas.width, "img_height": canvas.height}, reason, DATA)
