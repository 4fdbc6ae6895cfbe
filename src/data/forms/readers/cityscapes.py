"""Cityscapes' pictures of instance ids (https://github.com/mcordts/cityscapesScripts), and data like it.

    gtFine/train/aachen/aachen_000000_000019_gtFine_instanceIds.png         16 bits
    leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png           CVAT: imgsFine/leftImg8bit/...

A value from 1000 on is an object: its class's id * 1000 + a number. A smaller one is the class's id: of a
group whose objects nobody could tell apart, which becomes a crowd, or of what has no objects (road, sky).
Classes are Cityscapes' own eight; caravans and trailers, which its evaluation ignores, are left out. Other
classes stand beside gtFine, and 0 is no object then: in label_colors.txt (CVAT: rows "red green blue name",
ids from 0 by row) or in dataset_meta.json (Datumaro: {"label_map": {"1": "name"}}).
"""

from __future__ import annotations

import os
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ....errors import DataError
from ...findings import Findings, short
from ...picture_suffixes import PICTURE_SUFFIXES
from ..id_images import load_ahead
from ..items import Form, FormSource, LabelledObject, LabelledPicture
from ..label_files import LOOKED_AT, files_below, place_of, read_json, read_text
from ..listing import Listing
from ..mask_files import IdMask, id_rles, picture_size_if_readable, read_mask, size_problem

_ENDING = "_instanceIds.png"
_GROUND_TRUTH = ("gtFine", "gtCoarse")
_PICTURES = ("leftImg8bit", "imgsFine/leftImg8bit")
_PICTURE_ENDING = "_leftImg8bit"
_CLASSES = {
    **{24: "person", 25: "rider", 26: "car", 27: "truck", 28: "bus"},
    **{31: "train", 32: "motorcycle", 33: "bicycle"},
}
_IGNORED = {29: "caravan", 30: "trailer"}
_CROWDS_BELOW = 1000
_LABEL_FILES = ("label_colors.txt", "label_color.txt", "dataset_meta.json")
_LISTED = 5_000  # files that are listed to tell the form


class _Table(NamedTuple):
    """The classes.

    Attributes:
        names: {id: name}.
        is_own: whether they are Cityscapes' own, of which other ids have no objects.
    """

    names: Dict[int, str]
    is_own: bool


def _find(listing: Listing) -> Sequence[Path]:
    paths = listing.first_files((".png",), _LISTED)
    return list(islice((path for path in paths if path.name.endswith(_ENDING)), LOOKED_AT))


def _ground_truth(root: Path) -> Path:
    """The folder of the splits."""
    return next((root / name for name in _GROUND_TRUTH if (root / name).is_dir()), root)


def _splits(listing: Listing) -> List[str]:
    folder = _ground_truth(listing.root)
    if folder == listing.root:
        return []
    below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    # gtFine/train has cities; without splits gtFine has them itself
    splits = [path.name for path in below if any(one.is_dir() for one in path.iterdir())]
    return [name for name in splits if name != "default"]  # CVAT's name of what has none


def _files(source: FormSource) -> List[Path]:
    folder = _ground_truth(source.root) / (source.split or "")
    return [path for path in files_below(folder, (".png",)) if path.name.endswith(_ENDING)]


def _top(path: Path, root: Path) -> Path:
    """The folder gtFine that holds a folder, which may be above the source; `root` where there is none."""
    return next((one for one in (path, *path.parents) if one.name in _GROUND_TRUTH), root)


def _label_file(source: FormSource) -> Optional[Path]:
    folders = (source.root, _top(source.root.absolute(), source.root / "gtFine").parent)
    paths = [folder / name for folder in folders for name in _LABEL_FILES]
    return next((path for path in paths if path.is_file()), None)


def _table(source: FormSource, findings: Findings) -> _Table:
    path = _label_file(source)
    if path is None:
        return _Table(_CLASSES, True)
    place = place_of(path, source.root)
    names = _from_json(path, place, findings) if path.suffix == ".json" else _from_rows(path, place, findings)
    names.pop(0, None)
    return _Table(names, False)


def _from_json(path, place, findings) -> Dict[int, str]:
    content = read_json(path, place, findings)
    label_map = content.get("label_map") if isinstance(content, dict) else None
    if content is None:
        return {}
    if not isinstance(label_map, dict) or not all(
        key.isascii() and key.isdecimal() and len(key) < 10 and isinstance(name, str) and name.strip()
        for key, name in label_map.items()
    ):
        detail = f"'label_map' with names by their ids expected, not {short(label_map)}"
        findings.add("label_file_form", place, detail=detail)
        return {}
    return {int(key): name.strip() for key, name in label_map.items()}


