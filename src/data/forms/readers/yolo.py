"""YOLO: a txt file for each picture, a row for each object (https://docs.ultralytics.com/datasets/segment/).

    0 0.48 0.63 0.69 0.71                      class, then the box: centre x, centre y, width, height
    0 0.681 0.485 0.670 0.487 0.676 0.487      class, then a polygon of three or more points x, y

All as shares of the picture's width and height. Classes count from 0 in the order of data.yaml's `names`. A
file may mix both kinds of rows. A picture without a label file, or with an empty one, has no objects.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence

from ....errors import DataError
from ...findings import Findings, short
from ...images.decode import picture_size
from ..items import Form, FormSource, LabelledObject, LabelledPicture
from ..label_files import read_text
from ..listing import Listing
from .parts.yolo_layout import CLASS_LISTS, YoloConfig, config_file, label_files, read_config, split_pictures

_FARTHEST = 2.0  # a share beyond it, or below 1 less than it, is no share of a picture


def _find(listing: Listing) -> Sequence[Path]:
    path = config_file(listing.root)
    labels = label_files(listing) if listing.root.is_dir() else []
    if path is not None and (labels or path.name not in CLASS_LISTS):
        return [path]
    return labels


def _files(source: FormSource) -> List[Path]:
    data_yaml = read_config(source, Findings("", collect=True))
    files = [] if data_yaml is None else [data_yaml.path]
    return files + [one.labels for one in split_pictures(source, data_yaml) if one.labels is not None]


def _splits(listing: Listing) -> List[str]:
    data_yaml = read_config(FormSource(listing.root, None, None, Path()), Findings("", collect=True))
    own = config_file(listing.root)
    return list(data_yaml.splits) if data_yaml is not None and own is not None else []


def _class_names(source: FormSource, findings: Findings) -> Optional[List[str]]:
    data_yaml = read_config(source, findings)
    if data_yaml is None:
        detail = "no data.yaml with the class names; write one, as `names: [cat, dog]`, beside the folders"
        findings.add("label_file_form", "", detail=detail)
        return None
    return [data_yaml.names[index] for index in sorted(data_yaml.names)] or None


def _read(source: FormSource, findings: Findings) -> Iterator[LabelledPicture]:
    # what is wrong with data.yaml was said for its class names
    data_yaml = read_config(source, Findings("", collect=True))
    pictures = 0
    with_labels = 0
    for one in split_pictures(source, data_yaml):
        if one.problem is not None:
            detail = f"the list of pictures: {one.problem.detail}"
            findings.add(one.problem.kind, one.problem.location, detail=detail)
            continue
        if one.picture is None:
            what = "no picture for these labels" if one.labels else "no such picture, folder or list"
            findings.add("label_picture_missing", one.place, detail=f"{what} (images/a.jpg, labels/a.txt)")
            continue
        pictures += 1
        with_labels += one.labels is not None
        yield _picture(one, data_yaml, findings)
    if pictures and not with_labels:
        detail = f"none of {pictures} pictures has labels (images/train/a.jpg: labels/train/a.txt)"
        findings.fail("file_form", source.split or "", detail)


def _picture(one, data_yaml, findings):
    """A picture with the objects of its label file."""
    try:
        height, width = picture_size(str(one.picture))
    except DataError:
        # the picture's own finding follows where its size is read again
        return LabelledPicture(str(one.picture), None, [], one.place)
    text = read_text(one.labels, one.place, findings) if one.labels is not None else None
    objects = []
    for number, line in enumerate((text or "").split("\n"), 1):
        if line and not line.isspace():
            item = _object(line, number, width, height, data_yaml, one.place, findings)
            if item is not None:
                objects.append(item)
    return LabelledPicture(str(one.picture), (width, height), objects, one.place)


def _object(line, number, width, height, data_yaml, place, findings) -> Optional[LabelledObject]:
    """The object of a row; None after a finding."""
    try:
        index, *values = map(float, line.split())
    except ValueError:
        return _bad_row(line, number, place, findings, "numbers expected")
    if not all(1 - _FARTHEST <= value <= _FARTHEST for value in values):
        if not all(map(math.isfinite, values)):
            return _bad_row(line, number, place, findings, "finite numbers expected")
        return _bad_row(line, number, place, findings, "shares of the picture expected, from 0 to 1")
    if data_yaml is not None and data_yaml.has_keypoints:
        values = values[:4]
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        detail = (
            f"{len(values)} numbers after the class; 4 of a box, or pairs x, y of 3 or more points expected"
        )
        return _bad_row(line, number, place, findings, detail)
    name = _class_name(index, data_yaml, f"{place}: line {number}", findings)
    if name is None:
        return None
    where = f"line {number}"
    if len(values) > 4:
        values[0::2] = [value * width for value in values[0::2]]
        values[1::2] = [value * height for value in values[1::2]]
        return LabelledObject(name, None, [values], where)
    x, y, w, h = values
    left = (x - w / 2) * width
    right = (x + w / 2) * width
    top = (y - h / 2) * height
    bottom = (y + h / 2) * height
    outline = [left, top, right, top, right, bottom, left, bottom]
    return LabelledObject(name, (left, top, right, bottom), [outline], where, is_box=True)


def _bad_row(line, number, place, findings, detail):
    findings.add("label_shape", f"{place}: line {number}", detail=f"{detail}: {short(line.strip())}")


def _class_name(
    index: float, data_yaml: Optional[YoloConfig], place: str, findings: Findings
) -> Optional[str]:
    names: Dict[int, str] = {} if data_yaml is None else data_yaml.names
    if not names and index.is_integer():
        return f"class_{index:.0f}"
    name = names.get(int(index)) if index.is_integer() else None
    if name is None:
        detail = f"class {index:g}; {data_yaml.path.name if data_yaml else 'data.yaml'} has {_listed(names)}"
        findings.add("category_unlisted", place, detail=detail)
    return name


def _listed(names):
    return ", ".join(f"{index}: {name}" for index, name in sorted(names.items())[:5]) + (
        f", ... ({len(names)} in all)" if len(names) > 5 else ""
    )


FORM = Form(
    name="yolo", title="YOLO", find=_find, files=_files, read=_read, splits=_splits, class_names=_class_names
)
