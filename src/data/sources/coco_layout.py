"""COCO files in folders: which JSON files there are, and which one is a split's."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import List, Optional, Sequence

from ..annotations.mending.picture_names import leads_out
from ..forms.label_files import HEAD, first_files, head, tail
from ..forms.listing import Listing

_FOLDER = "annotations"  # below the root, where tools write COCO files
_LISTED = 100
_FIELDS = ("image_id", "category_id", "file_name", "supercategory", "synset")
_LIST = re.compile('"(images|annotations)"')
_FILE_NAME = re.compile(r'"file_name"\s*:\s*("(?:[^"\\]|\\.)*")')
_LVIS_FOLDERS = ("train2017", "val2017", "test2017")


def is_coco_text(text: str) -> bool:
    """Whether a JSON file begins as a COCO file: its lists may come in any order, and be long."""
    keys = sum(f'"{key}"' in text for key in ("images", "annotations", "categories", "info", "licenses"))
    fields = sum(f'"{key}"' in text for key in _FIELDS)
    return text.lstrip().startswith("{") and keys > 0 and (keys > 1 or fields > 0)


def _is_coco_file(path: Path) -> bool:
    text = head(path)
    # Label Studio has a notes.json with the classes beside YOLO's files
    is_whole = len(text.encode("utf-8", "replace")) < HEAD
    return is_coco_text(text) and not (is_whole and not _LIST.search(text))


def coco_files(listing: Listing) -> List[Path]:
    """The COCO files of a folder, of its folder `annotations` and of the folders in it; a file: itself."""
    root = listing.root
    if root.is_file():
        return [root] if root.suffix.lower() == ".json" and _is_coco_file(root) else []
    paths = first_files(root / _FOLDER, (".json",), _LISTED)
    paths += [path for path in listing.first_files((".json",), _LISTED) if path not in paths]
    depth = len(root.parts) + 2
    return [path for path in paths if len(path.parts) <= depth and _is_coco_file(path)]


def is_lvis(path: Path) -> bool:
    """Whether a COCO file is one of LVIS (https://www.lvisdataset.org/dataset).

    Its images say which classes were looked for, its categories how frequent they are. Either may come last,
    after a gigabyte of annotations.
    """
    keys = ("neg_category_ids", "not_exhaustive_category_ids", "synset")
    text = head(path) + tail(path)
    return any(f'"{key}"' in text for key in keys)


def lvis_folder(path: Path, root: Path) -> Optional[Path]:
    """The folder with COCO's train2017 and val2017, in both of which an LVIS file has pictures."""
    folders = [root, root / "images", path.parent, path.parent.parent]
    return next((one for one in folders if any((one / name).is_dir() for name in _LVIS_FOLDERS)), None)


def named_files(paths: Sequence[Path], names: Sequence[str]) -> List[Path]:
    """The files whose name, or whose folder's name, has one of these words as a part."""
    found = []
    for path in paths:
        words = path.stem.replace("-", "_").replace(".", "_").lower().split("_")
        words += [word.rstrip("0123456789") for word in words]  # train2018
        if {*words, path.parent.name.lower()} & {name.lower() for name in names}:
            found.append(path)
    return found


def picture_folder(path: Path, root: Path, split: str, names: Sequence[str]) -> Path:
    """Where the pictures of a COCO file are: a folder of the split's name, `images`, or beside the file.

    Of these the one that has the file's first picture, or else the first that is there.
    """
    parent = root if root.is_dir() else path.parent
    folders: List[Path] = [parent / split]
    folders += [parent / name for name in names]
    folders += [parent / "images" / name for name in (split, *names)]
    folders.append(parent / path.stem.rsplit("_", 1)[-1])  # instances_train2018
    if path.parent not in (parent, parent / "annotations"):
        folders.insert(0, path.parent)
    # CVAT has the pictures of instances_default.json in images/default
    folders += [parent / "images" / path.stem.partition("_")[2]]
    folders += [parent / "images", path.parent / "images"]
    present = [folder for folder in folders if folder.is_dir()]
    name = _first_name(path)
    # Label Studio has images/a.jpg for what is in the folder images beside the file
    with_it = (folder for folder in (*present, parent, path.parent) if name and os.path.isfile(folder / name))
    return next(with_it, next(iter(present), parent))


def _first_name(path: Path) -> str:
    """The name of a picture that a COCO file has; "" where none is found without reading all of it."""
    for text in (head(path), tail(path)):
        found = _FILE_NAME.search(text)
        if found is not None:
            try:
                name = json.loads(found.group(1), strict=False).replace("\\", "/")
            except ValueError:
                continue
            return "" if leads_out(name) else name
    return ""