def _from_rows(path, place, findings) -> Dict[int, str]:
    names: Dict[int, str] = {}
    text = read_text(path, place, findings) or ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = line.split(None, 3)
        if len(words) < 4 or not all(word.isascii() and word.isdecimal() for word in words[:3]):
            detail = f"a row 'red green blue name' expected, not {short(line)}"
            findings.add("label_file_form", f"{place}: line {number}", detail=detail)
        else:
            names[len(names)] = words[3].strip()
    return names


def _class_names(source: FormSource, findings: Findings) -> Optional[List[str]]:
    # reading the pictures says what is wrong with the table
    names = _table(source, Findings("", collect=True)).names
    return list(dict.fromkeys(names[number] for number in sorted(names)))


def _read(source: FormSource, findings: Findings) -> Iterator[LabelledPicture]:
    table = _table(source, findings)
    files = ((path, _picture_path(path, source)) for path in _files(source))
    loaded = load_ahead(lambda one: (*one, *_load(*one)), files)
    with closing(loaded) as pictures:
        for path, picture, size, masks in pictures:
            yield _picture(path, picture, size, masks, table, source, findings)


def _load(path: Path, picture: Optional[Path]) -> Tuple[Optional[Tuple[int, int]], object]:
    """((width, height) of the picture, its IdMasks or what is wrong with their file); called by threads."""
    size = None if picture is None else picture_size_if_readable(picture)
    try:
        return size, id_rles(read_mask(path))
    except DataError as error:
        return size, str(error)


def _picture_path(path: Path, source: FormSource) -> Optional[Path]:
    """The picture of a file of ids."""
    stem = path.name[: -len(_ENDING)]
    stem = next((stem[: -len(name) - 1] for name in _GROUND_TRUTH if stem.endswith("_" + name)), stem)
    top = _top(path.parent, source.root)
    below = path.parent.relative_to(top)
    if source.pictures is None:
        folders = [*(top.parent / name / below for name in _PICTURES), path.parent]
    else:
        folders = [source.pictures / below, source.pictures / path.parent.name, source.pictures]
    for folder in folders:
        for name in (stem + _PICTURE_ENDING, stem):
            for suffix in (".png", *PICTURE_SUFFIXES):
                if os.path.isfile(folder / (name + suffix)):  # its name may be too long
                    return folder / (name + suffix)
    return None


def _picture(path, picture, size, masks, table, source, findings) -> LabelledPicture:
    place = place_of(path, source.root)
    if picture is None:
        detail = f"no picture of it in {' or '.join(_PICTURES)}; name the folder with "
        detail += f"{findings.options.pictures}FOLDER"
        findings.add("label_picture_missing", place, detail=detail)
        return LabelledPicture("", None, [], place)
    if isinstance(masks, str):
        findings.add("label_file_syntax", place, detail=masks)
        return LabelledPicture("", None, [], place)
    if masks:
        height, width = masks[0].rle["size"]
        problem = size_problem((height, width), size, picture.name)
        if problem:
            findings.add("mask_size", place, detail=problem)
            return LabelledPicture("", None, [], place)
        size = (width, height)
    objects = [
        found for found in (_object(one, table, place, findings) for one in masks) if found is not None
    ]
    return LabelledPicture(str(picture), size, objects, place)


def _object(mask: IdMask, table: _Table, place: str, findings: Findings) -> Optional[LabelledObject]:
    """The object of a value; None where it stands for none."""
    is_crowd = mask.value < _CROWDS_BELOW
    number = mask.value if is_crowd else mask.value // _CROWDS_BELOW
    where = f"id {mask.value}"
    name = table.names.get(number)
    if name is not None:
        return LabelledObject(name, None, mask.rle, where, crowd=is_crowd)
    if table.is_own and number in _IGNORED:
        findings.add("label_ignored", f"{place}: {where}", detail=_IGNORED[number])
    elif not (is_crowd and table.is_own):
        findings.add("label_shape", f"{place}: {where}", detail=f"no class has the id {number}")
    return None


FORM = Form(
    name="cityscapes",
    title="Cityscapes' instance ids",
    find=_find,
    files=lambda source: [*filter(None, [_label_file(source)]), *_files(source)],
    read=_read,
    splits=_splits,
    class_names=_class_names,
)
