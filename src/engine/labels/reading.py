"""The data sets that are converted: their form and splits are found, and their labels read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence

from ...data.annotations.annotation_file import AUTO, AnnotationSettings
from ...data.annotations.mending.class_names import TRAINING
from ...data.annotations.records import DataSource
from ...data.forms.listing import Listing
from ...data.option_names import OptionNames
from ...data.sources.coco_layout import named_files
from ...data.sources.find_form import COCO, TXT, describe, find_form
from ...data.sources.form_table import FORMS
from ...data.sources.locate import SPLIT_NAMES, Located, NoSplitError, locate_split
from ...data.sources.read import label_files, read_annotations

TXT_WORD = "txt"  # what users write for the form that the key `dataset` calls "other"
SOURCE_FORMS = (COCO, TXT_WORD, *FORMS)
_TEST = "test"
_OPTIONS = OptionNames(
    form="--from ",
    txt=TXT_WORD,
    found="",
    pictures="--images ",
    train_labels="give {} as SOURCE",
    val_labels="give {} as SOURCE",
    train_split="--split-name ",
    val_split="--split-name ",
    skip_pictures="--bad-pictures skip",
)


@dataclass(frozen=True)
class SourceSettings:
    """Where a data set is.

    Attributes:
        path: a file or a folder.
        embedded: the folder into which pictures within label files are written.
        form: one of SOURCE_FORMS; None: found out.
        images: the pictures' folder; None: where the form has it.
        splits: the names of those that are read; None: all.
        skip_pictures: whether pictures that cannot be used are left out.
    """

    path: str
    embedded: str
    form: Optional[str] = None
    images: Optional[str] = None
    splits: Optional[Sequence[str]] = None
    skip_pictures: bool = False


class ReadSplit(NamedTuple):
    """One split of a data set.

    Attributes:
        split: its name; None: the data set has no splits.
        source: what was read.
        form: its form, as the key `dataset` has it.
        label_files: the files that were read, without the pictures.
    """

    split: Optional[str]
    source: DataSource
    form: str
    label_files: List[Path]


def read_source(settings: SourceSettings) -> List[ReadSplit]:
    """Read the splits of a data set. Raises DataError or ConfigError where it cannot be used."""
    return [_read(settings, name, located) for name, located in _find_splits(settings)]


def _read(settings: SourceSettings, name: Optional[str], located: Located) -> ReadSplit:
    of_split = AnnotationSettings(
        format=located.format,
        path=located.path,
        folder=located.folder,
        class_names=AUTO,
        num_classes=None,
        skip_pictures=settings.skip_pictures,
        class_use=TRAINING,
        split=located.split,
        embedded=settings.embedded,
        options=_OPTIONS,
    )
    return ReadSplit(name, read_annotations(of_split), located.format, label_files(of_split))


def _find_splits(settings: SourceSettings) -> List[tuple]:
    """[(name or None, Located)] of the splits."""
    root = Path(settings.path)
    form = TXT if settings.form == TXT_WORD else settings.form
    if form is None and root.exists():
        found = find_form(Listing(root), _OPTIONS)
        print(f"{root}: {describe(found, root)}", flush=True)
        form = found.name
    images = settings.images
    if form == TXT and root.is_file() and images is None:
        images = str(root.parent)
    form = form or COCO

    def locate(kind, name, may_be_whole):
        return locate_split(form, root, images, kind, name, may_be_whole, _OPTIONS)

    if settings.splits is not None:
        return [(name, locate("train", name, False)) for name in dict.fromkeys(settings.splits)]
    if not root.is_dir():
        return [(None, locate("train", None, True))]
    splits = []
    first_problem = None
    for kind, names in (("train", (None,)), ("val", SPLIT_NAMES["val"]), (_TEST, (_TEST,))):
        for name in names:
            if kind == "val" and name == _TEST:
                continue
            try:
                located = locate("train" if kind == "train" else "val", name, kind == "train")
            except NoSplitError as problem:
                first_problem = first_problem or problem
                continue
            splits.append((kind if _is_named(located, root) else None, located))
            break
    if not splits:
        raise first_problem
    return splits


def _is_named(located: Located, root: Path) -> bool:
    """Whether what was found is a split, or all of a data set."""
    if located.format == COCO:
        return bool(named_files([Path(located.path)], SPLIT_NAMES["train"] + SPLIT_NAMES["val"]))
    return located.split is not None or os.path.normpath(located.path) != os.path.normpath(root)
