"""The table of faults: each is a small function that changes a drawn data set, under its function's name."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, NamedTuple, Sequence

import numpy as np

from tests.fuzz.drawn_set import DrawnSet, DrawnSplit, draw_set

# The order in which the faults of a data set are made, so that each still finds what it changes.
GROUPS = ("pictures", "damage", "objects", "segmentations", "names", "ids", "lists", "file")
Change = Callable[[DrawnSplit, np.random.Generator], None]


class Fault(NamedTuple):
    """One kind of fault.

    Attributes:
        name: its function's.
        group: one of GROUPS.
        change: makes it in a split.
        splits: in which it may be, by their positions in `DrawnSet.splits`.
        weight: how often it is drawn, compared with the others. Faults with which nothing else of a file is
            read are drawn less.
        keeps_objects: whether the data set has to be read with the pictures, classes, boxes and masks that it
            has without the fault.
    """

    name: str
    group: str
    change: Change
    splits: Sequence[int]
    weight: float
    keeps_objects: bool


FAULTS: Dict[str, Fault] = {}


def fault(
    group: str, splits: Sequence[int] = (0, 1), weight: float = 1.0, keeps_objects: bool = False
) -> Callable[[Change], Change]:
    """Enter a function into FAULTS."""

    def enter(change: Change) -> Change:
        name = change.__name__
        assert name not in FAULTS
        FAULTS[name] = Fault(name, group, change, splits, weight, keeps_objects)
        return change

    return enter


def one(generator: np.random.Generator, items: Sequence[Any]) -> Any:
    """One of the items, drawn; as it is, where NumPy's choice would make an array of it."""
    return items[int(generator.integers(len(items)))]


def some(generator: np.random.Generator, items: List[Any]) -> List[Any]:
    """One of the items, about half of them, or all."""
    if not items:
        return []
    share = generator.random()
    if share < 1 / 3:
        return [one(generator, items)]
    if share < 2 / 3:
        return [item for item in items if generator.random() < 0.5]
    return list(items)


def draw_faulty_set(seed: int, keeps_objects: bool = False) -> DrawnSet:
    """The data set of a seed, with two to four faults. The same seed always gives the same bytes.

    Args:
        seed: of all that is drawn. `draw_set` with the same seed gives the data set without the faults.
        keeps_objects: only faults that are read as they were meant.
    """
    generator = np.random.default_rng(seed)
    data = draw_set(seed, generator)
    entries = [entry for entry in FAULTS.values() if entry.keeps_objects or not keeps_objects]
    weights = np.array([entry.weight for entry in entries])
    count = int(generator.integers(2, 5))
    numbers = generator.choice(len(entries), count, replace=False, p=weights / weights.sum())
    drawn = [entries[int(number)] for number in numbers]
    for entry in sorted(drawn, key=lambda entry: GROUPS.index(entry.group)):
        positions = entry.splits
        if len(positions) == 2:
            positions = one(generator, ((0,), (1,), (0, 1), (0, 1)))
        for position in positions:
            entry.change(data.splits[position], generator)
        data.faults.append(entry.name + "@" + "+".join(("train", "val")[position] for position in positions))
    return data
