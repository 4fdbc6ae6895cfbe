"""COCO-format JSON (https://cocodataset.org/#format-data) to records: polygons, compressed and uncompressed RLE, crowds.

Annotation files come from everywhere. What makes a file useless is a DataError with its path and place; a single bad annotation is
left out or mended, counted, and said in one line a kind. Nothing else is ever raised.
"""
from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import os
import re
import shlex

from src.data.masks import rle_counts, segmentation_box
from src.data.records import DataSource, Findings, check_box, check_polygon, make_record, picture_path, read_bytes
from src.data.transforms import picture_size
from src.errors import DataError

_LARGEST = 2 ** 30                                    # pixels; the largest picture that OpenCV decodes
_NUMBERS = {int, float}                               # JSON's numbers; not bool, which is an int to isinstance
_WHOLE = re.compile(r"\s*[+-]?[0-9]{1,19}\s*")


def annotation_file(config, split):
    """The annotation file of a split: for "train" coco_root's; for "val" `ann_file` if that is set, else coco_root's."""
    if split == "val" and config.ann_file:
        return config.ann_file
    data_type = config.train_data_type if split == "train" else config.val_data_type
    return os.path.join(config.coco_root, config.instance_set.replace("{}", data_type))


def picture_folder_of(config, split):
    """The folder with a split's pictures, below coco_root."""
    return os.path.join(config.coco_root, config.train_data_type if split == "train" else config.val_data_type)


def read_coco(config, split="train", ann_file=None, picture_folder=None):
    """The DataSource of a COCO-format annotation file.

    split: "train" or "val" names file and folder by the configuration; ann_file, picture_folder: instead of these.
    Labels run from 1 in the order of `coco_classes` (matched by name, so that the file may list any subset in any order), or with
    coco_classes=auto in the file's own order. Pictures keep the file's order. A size that the file lacks is read from the picture.
    Raises DataError for a file that is not COCO-like, and for names that `coco_classes` lacks, with the words to write.
    """
    path = str(ann_file or annotation_file(config, split))
    folder = str(picture_folder or picture_folder_of(config, split))
    with _no_collection():
        return _read(config, path, folder)


@contextlib.contextmanager
def _no_collection():
    """Without the garbage collector: JSON has no cycles, and looking for them in COCO's millions of numbers takes a quarter of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _read(config, path, folder):
    data = read_bytes(path, "annotation file")
    digest = hashlib.sha256(data).hexdigest()
    content = _parse(path, data)
    del data
    findings = Findings(path)
    names, category_ids, labels = _classes(path, _list_of(path, content, "categories"), config.coco_classes)
    images = _images(path, folder, _list_of(path, content, "images"), findings)
    has_annotations = content.get("annotations") is not None
    annotations = _list_of(path, content, "annotations") if has_annotations else []
    del content
    objects = _objects(annotations, images, labels, findings)
    has_masks = any(item[5] is not None and not item[2] for items in objects.values() for item in items)
    records = []
    for image_id, (picture, width, height) in images.items():
        kept = objects.pop(image_id, [])
        if has_masks:
            for item in kept:
                if item[5] is None and not item[2]:
                    findings.add("object without a usable mask in a file with masks, left out", f"annotation {item[3]}")
            kept = [item for item in kept if item[5] is not None or item[2]]
        records.append(make_record(image_id, picture, width, height, kept, has_masks))
    return DataSource(path, folder, records, names, category_ids, has_masks, has_annotations, digest, findings.report())


def _parse(path, data):
    try:
        content = json.loads(data)
    except UnicodeDecodeError as error:
        raise DataError(f"annotation file {path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    except json.JSONDecodeError as error:
        end = " (it is cut off, or empty)" if error.pos >= len(error.doc.rstrip()) - 1 else ""
        raise DataError(f"annotation file {path}: not JSON: {error.msg} at line {error.lineno} column {error.colno}{end}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"annotation file {path}: not JSON that can be read: {' '.join(str(error).split())[:120]}") from None
    if not isinstance(content, dict):
        raise DataError(f"annotation file {path}: a {type(content).__name__} at the top level; COCO's object with images, annotations "
                        "and categories expected" + (" (a result file?)" if isinstance(content, list) else ""))
    return content


def _list_of(path, content, key):
    if key not in content:
        raise DataError(f"annotation file {path}: '{key}' is missing; COCO's object with images, annotations and categories expected")
    if not isinstance(content[key], list):
        raise DataError(f"annotation file {path}: '{key}' is a {type(content[key]).__name__}, a list expected")
    return content[key]


def whole(value):
    """An id or size as an int where it is a whole number in any spelling (7, 7.0, "7") that 64 bits hold, else None."""
    if type(value) is float and value.is_integer():
        value = int(value)
    elif isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    return value if type(value) is int and -2 ** 63 <= value < 2 ** 63 else None


def _classes(path, categories, coco_classes):
    """(class names, label -> category id, category id -> label)."""
    found = {}
    for index, category in enumerate(categories):
        place = f"annotation file {path}: categories[{index}]"
        if not isinstance(category, dict) or not isinstance(category.get("name"), str) or not category["name"].strip():
            raise DataError(f"{place}: an object with an id and a name expected")
        name, category_id = category["name"].strip(), whole(category.get("id"))
        if category_id is None:
            raise DataError(f"{place}: the id of {name!r} is {_short(category.get('id'))}; a whole number expected")
        if name in found or category_id in found.values():
            raise DataError(f"{place}: the name {name!r} or the id {category_id} stands there twice; give each category its own")
        found[name] = category_id
    found.pop("background", None)          # some tools list it; nothing is ever an object of it
    if not found:
        raise DataError(f"annotation file {path}: 'categories' lists no class")
    names = ("background", *found) if coco_classes == "auto" else tuple(coco_classes)
    unknown = [name for name in found if name not in names]
    if unknown:
        word = shlex.quote("coco_classes=" + json.dumps(["background", *found], ensure_ascii=False))
        raise DataError(f"annotation file {path}: {len(unknown)} of its {len(found)} categories not in coco_classes (the first: "
                        f"{unknown[0]!r}); write {word} or coco_classes=auto")
    return names, (0, *(found.get(name) for name in names[1:])), {found[name]: label for label, name in enumerate(names) if name in found}


def _images(path, folder, images, findings):
    """{image id: (picture path, width, height)} in the file's order."""
    found = {}
    for index, image in enumerate(images):
        place = f"annotation file {path}: images[{index}]"
        if not isinstance(image, dict) or not isinstance(image.get("file_name"), str) or not image["file_name"]:
            raise DataError(f"{place}: an object with an id and a file_name expected")
        image_id = whole(image.get("id"))
        if image_id is None:
            raise DataError(f"{place}: the id of {image['file_name']!r} is {_short(image.get('id'))}; a whole number expected")
        if image_id in found:
            raise DataError(f"{place}: the image id {image_id} stands there twice; give each picture its own")
        picture = picture_path(folder, image["file_name"], place)
        width, height = whole(image.get("width")), whole(image.get("height"))
        if width is None or height is None or width < 1 or height < 1 or width * height > _LARGEST:
            try:
                height, width = picture_size(picture)
            except DataError as error:
                raise DataError(f"{place}: image {image_id} has no usable width and height, and its picture cannot tell: {error}") from None
            findings.add("picture without a usable size in the file, read from the picture", f"image {image_id}")
        found[image_id] = (picture, width, height)
    return found


