"""What a conversion depends on: one of other settings or pictures has to be made anew."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from typing import Any, Dict, Iterator, Optional

from ...config import Config
from ..annotations.source_paths import annotation_path, picture_folder_path, read_annotation_file
from ..annotations.txt_rows import split_txt_row
from .manifest import FORMAT


@dataclass(frozen=True)
class ConversionInputs:
    """What a conversion depends on.

    Attributes:
        settings: as of `conversion_settings`.
        pictures_digest: as of `pictures_digest`.
    """

    settings: Dict[str, Any]
    pictures_digest: Optional[str] = None

    @property
    def digest(self) -> str:
        """A digest of the settings, 16 hexadecimal digits: the default folder's name."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:16]


def conversion_inputs(config: Config) -> ConversionInputs:
    """What a conversion of the configuration's training data depends on."""
    return ConversionInputs(conversion_settings(config), pictures_digest(config))


def conversion_settings(config: Config) -> Dict[str, Any]:
    """What a conversion's rows depend on besides the pictures, as it is kept in the manifest.

    It is the annotation file's content and the settings that choose objects.
    """
    data = read_annotation_file(annotation_path(config))
    return {
        "format": FORMAT,
        "dataset": config.dataset,
        "annotations": hashlib.sha256(data).hexdigest(),
        "coco_classes": config.coco_classes if config.coco_classes == "auto" else list(config.coco_classes),
        "max_instance_count": config.max_instance_count,
        "keep_empty": config.keep_empty,
    }


def pictures_digest(config: Config) -> Optional[str]:
    """A digest of the picture files' names and sizes.

    None where their folder is gone, as where a user keeps only the shards.
    """
    root = picture_folder_path(config)
    if not os.path.isdir(root):
        return None
    files = _files_in(root) if config.dataset == "coco" else _files_of_txt(config, root)
    names_and_sizes = set()
    for file in files:
        # a missing picture is reported when it is read
        with contextlib.suppress(OSError, ValueError):
            names_and_sizes.add((os.path.relpath(file, root), os.stat(file).st_size))
    return hashlib.sha256(json.dumps(sorted(names_and_sizes)).encode()).hexdigest()


def _files_in(root: str) -> Iterator[str]:
    """The files of a folder and its subfolders, without hidden ones."""
    for folder, _, names in os.walk(root):
        for name in names:
            if not name.startswith("."):
                yield os.path.join(folder, name)


def _files_of_txt(config: Config, root: str) -> Iterator[str]:
    """The pictures that a txt annotation file lists."""
    lines = read_annotation_file(annotation_path(config)).decode("utf-8-sig", "replace").split("\n")
    for line in lines:
        if line.strip():
            yield os.path.join(root, split_txt_row(line)[0])
