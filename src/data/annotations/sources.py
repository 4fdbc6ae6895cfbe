"""One way to annotations, whatever the data set's form: `read_source`, and the class names that come with it."""

from __future__ import annotations

from ...errors import ConfigError
from .coco_reader import annotation_file, picture_folder_of, read_coco
from .txt_reader import annotation_txt, read_txt


def read_source(config, split="train", findings=None):
    """The DataSource of a split ("train" or "val") in the form that `dataset` names: COCO JSON, or txt for 'other'.

    findings: a Findings to fill instead of logging (see the readers).
    """
    return (read_coco if config.dataset == "coco" else read_txt)(config, split, findings=findings)


def source_file(config, split="train"):
    """The annotation file (a path) that `read_source` reads."""
    return annotation_file(config, split) if config.dataset == "coco" else annotation_txt(config, split)


def source_folder(config, split="train"):
    """The folder that the annotation file's picture names start from."""
    return picture_folder_of(config, split) if config.dataset == "coco" else config.IMAGE_DIR


def resolve_classes(config, source):
    """The configuration with the class names of the data in the place of coco_classes=auto; unchanged where names are written.

    source: anything with `class_names`, a DataSource or a Manifest. Raises ConfigError if num_classes was written and differs.
    """
    if config.coco_classes != "auto":
        return config
    count = len(source.class_names)
    if "num_classes" in config.written and config.num_classes != count:
        raise ConfigError(
            f"num_classes={config.num_classes} contradicts coco_classes=auto, which finds {count} names with the background: "
            "leave it out or change the other"
        )
    return config.replace(coco_classes=tuple(source.class_names), num_classes=count)
