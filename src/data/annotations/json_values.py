"""Values from a JSON file as NumPy columns, with a mark for each value that is missing or unusable.

Every function first tries to convert the whole list at once. If it has unusual values, it is read one by one.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import Any, List, NamedTuple, Optional

import numpy as np

from .object_columns import BAD_BOX, BOX, INFINITE_BOX, NO_BOX

NUMBER_TYPES = {int, float}  # not bool, which isinstance takes for an int
_WHOLE_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,19}\s*")
PLAIN, RESPELLED, UNUSABLE = range(3)  # how a whole number is written: 7; "7" or 7.0; not at all
_NO_NUMBER = -(2**63)


class WholeNumbers(NamedTuple):
    """A column of whole numbers.

    Attributes:
        values: int64 [n].
        spelling: int8 [n], one of PLAIN, RESPELLED, UNUSABLE.
    """

    values: np.ndarray
    spelling: np.ndarray


class PolygonPoints(NamedTuple):
    """p polygons one after another.

    Attributes:
        points: float64 [sum of the lengths], x, y, x, y, ... in pixels.
        lengths: int64 [p], how many numbers each has; -1 for what is not a list of numbers.
    """

    points: np.ndarray
    lengths: np.ndarray


def whole_number(value: Any) -> Optional[int]:
    """An id or size as an int if it is a whole number of 64 bits in any spelling (7, 7.0, "7"), else None."""
    if type(value) is float and value.is_integer():
        value = int(value)
    elif isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
        value = int(value)
    return value if type(value) is int and -(2**63) <= value < 2**63 else None


def is_crowd(value: Any) -> bool:
    """Whether an iscrowd in any spelling (1, 1.0, true, "1", "True") says that the object is a crowd."""
    if isinstance(value, str):
        text = value.strip().lower()
        if text in ("true", "false"):
            return text == "true"
        try:
            value = float(text)
        except ValueError:
            return False
    return isinstance(value, (bool, int, float)) and value != 0 and value == value


def read_whole_numbers(values: List[Any]) -> WholeNumbers:
    """A column of ids."""
    if set(map(type, values)) <= {int}:
        try:
            return WholeNumbers(np.array(values, np.int64), np.zeros(len(values), np.int8))
        except OverflowError:
            pass
    numbers = [whole_number(value) for value in values]
    spelling = [_spelling(value, number) for value, number in zip(values, numbers)]
    numbers = [_NO_NUMBER if number is None else number for number in numbers]
    return WholeNumbers(np.array(numbers, np.int64), np.array(spelling, np.int8))


def _spelling(value, number):
    if number is None:
        return UNUSABLE
    return PLAIN if type(value) is int else RESPELLED


def read_boxes(values: List[Any]):
    """(boxes float64 [n, 4] as written, box_state int8 [n])."""
    if set(map(type, values)) == {list} and set(map(len, values)) == {4}:
        flat = list(chain.from_iterable(values))
        if set(map(type, flat)) <= NUMBER_TYPES:
            try:
                return np.array(flat, np.float64).reshape(-1, 4), np.zeros(len(values), np.int8)
            except OverflowError:
                pass
    boxes = np.zeros((len(values), 4))
    state = np.full(len(values), BOX, np.int8)
    for i, value in enumerate(values):
        if value is None:
            state[i] = NO_BOX
        elif type(value) is not list or len(value) != 4 or not NUMBER_TYPES.issuperset(map(type, value)):
            state[i] = BAD_BOX
        else:
            try:
                boxes[i] = [float(number) for number in value]
            except OverflowError:
                state[i] = INFINITE_BOX
    return boxes, state


def read_areas(values: List[Any]) -> np.ndarray:
    """Areas float64 [n], NaN for what is not a number."""
    if set(map(type, values)) <= NUMBER_TYPES:
        try:
            return np.array(values, np.float64)
        except OverflowError:
            pass
    areas = np.full(len(values), np.nan)
    for i, value in enumerate(values):
        if type(value) is float or (type(value) is int and abs(value) < 2**63):
            areas[i] = value
    return areas


def read_plain_polygons(polygons: List[Any]) -> Optional[PolygonPoints]:
    """The points of polygons of which each is a list of numbers; None if any is something else."""
    if set(map(type, polygons)) <= {list}:
        flat = list(chain.from_iterable(polygons))
        if set(map(type, flat)) <= NUMBER_TYPES:
            try:
                return _polygon_points(flat, list(map(len, polygons)))
            except OverflowError:
                pass
    return None


def read_polygons(polygons: List[Any]) -> PolygonPoints:
    """The points of polygons of which some may be something else than a list of numbers."""
    points = []
    lengths = []
    for polygon in polygons:
        is_numbers = type(polygon) is list and NUMBER_TYPES.issuperset(map(type, polygon))
        try:
            points += [float(number) for number in polygon] if is_numbers else []
            lengths.append(len(polygon) if is_numbers else -1)
        except OverflowError:
            lengths.append(-1)
    return _polygon_points(points, lengths)


def _polygon_points(points, lengths):
    return PolygonPoints(np.array(points, np.float64), np.array(lengths, np.int64))
