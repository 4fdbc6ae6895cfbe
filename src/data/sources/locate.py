"""Where a split's labels are, for every form but COCO's and txt's own keys."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence

from ...errors import ConfigError, DataError
from ...log import logger
from ..forms.label_files import place_of
from ..forms.listing import Listing
from ..option_names import KEYS, OptionNames
from .coco_layout import coco_files, is_lvis, lvis_folder, named_files, picture_folder
from .find_form import COCO, TXT, describe, find_form
from .form_table import FORMS

AUTO_FORM = "auto"
# The names under which tools have the splits.
SPLIT_NAMES = {
    "train": ("train", "train2017", "training", "trainset"),
    "val": ("val", "val2017", "valid", "validation", "valset", "test"),
}
_NO_SPLIT = "default"  # CVAT's and Datumaro's name of the only split of data without any
_ALL_NAMES = tuple(name for names in SPLIT_NAMES.values() for name in names)


class NoSplitError(DataError):
    """A source has no split of a name."""


class Located(NamedTuple):
    """Where a split's labels are.

    Attributes:
        format: the form, as the key `dataset` has it, but never "auto".
        path: the label file, or the folder of label files.
        folder: where the pictures are looked for first.
        split: the split's name as the form's own files have it; None: all of `path`.
    """

    format: str
    path: str
    folder: str
    split: Optional[str] = None


def locate_split(
    dataset: str,
    root: Path,
    pictures: Optional[str],
    split: str,
    name: Optional[str],
    may_be_whole: bool,
    options: OptionNames = KEYS,
) -> Located:
    """Find the labels of a split.

    A split is what the form's own files call so, else a folder of that name; a source without either is read
    whole where that is allowed.

    Args:
        dataset: the form, or "auto".
        root: the folder or file with the labels of all splits, or of this one.
        pictures: a folder with the pictures, or None.
        split: "train" or "val".
        name: the split's own name; None: one of SPLIT_NAMES.
        may_be_whole: whether a source without splits is the split.
        options: what messages tell the user to write.

    Raises:
        ConfigError, DataError: the form or the split is not found, or several are.
    """
    if not root.exists():
        # the reader says so, where the data is read at all
        return Located(COCO if dataset == AUTO_FORM else dataset, str(root), pictures or str(root))
    names = SPLIT_NAMES[split] if name is None else (name,)
    listing = Listing(root)
    if dataset == AUTO_FORM:
        found = find_form(listing, options)
        _say(f"{options.found}{root} is {describe(found, root)}")
        dataset = found.name
    if dataset == COCO:
        return _locate_coco(listing, pictures, split, names, may_be_whole, options)
    if dataset == TXT:
        return _locate_txt(root, pictures, options)
    form = FORMS[dataset]
    present = form.splits(listing)
    # CVAT's own subsets begin with capital letters
    called = {one.lower(): one for one in reversed(present)}
    own = next((called[one.lower()] for one in names if one.lower() in called), None)
    if own is None and may_be_whole and list(called) == [_NO_SPLIT]:
        own = called[_NO_SPLIT]
    if own is not None:
        return Located(dataset, str(root), pictures or _folder(root), own)
    below = [] if present else _split_folders(root)
    folder = next((one for one in names if one in below), None)
    if folder is not None:
        return Located(dataset, str(root / folder), pictures or str(root / folder))
    if may_be_whole and not (present or below):
        return Located(dataset, str(root), pictures or _folder(root))
    raise _no_split(root, split, names, [*present, *below], options)


def _folder(root):
    return str(root if root.is_dir() else root.parent)


def _split_folders(root: Path) -> List[str]:
    """The folders of a source that are called as splits are."""
    return [name for name in sorted({*_ALL_NAMES}) if (root / name).is_dir()]


def _locate_coco(listing, pictures, split, names, may_be_whole, options):
    """The COCO file of a split, which has the split's name, or is the only one."""
    root = listing.root
    paths = coco_files(listing)
    # a folder may have valid and test: the first name counts
    named = next((files for files in (named_files(paths, (name,)) for name in names) if files), [])
    others = named_files(paths, [name for name in _ALL_NAMES if name not in names])
    if not named and len(paths) == 1 and (may_be_whole and not others or root.is_file()):
        named = paths
    instances = [path for path in named if path.stem.startswith("instances")]
    named = instances if len(instances) == 1 else named
    if not named:
        raise _no_split(root, split, names, [path.name for path in paths], options)
    if len(named) > 1:
        listed = ", ".join(place_of(path, root) for path in named[:5])
        way = options.val_labels if split == "val" else options.train_labels
        raise DataError(
            f"{options.found}{root} has {len(named)} files of the split {names[0]}: {listed}; "
            f"{way.format('FILE')}"
        )
    folder = lvis_folder(named[0], root) if is_lvis(named[0]) else None
    folder = folder or picture_folder(named[0], root, split, names)
    return Located(COCO, str(named[0]), pictures or str(folder))


def _locate_txt(root, pictures, options):
    form = f"{options.form}{options.txt}"
    if root.is_dir():
        way = options.train_labels.format("FILE")
        raise ConfigError(f"{options.found}{root} has txt rows, which are one file; {way}, with {form}")
    if pictures is None:
        raise ConfigError(f"{form} needs the folder of the pictures: write {options.pictures}FOLDER")
    return Located(TXT, str(root), pictures)


def _no_split(
    root: Path, split: str, names: Sequence[str], present: Sequence[str], options: OptionNames
) -> NoSplitError:
    if present:
        key = options.val_split if split == "val" else options.train_split
        has = f"it has {', '.join(present[:8])}: write {key}NAME"
    else:
        way = options.val_labels.format("FOLDER")
        has = f"it has no splits: {way}, or make them with convert_data.py --split"
    return NoSplitError(f"{root}: no split {' or '.join(names[:3])}; {has}")


@lru_cache(maxsize=64)
def _say(line: str) -> None:
    """Log a line once."""
    logger.info(line)
