"""What a form of data set has to offer so that a whole one is written in it, picture by picture."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import List, Optional, Sequence

from .picture_labels import DataSetFacts, Losses, PictureLabels


class SplitWriter(contextlib.AbstractContextManager):
    """Writes the pictures of one split. Nothing of them is kept in memory."""

    def add(self, picture: PictureLabels) -> None:
        """Write what is known of a picture. Its file is not touched."""
        raise NotImplementedError

    def __exit__(self, *error) -> None:
        pass


class Target:
    """A form of data sets.

    Attributes:
        name: as users write it.
        keeps_crowds: whether groups of objects can be told from objects.
        has_file_a_picture: whether each picture has a file of labels, which is called as it is.
        needs_pictures: whether the pictures have to be in the data set's own folders.
        forbidden: characters that names of pictures cannot have.
    """

    name = ""
    keeps_crowds = False
    has_file_a_picture = False
    needs_pictures = False
    forbidden = ""

    def picture_folder(self, split: Optional[str]) -> str:
        """The folder of a split's pictures, relative to the data set's; None: there is one split alone."""
        return split or "train"

    def open_split(self, out: Path, split: Optional[str], facts: DataSetFacts, losses: Losses) -> SplitWriter:
        """The writer of one split.

        Args:
            out: the data set's folder.
            split: its name; None: there is one alone.
            facts: its classes, and whether it has masks.
            losses: what cannot be held is counted here.
        """
        raise NotImplementedError

    def finish(self, out: Path, splits: Sequence[Optional[str]], facts: DataSetFacts) -> None:
        """Write what there is once a data set."""

    def use(self, out: Path, splits: Sequence[Optional[str]], facts: DataSetFacts) -> List[str]:
        """Lines that say how the data set is used."""
        return []
