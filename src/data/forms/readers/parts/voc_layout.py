"""Where a Pascal VOC data set has its lists, XML files, masks and pictures."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Collection, Iterator, List, NamedTuple, Optional

from ....annotations.mending.picture_names import leads_out
from ....findings import Findings, short
from ....picture_suffixes import PICTURE_SUFFIXES
from ...items import FormSource
from ...label_files import files_below, place_of, read_text

_LISTS = ("Segmentation", "Main")  # folders of ImageSets; masks are preferred
_PARTS = ("Annotations", "annotations", "SegmentationObject")
_PICTURES = ("JPEGImages", "images", "Images")
_CLASS_MARK = re.compile(r"\s+-?[01]$")  # of lists for one class: whether it is in the picture


class VocPicture(NamedTuple):
    """One picture of a split.

    Attributes:
        name: its id: its files' name without ending, "/" for folders.
        xml: its XML file; None without one.
        masks: the PNG of its objects, there or not; None where boxes are read.
        place: for findings.
    """

    name: str
    xml: Optional[Path]
    masks: Optional[Path]
    place: str


class VocLayout:
    """The folders of a data set.

    Args:
        source: the source: the folder with Annotations, or one above it (VOCdevkit), or a folder with XML
            files beside their pictures.

    Attributes:
        base: the folder with Annotations, or of XML files.
        xml: the folder of XML files.
        has_masks: whether there is a folder SegmentationObject.
        pictures: the folder of the pictures.
    """

    def __init__(self, source: FormSource):
        self.source = source
        self.root = source.root if source.root.is_dir() else source.root.parent
        bases = voc_bases(self.root)
        self.base = bases[0] if len(bases) == 1 else self.root
        self.has_masks = (self.base / "SegmentationObject").is_dir()
        self.xml = self._first(_PARTS[:2]) or self.base
        self.pictures = source.pictures or self._first(_PICTURES)

    def _first(self, names):
        return next((self.base / name for name in names if (self.base / name).is_dir()), None)

    def splits(self) -> List[str]:
        """The names of lists, and with their folder's name where both folders have it."""
        by_folder = {folder: self._list_names(folder) for folder in _LISTS}
        names = list(dict.fromkeys(name for found in by_folder.values() for name in found))
        twice = [name for name in names if all(name in found for found in by_folder.values())]
        return names + [f"{folder}/{name}" for name in twice for folder in _LISTS]

    def _list_names(self, folder):
        if folder == "Segmentation" and not self.has_masks:
            return []
        paths = sorted((self.base / "ImageSets" / folder).glob("*.txt"))
        return [path.stem for path in paths if "_" not in path.stem]

    def list_file(self) -> Optional[Path]:
        """The list of the source's split; None without a split."""
        split = self.source.split
        if split is None:
            return None
        folder, _, name = split.rpartition("/")
        folders = [folder] if folder else _LISTS
        found = next((one for one in folders if name in self._list_names(one)), folders[-1])
        return self.base / "ImageSets" / found / f"{name}.txt"

    def reads_masks(self) -> bool:
        """Whether the pictures of the split have masks; they have boxes otherwise."""
        path = self.list_file()
        return self.has_masks if path is None else path.parent.name == "Segmentation"

    def entries(self, findings: Findings) -> Iterator[VocPicture]:
        """The pictures of the split in the list's order; without a split all, in order of their names."""
        path = self.list_file()
        if path is not None:
            place = place_of(path, self.root)
            with_masks = self.reads_masks()
            text = read_text(path, place, findings)
            for number, line in enumerate((text or "").split("\n"), 1):
                name = _CLASS_MARK.sub("", line.strip()).strip('"')
                where = f"{place}: line {number}"
                if name and leads_out(name):
                    detail = f"the name {short(name)} leads out of the folder"
                    findings.add("label_picture_missing", where, detail=detail)
                elif name:
                    yield self._entry(name, with_masks, where)
        elif self.has_masks:
            for mask in files_below(self.base / "SegmentationObject", (".png",)):
                yield self._entry(_name_below(mask, self.base / "SegmentationObject"), True, "")
        else:
            yield from self._all_xml()

    def _entry(self, name, with_masks, place):
        xml = self.xml / f"{name}.xml"
        masks = self.base / "SegmentationObject" / f"{name}.png" if with_masks else None
        return VocPicture(name, xml if os.path.isfile(xml) else None, masks, place)

    def _all_xml(self):
        root = self.source.root
        for path in files_below(root if root.is_file() else self.xml, (".xml",)):
            name = _name_below(path, root.parent if root.is_file() else self.xml)
            yield VocPicture(name, path, None, place_of(path, self.root))

    def other_pictures(self, used: Collection[str]) -> Iterator[Path]:
        """The pictures that are not among these paths; only where nothing lists which are meant."""
        if self.source.root.is_dir() and not self.has_masks and self.source.split is None:
            for path in files_below(self.pictures or self.xml, PICTURE_SUFFIXES):
                if os.path.abspath(path) not in used:
                    yield path


def voc_bases(root: Path) -> List[Path]:
    """The folders with Annotations or SegmentationObject: the root, or up to two folders below it."""
    folders = [root]
    for depth in range(3):
        if depth > 0:
            folders = [below for folder in folders for below in _folders_in(folder)]
        found = [folder for folder in folders if any((folder / part).is_dir() for part in _PARTS)]
        if found:
            return found
    return []


def _folders_in(folder):
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    return [folder / name for name in sorted(names)]


def _name_below(path, folder):
    """A file's name below a folder, without its ending."""
    return path.relative_to(folder).with_suffix("").as_posix()
