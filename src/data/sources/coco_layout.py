"""COCO files in folders: which JSON files there are, and which one is a split's."""

from __future__ import annotations

from pathlib import Path
from typing import List, Sequence

from ..forms.label_files import first_files, head

_FOLDERS = ("annotations", "")  # below the root, where tools write COCO files
_LISTED = 100


def is_coco_text(text: str) -> bool:
    """Whether a JSON file begins as a COCO file: its lists may come in any order, and be long."""
    keys = sum(f'"{key}"' in text for key in ("images", "annotations", "categories", "info", "licenses"))
    fields = sum(f'"{key}"' in text for key in ("image_id", "category_id", "file_name", "supercategory"))
    return text.lstrip().startswith("{") and keys > 0 and (keys > 1 or fields > 0)


def coco_files(root: Path) -> List[Path]:
    """The COCO files of a folder, of its folder `annotations` and of the folders in it; a file: itself."""
    if root.is_file():
        return [root] if root.suffix.lower() == ".json" and is_coco_text(head(root)) else []
    paths: List[Path] = []
    for name in _FOLDERS:
        paths += [path for path in first_files(root / name, (".json",), _LISTED) if path not in paths]
    depth = len(root.parts) + 2
    return [path for path in paths if len(path.parts) <= depth and is_coco_text(head(path))]


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
    """Where the pictures of a COCO file are: a folder of the split's name, `images`, or beside the file."""
    parent = root if root.is_dir() else path.parent
    folders: List[Path] = [parent / split]
    folders += [parent / name for name in names]
    folders += [parent / "images" / name for name in (split, *names)]
    folders.append(parent / path.stem.rsplit("_", 1)[-1])  # instances_train2018
    if path.parent not in (parent, parent / "annotations"):
        folders.insert(0, path.parent)
    folders += [parent / "images", path.parent / "images"]
    return next((folder for folder in folders if folder.is_dir()), parent)
