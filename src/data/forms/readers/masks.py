"""Pictures with mask files: one with the ids of all objects, or one for each object.

    images/cat.jpg   masks/cat.png             one value for each object, 0 is none
    images/cat.jpg   masks/dog/cat.png         the same, objects of the class `dog`
    images/cat.jpg   masks/cat/1.png           one file for each object, what is not 0 is the object
    images/cat.jpg   masks/cat/dog/1.png       the same, of the class `dog`
    cat/images/cat.png  cat/masks/1.png        as the Data Science Bowl of 2018 has them; masks/dog/1.png too

The folders may be called image, img, imgs and mask, mask files may end in _mask or _masks, and both folders
may have the same folders in them; those called train, val and the like are splits. A class comes from
a folder's name; without one, it is the only class of coco_classes, or "object".
"""

from __future__ import annotations

import os
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ....errors import DataError
from ...findings import Findings
from ...picture_suffixes import PICTURE_SUFFIXES
from ..id_images import load_ahead
from ..items import Form, FormSource, LabelledObject, LabelledPicture
from ..label_files import LOOKED_AT, files_below, first_files, place_of
from ..listing import Listing
from ..mask_files import (
    MASK_SUFFIXES,
    IdMask,
    id_rles,
    object_rle,
    picture_size_if_readable,
    read_mask,
    size_problem,
    value_text,
)

_PICTURE_FOLDERS = ("images", "image", "imgs", "img")
_MASK_FOLDERS = ("masks", "mask")
_ENDINGS = ("_masks", "_mask")
_CLASS = "object"
_SPLITS = ("train", "val", "valid", "validation", "test", "training")
_PAIRS = 500  # of folders of pictures and masks that are looked at to tell the form


class MaskFile(NamedTuple):
    """A mask file.

    Attributes:
        path: of the file.
        class_name: from its folder; None: it has none.
        is_object: whether all of it is one object.
    """

    path: Path
    class_name: Optional[str]
    is_object: bool


class _Unit(NamedTuple):
    """A folder of pictures and the folder of their masks."""

    pictures: Path
    masks: Path


class _ReadMasks(NamedTuple):
    """What was read of a picture's mask files.

    Attributes:
        size: (width, height) of the picture; None where it cannot be read.
        masks: of each mask file what it holds, or the text of what is wrong with it.
    """

    size: Optional[Tuple[int, int]]
    masks: List[object]


def _units(source: FormSource) -> Iterator[_Unit]:
    """The pairs of folders of a source."""
    root = source.root
    own = _pair(root)
    if source.pictures is not None:
        folder = next((root / name for name in _MASK_FOLDERS if (root / name).is_dir()), root)
        yield _Unit(source.pictures, folder)
    elif source.split is not None and own is not None:
        yield _Unit(own.pictures / source.split, own.masks / source.split)
    else:
        yield from _units_below(Listing(root))


def _pair(folder: Path) -> Optional[_Unit]:
    """The pictures and masks directly in a folder."""
    pictures = next((folder / name for name in _PICTURE_FOLDERS if (folder / name).is_dir()), None)
    masks = next((folder / name for name in _MASK_FOLDERS if (folder / name).is_dir()), None)
    return None if pictures is None or masks is None else _Unit(pictures, masks)


def _units_below(listing: Listing) -> Iterator[_Unit]:
    """The pairs of a source; within one there is no other."""
    outer = None
    for folder in listing.folders():
        is_within = outer is not None and folder.path.startswith(outer)
        if not is_within and set(folder.folders) & set(_MASK_FOLDERS):
            unit = _pair(Path(folder.path))
            if unit is not None:
                yield unit
                outer = os.path.join(folder.path, "")


def _find(listing: Listing) -> Sequence[Path]:
    found: List[Path] = []
    for unit in islice(_units_below(listing), _PAIRS):
        if first_files(unit.pictures, PICTURE_SUFFIXES, 1):
            found += first_files(unit.masks, MASK_SUFFIXES)
        if len(found) >= LOOKED_AT:
            break
    return found[:LOOKED_AT]


def _splits(listing: Listing) -> List[str]:
    own = _pair(listing.root)
    if own is None:
        return []
    return [name for name in _SPLITS if (own.pictures / name).is_dir() and (own.masks / name).is_dir()]


def _files(source: FormSource) -> List[Path]:
    return [path for unit in _units(source) for path in files_below(unit.masks, MASK_SUFFIXES)]


