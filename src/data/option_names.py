"""What messages tell a user to write: the keys of a configuration, or the options of another command."""

from __future__ import annotations

from typing import NamedTuple


class OptionNames(NamedTuple):
    """How a command is told what the readers of labels need. The defaults are the configuration's keys.

    Attributes:
        form: before the name of a form.
        txt: the name of the form of txt rows.
        found: before a message about the form that was looked for, as nobody named one.
        pictures: before the folder of the pictures.
        train_labels, val_labels: what is said for another file or folder of labels, with {} for it.
        train_split, val_split: before the name of a split.
        skip_pictures: leaves out pictures that cannot be used.
    """

    form: str = "dataset="
    txt: str = "other"
    found: str = "dataset=auto: "
    pictures: str = "IMAGE_DIR="
    train_labels: str = "write ANNO_PATH={}"
    val_labels: str = "write ann_file={}"
    train_split: str = "train_data_type="
    val_split: str = "val_data_type="
    skip_pictures: str = "bad_pictures=skip"


KEYS = OptionNames()
