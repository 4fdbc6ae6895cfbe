"""The data set and its conversion."""

from __future__ import annotations

from .coco_classes import COCO_CLASSES
from .key import Key

DATASET_FORMS = (
    "auto",
    "coco",
    "other",
    "labelme",
    "yolo",
    "voc",
    "label_studio",
    "via",
    "cvat",
    "cityscapes",
    "masks",
    "supervisely",
)

KEYS = (
    Key(
        "dataset",
        "coco",
        "form of the annotations: 'coco' (JSON), 'other' (txt), a labelling tool's, or 'auto' to find it out",
        choices=DATASET_FORMS,
        stored=True,
    ),
    Key(
        "mindrecord_dir",
        None,
        "folder of the MindRecord files; not set: ./mindrecord/<digest of source and settings>",
        kind=str,
        per_host=True,
        path=True,
        in_graph=False,
    ),
    Key(
        "shard_mb",
        None,
        "size of a MindRecord file in MB, about; not set: a 64th of the data, at least 128",
        kind=float,
        above=0,
        in_graph=False,
    ),
    Key("coco_root", "./data", "folder of a COCO-format data set", per_host=True, path=True, in_graph=False),
    Key(
        "train_data_type",
        "train2017",
        "picture folder and annotation name of the training split",
        in_graph=False,
    ),
    Key("val_data_type", "val2017", "the same of the evaluation split", in_graph=False),
    Key(
        "instance_set",
        "annotations/instances_{}.json",
        "annotation file below coco_root",
        path=True,
        in_graph=False,
    ),
    Key(
        "ann_file",
        None,
        "annotations to evaluate, instead of the evaluation split's",
        kind=str,
        per_call=True,
        path=True,
        in_graph=False,
    ),
    Key(
        "IMAGE_DIR",
        None,
        "folder of the pictures: the txt file's paths start there; a tool's form: where they are elsewhere",
        kind=str,
        per_host=True,
        path=True,
        in_graph=False,
    ),
    Key(
        "ANNO_PATH",
        None,
        "the txt file; a tool's form: file or folder of its labels, instead of coco_root",
        kind=str,
        per_host=True,
        path=True,
        in_graph=False,
    ),
    Key("keep_empty", False, "train on pictures without objects too", stored=True),
    Key(
        "check_data",
        "full",
        "check of the data before it is converted: 'full' decodes every picture, 'quick' reads their "
        "headers and ends, 'off' the annotations alone",
        choices=("full", "quick", "off"),
        in_graph=False,
    ),
    Key(
        "bad_pictures",
        "error",
        "'error': a picture that cannot be used ends the run before its first step; 'skip': it is left "
        "out, and said",
        choices=("error", "skip"),
        in_graph=False,
    ),
    Key(
        "num_parallel_workers",
        2,
        "processes that convert and prepare pictures",
        low=1,
        per_host=True,
        per_call=True,
        in_graph=False,
    ),
    Key(
        "coco_classes",
        COCO_CLASSES,
        "class names, 'background' first; 'auto': the JSON's",
        kind=("auto", (str,)),
        network=True,
        stored=True,
    ),
    Key("num_classes", 81, "classes with the background; follows from coco_classes", low=2),
)