def _read(source: FormSource, findings: Findings) -> Iterator[LabelledPicture]:
    labelled = (one for unit in _units(source) for one in _labelled_pictures(unit, source, findings))
    # the files are read by threads, and what is wrong with them is said here, in their order
    loaded = load_ahead(lambda one: (one, _load(*one)), labelled)
    with closing(loaded) as pictures:
        for (path, files), read in pictures:
            yield _picture(path, files, read, source, findings)


def _labelled_pictures(
    unit: _Unit, source: FormSource, findings: Findings
) -> Iterator[Tuple[Path, List[MaskFile]]]:
    """The pictures of a unit that have labels, each with its mask files."""
    pictures: Dict[Tuple[str, ...], Path] = {}
    for path in files_below(unit.pictures, PICTURE_SUFFIXES):
        pictures.setdefault(_key(path, unit.pictures), path)
    masks: Dict[Tuple[str, ...], List[MaskFile]] = {key: [] for key in pictures}
    for path in files_below(unit.masks, MASK_SUFFIXES):
        found = _assigned(path, unit, pictures)
        if found is None:
            detail = f"no picture for this mask in {unit.pictures}"
            findings.add("label_picture_missing", place_of(path, source.root), detail=detail)
        else:
            masks[found[0]].append(found[1])
    is_single = len(pictures) == 1
    for key, path in pictures.items():
        if masks[key] or is_single or unit.masks.joinpath(*key).is_dir():
            yield path, masks[key]
        else:
            findings.add("picture_unlabelled", place_of(path, source.root))


def _key(path: Path, folder: Path) -> Tuple[str, ...]:
    """A file's path below a folder without its ending."""
    return path.relative_to(folder).with_suffix("").parts


def _assigned(path: Path, unit: _Unit, pictures) -> Optional[Tuple[Tuple[str, ...], MaskFile]]:
    """(the key of a mask's picture, the MaskFile); None where it has no picture."""
    key = _key(path, unit.masks)
    ending = next((ending for ending in _ENDINGS if key[-1].endswith(ending)), "")
    for name in (key, (*key[:-1], key[-1][: len(key[-1]) - len(ending)])):
        if name in pictures:
            return name, MaskFile(path, None, False)
        if key[:-1] not in pictures and key[:-2] not in pictures and name[1:] in pictures:
            return name[1:], MaskFile(path, key[0], False)
    if key[:-1] in pictures:
        return key[:-1], MaskFile(path, None, True)
    if key[:-2] in pictures:
        return key[:-2], MaskFile(path, key[-2], True)
    if len(pictures) == 1 and len(key) <= 2:
        # a folder for each picture: its name does not matter
        return next(iter(pictures)), MaskFile(path, key[0] if len(key) == 2 else None, True)
    return None


def _load(path: Path, files: List[MaskFile]) -> _ReadMasks:
    """Read a picture's mask files; called by threads."""
    masks: List[object] = []
    for file in files:
        try:
            values = read_mask(file.path)
            masks.append(object_rle(values) if file.is_object else id_rles(values))
        except DataError as error:
            masks.append(str(error))
    return _ReadMasks(picture_size_if_readable(path), masks)


def _picture(
    path: Path, files: List[MaskFile], read: _ReadMasks, source: FormSource, findings: Findings
) -> LabelledPicture:
    """The picture of what was read."""
    place = place_of(path, path.parent.parent if source.pictures else source.root)
    objects: List[LabelledObject] = []
    used = str(path)
    for file, masks in zip(files, read.masks):
        where = place_of(file.path, source.root)
        if isinstance(masks, str):
            findings.add("label_file_syntax", where, detail=masks)
            continue
        rles = [masks] if file.is_object else [one.rle for one in masks]
        problems = [size_problem(rle["size"], read.size, place) for rle in rles]
        if any(problems):
            findings.add("mask_size", where, detail=next(filter(None, problems)))
            used = ""
        elif file.is_object:
            objects.append(LabelledObject(file.class_name or source.class_name or _CLASS, None, masks, where))
        else:
            objects += _id_objects(file, masks, where, source, findings)
    size = read.size
    if objects and size is not None:
        height, width = objects[0].segmentation["size"]
        size = (width, height)
    return LabelledPicture(used, size, objects, place)


def _id_objects(
    file: MaskFile, masks: List[IdMask], where: str, source: FormSource, findings: Findings
) -> Iterator[LabelledObject]:
    for mask in masks:
        place = f"{where} {value_text(mask.value)}"
        if mask.parts is not None and mask.parts > 1:
            findings.add("mask_one_value", place, detail=f"{mask.parts} parts")
        yield LabelledObject(file.class_name or source.class_name or _CLASS, None, mask.rle, place)


FORM = Form(
    name="masks", title="pictures with mask files", find=_find, files=_files, read=_read, splits=_splits
)
