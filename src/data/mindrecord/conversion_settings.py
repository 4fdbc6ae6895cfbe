"""What a conversion depends on: a conversion of other settings or pictures is not taken for this one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os

from ..annotations.source_paths import annotation_path, read_annotation_file
from ..annotations.txt_rows import split_txt_row
from .manifest import FORMAT


def conversion_settings(config):
    """What a conversion's rows depend on, as a JSON-like dict: the annotation file's content and the settings
    that choose objects.
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


def pictures_digest(config):
    """A digest of the picture files' names and sizes.

    None where their folder is gone, as after keeping the shards alone.
    """
    root = (
        config.IMAGE_DIR
        if config.dataset != "coco"
        else os.path.join(config.coco_root, config.train_data_type)
    )
    if not os.path.isdir(root):
        return None
    if config.dataset == "coco":
        files = (
            os.path.join(folder, name)
            for folder, _, names in os.walk(root)
            for name in names
            if not name.startswith(".")
        )
    else:
        lines = read_annotation_file(annotation_path(config)).decode("utf-8-sig", "replace").split("\n")
        files = (os.path.join(root, split_txt_row(line)[0]) for line in lines if line.strip())
    found = set()
    for file in files:
        with contextlib.suppress(OSError, ValueError):  # a missing picture is named when it is read
            found.add((os.path.relpath(file, root), os.stat(file).st_size))
    return hashlib.sha256(json.dumps(sorted(found)).encode()).hexdigest()
