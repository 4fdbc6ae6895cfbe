"""Which form the labels of a folder or file have (dataset=auto)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import List, NamedTuple, Sequence

from ...errors import DataError, one_line
from ..forms.label_files import head, place_of
from ..forms.listing import Listing
from ..option_names import KEYS, OptionNames
from .coco_layout import coco_files, is_lvis
from .form_table import FORMS

_ROWS = 200  # of a txt file that are looked at
COCO = "coco"
TXT = "other"
_TXT_ROW = re.compile(r"^\S[^,]*?\s-?[\d.]+,-?[\d.]+,-?[\d.]+,-?[\d.]+,\d+(\s|;|$)")


class FoundForm(NamedTuple):
    """A form that a source may have.

    Attributes:
        name: as the key `dataset` has it.
        title: as messages have it.
        files: some of the label files that show it.
    """

    name: str
    title: str
    files: Sequence[Path]


def found_forms(listing: Listing) -> List[FoundForm]:
    """All forms of which a folder or file has label files."""
    found = [FoundForm(form.name, form.title, form.find(listing)) for form in FORMS.values()]
    in_coco = coco_files(listing)
    title = "LVIS JSON" if any(map(is_lvis, in_coco)) else "COCO JSON"
    found.append(FoundForm(COCO, title, in_coco))
    with_rows = [path for path in listing.first_files((".txt",)) if _has_rows(path)]
    found.append(FoundForm(TXT, "txt rows", with_rows))
    found = [one for one in found if one.files]
    # A form of its own for what is COCO JSON too knows more of it.
    special = {path for one in found if one.name != COCO for path in one.files}
    return [one for one in found if one.name != COCO or not special.issuperset(one.files)]


def find_form(listing: Listing, options: OptionNames = KEYS) -> FoundForm:
    """The form of a folder's or file's labels.

    Args:
        listing: of the folder or file.
        options: what messages tell the user to write.

    Raises:
        DataError: it has none that is known, or several.
    """
    root = listing.root
    found = found_forms(listing)
    if len(found) == 1:
        return found[0]
    names = ", ".join([COCO, options.txt, *FORMS])
    if not found:
        raise DataError(
            f"{options.found}{root} has no labels of a known form; name it with {options.form}FORM ({names})"
        )
    names_of_found = [options.txt if one.name == TXT else one.name for one in found]
    listed = "; ".join(
        f"{options.form}{name}: {describe(one, root)}" for name, one in zip(names_of_found, found)
    )
    raise DataError(
        f"{options.found}{root} has labels of {len(found)} forms; name one of them, or "
        f"{options.train_labels.format('PATH')} for a folder or file: {listed}"
    )


def describe(found: FoundForm, root: Path) -> str:
    """A form and its files in words."""
    others = ", ..." if len(found.files) > 1 else ""
    return one_line(f"{found.title} ({place_of(found.files[0], root)}{others})")


def _has_rows(path):
    """Whether one of a txt file's first rows is a picture's path and a box. Some may have no box."""
    return any(_TXT_ROW.match(line) for line in head(path).split("\n")[:_ROWS])