def _objects(annotations, images, labels, findings):
    """{image id: [(box, label, crowd, annotation id, area, segmentation or None), ...]}; empties the list as it goes, to save memory."""
    found, seen = {}, set()
    for index, annotation in enumerate(annotations):
        annotations[index] = None
        if not isinstance(annotation, dict):
            findings.add("annotation that is not an object, left out", f"annotations[{index}]")
            continue
        annotation_id = whole(annotation.get("id"))
        place = f"annotations[{index}]" if annotation_id is None else f"annotation {annotation_id}"
        image_id, label = whole(annotation.get("image_id")), labels.get(whole(annotation.get("category_id")))
        if image_id not in images:
            findings.add("annotation of an image id that the file does not list, left out", place)
            continue
        if label is None:
            findings.add("annotation of a category id that the file does not list, left out", place)
            continue
        if annotation_id is None or annotation_id in seen:
            findings.add("annotation id missing or used twice, kept", place)
        seen.add(annotation_id)
        _, width, height = images[image_id]
        segmentation = _segmentation(annotation.get("segmentation"), width, height, findings, place)
        box, problem = _box(annotation.get("bbox"), segmentation, width, height)
        if problem:
            findings.add(problem, place)
        if box is None:
            continue
        area = annotation.get("area")
        if not (type(area) in _NUMBERS and 0 <= area < 1e18):
            area = (box[2] - box[0]) * (box[3] - box[1])
        crowd = whole(annotation.get("iscrowd", annotation.get("is_crowd"))) not in (None, 0) or annotation.get("iscrowd") is True
        found.setdefault(image_id, []).append(
            (box, label, crowd, index if annotation_id is None else annotation_id, area, segmentation))
    return found


def _box(bbox, segmentation, width, height):
    """(x1, y1, x2, y2 within the picture or None, what was wrong or None) from COCO's x, y, width, height, or from the segmentation."""
    if bbox is None and segmentation is not None:
        corners = segmentation_box(segmentation)
        return check_box(corners, width, height) if corners else (None, "object without a pixel, left out")
    if not isinstance(bbox, list) or len(bbox) != 4 or not _NUMBERS.issuperset(map(type, bbox)):
        return None, "box that is not four numbers, left out"
    try:
        x, y, w, h = map(float, bbox)
    except OverflowError:
        return None, "box that is not finite, left out"
    return check_box((x, y, x + w, y + h), width, height)


def _segmentation(segmentation, width, height, findings, place):
    """Polygons as a list of float32 arrays, or an RLE dict of the picture's size, or None."""
    if segmentation is None or segmentation == []:
        return None
    if isinstance(segmentation, list):
        if type(segmentation[0]) in _NUMBERS:            # one polygon without its list
            segmentation = [segmentation]
        polygons = [check_polygon(polygon, width, height) for polygon in segmentation]
        usable = [polygon for polygon in polygons if polygon is not None]
        if len(usable) < len(polygons):
            findings.add("polygon of under three points, of odd length, not finite or far out of the picture, left out", place)
        return usable or None
    if isinstance(segmentation, dict):
        try:
            rle_counts(segmentation)
            if [int(side) for side in segmentation["size"]] == [height, width]:
                return {"size": [height, width], "counts": segmentation["counts"]}
        except DataError:
            pass
        findings.add("RLE that is corrupt or not of the picture's size, left out", place)
        return None
    findings.add("segmentation that is neither polygons nor RLE, left out", place)
    return None


def _short(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
