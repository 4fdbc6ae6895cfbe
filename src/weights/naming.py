"""Naming schemes: how another project calls the entries of its weights, and what else its files say.

A scheme is a table of module names that is used in both directions. Each row pairs another project's name
with this project's name. `{}` stands for a number that is the same in both, `{+1}` for one that is larger by
1 in the other project. If several rows have the same name here (older spellings), the first one is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

import numpy as np

# Mean and standard deviation of RGB pixels from 0 to 255.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
# How the published detectors place a picture: the shorter side 800, the longer at most 1333, upright or not,
# and zeros around it after normalisation.
SHORT_SIDE = {
    "resize": "short_side",
    "resize_short": 800,
    "resize_long": 1333,
    "img_width": 1344,
    "img_height": 1344,
    "padding": "mean",
}

_IS_NORM = re.compile(r"backbone\.(?:.*\.)?(?:bn\d|down_sample\.1)")
# Modules whose parameters are called module_leaf here, not module.leaf.
_JOINED_BY_UNDERSCORE = ("mask_head.up", "mask_head.logits")
# PyTorch's name of a norm's parameter -> MindSpore's
_TORCH_NORM_LEAVES = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
_MINDSPORE_NORM_LEAVES = {leaf: leaf for leaf in _TORCH_NORM_LEAVES.values()}


@dataclass(frozen=True)
class Requirements:
    """What the weights of a file need besides their names.

    Attributes:
        settings: {configuration key: value} with which the weights were trained.
        remarks: lines about these settings, to be printed.
        caution: a line to be printed whenever the weights are loaded; "" for none.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    remarks: Tuple[str, ...] = ()
    caution: str = ""


class NamingScheme:
    """The names of one project.

    Args:
        name: short name, for --from.
        title: the project's name, for messages.
        table: pairs (name there, name here) of modules, with `{}` and `{+1}` as the module's docstring says.
        ignored: a regular expression of entries that have no counterpart here and may be left out.
        read_requirements: a function (arrays by this project's names, rest of the file) -> Requirements.
        background: which class the background is in the box head: 'first', with rows for its boxes and masks,
            or 'last', without such rows.
        torch_leaves: whether the parameters of norms have PyTorch's names, not MindSpore's.
    """

    def __init__(
        self,
        name: str,
        title: str,
        table: Sequence[Tuple[str, str]],
        ignored: str,
        read_requirements: Callable[[Mapping[str, np.ndarray], Mapping[str, Any]], Requirements],
        background: str = "first",
        torch_leaves: bool = True,
    ):
        self.name = name
        self.title = title
        self.background = background
        self.read_requirements = read_requirements
        self._norm_leaves = _TORCH_NORM_LEAVES if torch_leaves else _MINDSPORE_NORM_LEAVES
        self._ignored = re.compile(ignored)
        self._to_own = [(_Pattern(foreign), own) for foreign, own in table]
        self._to_foreign = [(_Pattern(own), foreign) for foreign, own in table]

    def own_name(self, name: str) -> Optional[str]:
        """This project's name of another project's entry, or None if it has none."""
        module, _, leaf = name.rpartition(".")
        for pattern, template in self._to_own:
            match = pattern.fullmatch(module)
            if match:
                own_module = _fill(template, match.groups(), pattern.offsets, -1)
                if _IS_NORM.fullmatch(own_module):
                    return f"{own_module}.{self._norm_leaves[leaf]}" if leaf in self._norm_leaves else None
                if leaf in ("weight", "bias"):
                    return f"{own_module}{'_' if own_module in _JOINED_BY_UNDERSCORE else '.'}{leaf}"
        return None

    def foreign_name(self, name: str) -> Optional[str]:
        """The other project's name of this project's entry (the inverse of `own_name`), or None."""
        for joined in _JOINED_BY_UNDERSCORE:
            if name.startswith(joined + "_"):
                name = f"{joined}.{name[len(joined) + 1 :]}"
                break
        module, _, leaf = name.rpartition(".")
        for pattern, template in self._to_foreign:
            match = pattern.fullmatch(module)
            if match:
                if _IS_NORM.fullmatch(module):
                    leaf = {own: foreign for foreign, own in self._norm_leaves.items()}[leaf]
                return f"{_fill(template, match.groups(), _offsets(template), 1)}.{leaf}"
        return None

    def is_ignored(self, name: str) -> bool:
        """Whether an entry has no counterpart here and may be left out."""
        return self._ignored.fullmatch(name) is not None

    def matching_share(self, names: Sequence[str]) -> float:
        """The share of entry names that this scheme knows, from 0 to 1; 0 if none has a counterpart here."""
        known = sum(self.own_name(name) is not None for name in names)
        ignored = sum(self.is_ignored(name) for name in names)
        return (known + ignored) / len(names) if known else 0.0

    def rename(self, arrays: Mapping[str, np.ndarray]) -> Tuple[Dict[str, np.ndarray], List[str]]:
        """({this project's name: array}, names that the scheme does not know). The order of classes stays."""
        entries = {}
        unknown = []
        for name, array in arrays.items():
            own_name = self.own_name(name)
            if own_name is not None:
                if own_name == "mask_head.logits_weight" and array.shape[2:] == (1, 1):
                    array = array.reshape(array.shape[:2])  # a 1x1 convolution there, a matrix here
                entries[own_name] = array
            elif not self.is_ignored(name):
                unknown.append(name)
        return entries, unknown


class _Pattern:
    """A module name of a table as a regular expression.

    Attributes:
        offsets: the offset of each number in it.
        fullmatch: a function from a module's name to its match, with a group for each number, or None.
    """

    def __init__(self, template):
        self.offsets = _offsets(template)
        parts = re.split(r"\{(?:\+\d)?\}", template)
        self.fullmatch = re.compile(r"(\d+)".join(re.escape(part) for part in parts)).fullmatch


def _offsets(template):
    """[0, 1] of 'res{}.{+1}'."""
    return [int(offset or 0) for offset in re.findall(r"\{(\+\d)?\}", template)]


def _fill(template, numbers, offsets, sign):
    """The template with numbers in it, each changed by its offset times the sign."""
    plain_template = re.sub(r"\{\+\d\}", "{}", template)
    return plain_template.format(*(int(number) + sign * offset for number, offset in zip(numbers, offsets)))


def shorten_list(names: Iterable[str]) -> str:
    """At most six names for a message, and how many more there are."""
    names = list(names)
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
