"""What a naming scheme is: a table of module names, read in both directions, and what else a file of that kind tells.

A row pairs another project's module name with this project's. `{}` stands for a number that both share, `{+1}` for one that is
larger by 1 over there. Several rows may have one counterpart here (older spellings); the first is what is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Tuple

import numpy as np

_IS_NORM = re.compile(r"backbone\.(?:.*\.)?(?:bn\d|down_sample\.1)")
# Parameters that are no layer of their own here are called module_leaf instead of module.leaf.
_JOINED = ("mask_head.up", "mask_head.logits")
_NORM_LEAVES = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
_SAME = {name: name for name in _NORM_LEAVES.values()}
# The layers that have a row (box deltas: four) a class
CLASS_LAYERS = (
    "box_head.cls.weight",
    "box_head.cls.bias",
    "box_head.reg.weight",
    "box_head.reg.bias",
    "mask_head.logits_weight",
    "mask_head.logits_bias",
)
IMAGENET_MEAN, IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # RGB, of pixels 0 to 255
# How the published detectors place a picture: the shorter side 800, the longer at most 1333, whatever its orientation, and zeros around it
# after normalising
SHORT_SIDE = {
    "resize": "short_side",
    "resize_short": 800,
    "resize_long": 1333,
    "img_width": 1344,
    "img_height": 1344,
    "padding": "mean",
}


@dataclass(frozen=True)
class Reading:
    """What a scheme makes of a file beyond its names: configuration keys that its weights need, lines to say about them, and a caution that
    is said again whenever the weights are loaded."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    remarks: Tuple[str, ...] = ()
    caution: str = ""


class Scheme:
    """One project's names. `dropped`: a pattern of entries that have no counterpart and may be left out; `background`: where the class
    'background' stands in the box head, 'first' (with box and mask rows of its own) or 'last' (without); `read(arrays, meta)`: its Reading.
    """

    def __init__(self, name, title, table, dropped, read, background="first", torch_leaves=True):
        self.name, self.title, self.background, self.read = name, title, background, read
        self._leaves = _NORM_LEAVES if torch_leaves else _SAME
        self._dropped = re.compile(dropped)
        self._to_ours = [(_Pattern(theirs), ours) for theirs, ours in table]
        self._to_theirs = [(_Pattern(ours), theirs) for theirs, ours in table]

    def ours(self, name) -> Optional[str]:
        """This project's name of an entry, or None where it has none."""
        module, _, leaf = name.rpartition(".")
        for pattern, template in self._to_ours:
            match = pattern.fullmatch(module)
            if match:
                owner = _fill(template, match.groups(), pattern.offsets, -1)
                if _IS_NORM.fullmatch(owner):
                    return f"{owner}.{self._leaves[leaf]}" if leaf in self._leaves else None
                if leaf in ("weight", "bias"):
                    return f"{owner}{'_' if owner in _JOINED else '.'}{leaf}"
        return None

    def theirs(self, name) -> Optional[str]:
        """The inverse of `ours`: the entry's name over there, in the spelling that is written."""
        joined = next(
            (f"{owner}." + name[len(owner) + 1 :] for owner in _JOINED if name.startswith(owner + "_")), name
        )
        module, _, leaf = joined.rpartition(".")
        for pattern, template in self._to_theirs:
            match = pattern.fullmatch(module)
            if match:
                if _IS_NORM.fullmatch(module):
                    leaf = {ours: theirs for theirs, ours in self._leaves.items()}[leaf]
                return f"{_fill(template, match.groups(), _offsets(template), 1)}.{leaf}"
        return None

    def is_dropped(self, name):
        """Whether an entry has no counterpart and may be left out."""
        return self._dropped.fullmatch(name) is not None

    def share(self, names):
        """The share of `names` that this scheme has a place for, 0 to 1; 0 if it has one for none."""
        placed = sum(self.ours(name) is not None for name in names)
        return (placed + sum(self.is_dropped(name) for name in names)) / len(names) if placed else 0.0

    def renamed(self, arrays):
        """({this project's name: array}, the names that have no place) of {name: array}; classes as they stood there."""
        result, strange = {}, []
        for name, array in arrays.items():
            ours = self.ours(name)
            if ours is not None:
                result[ours] = (
                    array.reshape(array.shape[:2])
                    if ours == "mask_head.logits_weight" and array.shape[2:] == (1, 1)
                    else array
                )
            elif not self.is_dropped(name):
                strange.append(name)
        return result, strange


class _Pattern:
    """A module template as a regular expression, with the offset of each of its numbers."""

    def __init__(self, template):
        self.offsets = _offsets(template)
        self.fullmatch = re.compile(
            r"(\d+)".join(re.escape(part) for part in re.split(r"\{(?:\+\d)?\}", template))
        ).fullmatch


def _offsets(template):
    return [int(offset or 0) for offset in re.findall(r"\{(\+\d)?\}", template)]


def _plain(template):
    return re.sub(r"\{\+\d\}", "{}", template)


def _fill(template, numbers, offsets, sign):
    return _plain(template).format(*(int(number) + sign * offset for number, offset in zip(numbers, offsets)))


def last_to_first(arrays):
    """Class rows of a project that counts the background last and gives it no box and no mask, as rows with the background first.

    box_head.cls [K + 1, ...] is turned round, box_head.reg [4K, ...] and mask_head.logits [K, ...] get rows of zeros, which nothing reads.
    """
    result = dict(arrays)
    for leaf in ("weight", "bias"):
        for name, extra in (
            (f"box_head.cls.{leaf}", None),
            (f"box_head.reg.{leaf}", 4),
            (f"mask_head.logits_{leaf}", 1),
        ):
            if name in arrays:
                array = arrays[name]
                first = array[-1:] if extra is None else np.zeros((extra, *array.shape[1:]), array.dtype)
                result[name] = np.concatenate([first, array[:-1] if extra is None else array])
    return result
