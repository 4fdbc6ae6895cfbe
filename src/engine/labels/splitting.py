"""Which pictures go to which split: stratified by class, near-duplicates together."""

from __future__ import annotations

import os
from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from ...data.read_ahead import read_ahead
from ...data.splits.near_duplicates import near_duplicate_groups, picture_hash
from ...data.splits.stratification import stratified_split
from ...errors import ConfigError, DataError, one_line
from ...log import logger
from ..display.progress import Progress
from .sources import JoinedSources

NAMES = ("train", "val", "test")
_READ_AHEAD = 16  # pictures


class SplitSettings(NamedTuple):
    """How pictures are split.

    Attributes:
        shares: of train, val and perhaps test; their sum is 1.
        seed: of the draw.
        distance: in how many of 64 bits the hashes of near-duplicates differ at most; -1: none are looked
            for.
    """

    shares: Tuple[float, ...]
    seed: int
    distance: int


def read_shares(text: str) -> Tuple[float, ...]:
    """The shares of ".8/.2" or "70/20/10". Raises ConfigError."""
    problem = ConfigError(
        f"--split {text}: two or three shares with the sum 1 (or 100) expected, such as .8/.2 or .7/.2/.1"
    )
    try:
        shares = np.array([float(word) for word in text.split("/")])
    except ValueError:
        raise problem from None
    total = shares.sum()
    if not 2 <= len(shares) <= 3 or not (shares > 0).all():
        raise problem
    if min(abs(total - 1), abs(total / 100 - 1)) > 1e-6:
        raise problem
    return tuple((shares / total).tolist())


def split_pictures(data: JoinedSources, settings: SplitSettings) -> np.ndarray:
    """The split of each picture, int64 [n] from 0. Prints what was done about near-duplicates."""
    count = len(data.pictures)
    if count < len(settings.shares):
        raise DataError(f"{count} pictures cannot be split into {len(settings.shares)}")
    groups = np.arange(count)
    if settings.distance >= 0:
        groups = _group(data, settings.distance)
    has_class = np.zeros((count, len(data.facts.class_names)), np.int64)
    for position in range(count):
        has_class[position, data.labels(position)] = 1
    sizes = np.bincount(groups)
    in_group = np.zeros((len(sizes), has_class.shape[1] - 1), np.int64)
    np.add.at(in_group, groups, has_class[:, 1:])
    return stratified_split(in_group, sizes, settings.shares, settings.seed)[groups]


def _group(data: JoinedSources, distance: int) -> np.ndarray:
    """The group of near-duplicates of each picture, int64 [n]; one that cannot be read has its own."""
    hashes: List[Optional[int]] = []
    unreadable: List[str] = []
    paths = [record.path for _, record in data.pictures]
    with Progress(len(paths), "near-duplicates", unit="picture") as progress:
        for found in read_ahead(_hash_or_problem, paths, os.cpu_count() or 1, _READ_AHEAD):
            if isinstance(found, DataError):
                unreadable.append(str(found))
                hashes.append(None)
            else:
                hashes.append(found)
            progress.update()
    if unreadable:
        logger.warning(
            "%d pictures cannot be read and are taken for near-duplicates of none, the first: %s",
            len(unreadable),
            one_line(unreadable[0]),
        )
    readable = np.array([value is not None for value in hashes])
    groups = np.arange(len(hashes)) + len(hashes)
    known = np.array([value for value in hashes if value is not None], np.uint64)
    if len(known):
        groups[readable] = near_duplicate_groups(known, distance)
    groups = np.unique(groups, return_inverse=True)[1].ravel()
    _say(np.bincount(groups), distance)
    return groups


def _hash_or_problem(path: str):
    try:
        return picture_hash(path)
    except DataError as error:
        return error


def _say(sizes: np.ndarray, distance: int) -> None:
    several = sizes[sizes > 1]
    if not len(several):
        print(f"near-duplicates: none (hashes that differ in at most {distance} of 64 bits)", flush=True)
        return
    print(
        f"near-duplicates: {len(several):,} groups with {several.sum():,} pictures, the largest of "
        f"{several.max():,}; each group stays in one split",
        flush=True,
    )


def split_lines(data: JoinedSources, splits: np.ndarray, names: Sequence[str]) -> List[str]:
    """A line for each split: its pictures and objects, and the classes that it has none of."""
    count = len(data.facts.class_names)
    objects = np.zeros((len(names), count), np.int64)
    for position, split in enumerate(splits.tolist()):
        np.add.at(objects[split], data.labels(position), 1)
    objects = objects[:, 1:]
    lines = []
    for split, name in enumerate(names):
        pictures = int((splits == split).sum())
        share = pictures / len(splits)
        lines.append(f"{name}: {pictures:,} pictures ({share:.1%}), {objects[split].sum():,} objects")
        missing = [
            data.facts.class_names[i + 1] for i in np.flatnonzero((objects[split] == 0) & objects.any(0))
        ]
        if missing:
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            lines[-1] += f"; none of {', '.join(missing[:5])}{more}"
    return lines
