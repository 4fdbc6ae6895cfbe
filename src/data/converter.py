"""Annotations and pictures to MindRecord shards with a manifest: `ensure_mindrecord`, which training calls before anything else.

Shards are written into a folder beside the final one, which is renamed when everything is there: a conversion is whole or it is
not there. One process at a time converts a folder; others that want it wait for its lock and find it done.
"""
from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import json
import logging
import os
import shutil
import sqlite3
import sys
import time
import zlib
from pathlib import Path

import numpy as np
from tqdm import tqdm

from src.data.masks import crop_rle
from src.data.records import read_bytes
from src.data.shards import FORMAT, ROW_EXTRA, ROW_TYPE, ROWS, Manifest, Objects, load_manifest, pack_objects, row_bytes
from src.data.sources import read_source, source_file
from src.data.transforms import check_header
from src.errors import DataError

logger = logging.getLogger("maskrcnn.data")

_HEADER = 1 << 16                    # bytes before a shard's first page; its page table stays well below with the limits that follow
_SHARD_BYTES, _SHARD_ROWS, _GROUP = 1 << 30, 1 << 14, 32
_LARGEST_PAGE = 1 << 28              # MindRecord's limit, and so a picture's


def ensure_mindrecord(config, rank=0):
    """(folder Path, Manifest) of the training data as MindRecord; converts first where no whole conversion is there.

    The folder is `mindrecord_dir`, or ./mindrecord/<digest of source and settings>. Ranks may call this at once: one converts, the
    others wait. Raises DataError for data that cannot be converted, and where `mindrecord_dir` holds other data: with another source or
    setting it names what differs.
    """
    settings = conversion_settings(config)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    folder = Path(config.mindrecord_dir or os.path.join("mindrecord", digest))
    pictures = _pictures_digest(config)
    manifest = _usable(folder, settings, pictures, config)
    if manifest is None:
        with _lock(folder):
            manifest = _usable(folder, settings, pictures, config)
            if manifest is None:
                source = read_source(config)
                manifest = convert(source, folder, config, settings, digest, pictures, quiet=rank != 0)
    return folder, manifest


def conversion_settings(config):
    """What a conversion's rows depend on, as a JSON-like dict: the annotation file's content and the settings that choose objects."""
    data = read_bytes(source_file(config), "annotation file")
    return {"format": FORMAT, "dataset": config.dataset, "annotations": hashlib.sha256(data).hexdigest(),
            "coco_classes": config.coco_classes if config.coco_classes == "auto" else list(config.coco_classes),
            "max_instance_count": config.max_instance_count, "keep_empty": config.keep_empty}


def _pictures_digest(config):
    """A digest of the picture files' names and sizes; None where their folder is gone, as after keeping the shards alone."""
    root = config.IMAGE_DIR if config.dataset != "coco" else os.path.join(config.coco_root, config.train_data_type)
    if not os.path.isdir(root):
        return None
    if config.dataset == "coco":
        files = (os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names if not name.startswith("."))
    else:
        lines = read_bytes(source_file(config), "annotation file").decode("utf-8-sig", "replace").splitlines()
        files = (os.path.join(root, line.split()[0]) for line in lines if line.strip())
    found = set()
    for file in files:
        with contextlib.suppress(OSError, ValueError):         # a missing picture is named when it is read
            found.add((os.path.relpath(file, root), os.stat(file).st_size))
    return hashlib.sha256(json.dumps(sorted(found)).encode()).hexdigest()


def _usable(folder, settings, pictures, config):
    """The manifest of a whole conversion of this data, None where one has to be made; DataError where other data is in the way."""
    manifest = load_manifest(folder)
    if manifest is None:
        found = os.listdir(folder) if folder.is_dir() else []
        strange = [name for name in found if "mindrecord" not in name.lower() and name != ROWS]
        if strange:
            raise DataError(f"mindrecord_dir={folder} holds other files ({strange[0]}) and no whole conversion; name a new or empty folder")
        return None
    wanted = dict(settings)
    if wanted["coco_classes"] == list(manifest.class_names):   # auto found just these
        wanted["coco_classes"] = manifest.settings.get("coco_classes")
    different = sorted(key for key in {*wanted, *manifest.settings} if wanted.get(key) != manifest.settings.get(key))
    stale = pictures is not None and pictures != manifest.pictures_digest
    if not different and not stale:
        return manifest
    if config.mindrecord_dir:
        what = ", ".join(different).replace("annotations", "the annotation file's content") or "the picture files"
        raise DataError(f"mindrecord_dir={folder} holds a conversion of {manifest.source} that differs in {what}; "
                        "delete that folder, or name another, to convert anew")
    return None


@contextlib.contextmanager
def _lock(folder):
    """One process at a time; the system frees the lock of a process that dies."""
    path = folder.with_name(folder.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "w")
    except OSError as error:
        raise DataError(f"cannot write beside {folder}: {error.strerror or error}; set mindrecord_dir to a writable place") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.warning("waiting for another process that converts to %s", folder)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def convert(source, folder, config, settings, digest, pictures=None, quiet=False):
    """Write a DataSource's training rows as shards into `folder`, which appears whole or not at all; returns the Manifest.

    Crowds are left out (never targets), pictures without objects unless keep_empty, and all but the max_instance_count largest
    objects (by box area) of a picture; what is left out is said with its count. Raises DataError naming the picture for one that is
    missing, unreadable or of another size than annotated, and for a disk that is full or read-only.
    """
    start, folder = time.time(), Path(folder)
    if not source.has_annotations:
        raise DataError(f"annotation file {source.name}: no 'annotations'; training needs them")
    rows, left_out = _training_rows(source.records, config)
    if not rows:
        raise DataError(f"annotation file {source.name}: no picture with an object to learn from")
    partial = folder.with_name(folder.name + ".partial")
    try:
        if partial.exists():
            shutil.rmtree(partial)                              # of a conversion that was interrupted
        partial.mkdir(parents=True)
        index, shards = [], []
        with tqdm(total=len(rows), desc="converting", unit="picture", file=sys.stderr, disable=True if quiet else None) as bar:
            for number, part in enumerate(_shards(rows)):
                name = f"train-{number:04d}.mindrecord"
                index.append(_write_shard(partial / name, number, part, source.has_masks, bar))
                shards.append({"file": name, "rows": len(part), "bytes": (partial / name).stat().st_size})
        table = np.concatenate(index)
        np.save(partial / ROWS, table)
        manifest = Manifest(digest, settings, pictures, source.name, source.class_names, source.category_ids, source.has_masks,
                            len(table), int(table["objects"].sum()), left_out, shards, zlib.crc32(table.tobytes()))
        manifest.save(partial)
        if folder.exists():
            shutil.rmtree(folder)                               # stale or without a manifest, see _usable
        os.rename(partial, folder)
    except OSError as error:
        raise DataError(f"cannot write {partial}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    if not quiet:
        said = "".join(f"; {what}: {count}" for what, count in left_out.items() if count)
        print(f"converted {manifest.pictures} pictures with {manifest.objects} objects to {folder} in {time.time() - start:.1f} s{said}",
              file=sys.stderr, flush=True)
    return manifest


def _training_rows(records, config):
    """([(record, indices of its objects to keep)], {what was left out: how many})."""
    rows, left_out = [], {"pictures without objects left out": 0, "crowds left out": 0,
                          f"objects over max_instance_count={config.max_instance_count} left out (the smallest)": 0}
    empty, crowds, surplus = left_out
    for record in records:
        kept = np.flatnonzero(~record.crowd)
        left_out[crowds] += len(record.crowd) - len(kept)
        if len(kept) > config.max_instance_count:
            left_out[surplus] += len(kept) - config.max_instance_count
            sides = record.boxes[kept, 2:] - record.boxes[kept, :2]
            largest = np.argsort(-sides.prod(1), kind="stable")[:config.max_instance_count]
            kept = kept[np.sort(largest)]
        if len(kept) or config.keep_empty:
            rows.append((record, kept))
        else:
            left_out[empty] += 1
    return rows, left_out


def _shards(rows):
    """Split rows into shards of about a gigabyte, by the pictures' sizes on disk; DataError for a missing picture."""
    part, filled = [], 0
    for row in rows:
        try:
            size = os.stat(row[0].path).st_size
        except (OSError, ValueError) as error:
            raise DataError(f"picture {row[0].path} of image {row[0].image_id}: {getattr(error, 'strerror', None) or error}") from None
        if part and (filled + size > _SHARD_BYTES or len(part) == _SHARD_ROWS):
            yield part
            part, filled = [], 0
        part.append((*row, size))
        filled += size
    yield part


def _pack(record, kept, has_masks):
    segmentations = [None] * len(kept)
    if has_masks:
        segmentations = [record.segmentations[i] for i in kept]
        segmentations = [crop_rle(item, box) if isinstance(item, dict) else item for item, box in zip(segmentations, record.boxes[kept])]
    return pack_objects(Objects(record.path, record.height, record.width, record.boxes[kept], record.labels[kept], segmentations))


def _write_shard(path, number, part, has_masks, bar):
    """Write one MindRecord file; returns its rows of the index [rows] of ROW_TYPE."""
    # here, so that importing this module does not load MindSpore
    from mindspore.mindrecord import FileWriter
    from mindspore.mindrecord.common.exceptions import MindRecordException
    annotations = [_pack(record, kept, has_masks) for record, kept, _ in part]
    sizes = np.array([len(annotation) + size + ROW_EXTRA for annotation, (_, _, size) in zip(annotations, part)], np.int64)
    page, order = _fill_pages(sizes)
    if sizes.max() > _LARGEST_PAGE:
        raise DataError(f"picture {part[int(sizes.argmax())][0].path}: over 256 MB, which MindRecord cannot hold; save it smaller")
    index = np.zeros(len(part), ROW_TYPE)
    try:
        writer = FileWriter(str(path), shard_num=1)
        writer.set_header_size(_HEADER)
        writer.set_page_size(page)
        writer.add_schema({"image_id": {"type": "int64"}, "picture": {"type": "bytes"}, "annotation": {"type": "bytes"}}, "mask r-cnn")
        for first in range(0, len(part), _GROUP):
            group = []
            for i in order[first:first + _GROUP].tolist():
                record, kept, size = part[i]
                picture = _checked_picture(record, size)
                index[i] = (number, 0, sizes[i], zlib.crc32(row_bytes(annotations[i], picture)), record.image_id,
                            record.height, record.width, len(kept))
                group.append({"image_id": record.image_id, "picture": picture, "annotation": annotations[i]})
            writer.write_raw_data(group)
            bar.update(len(group))
        writer.commit()
    except (MindRecordException, RuntimeError) as error:
        raise DataError(f"cannot write shard {path}: {' '.join(str(error).split())[:160]} (is the disk full?)") from None
    index["offset"][order] = _offsets(path, page)
    _verify(path, index)
    return index


def _checked_picture(record, size):
    name = f"{record.path} of image {record.image_id}"
    try:
        with open(record.path, "rb") as file:
            picture = file.read()
    except OSError as error:
        raise DataError(f"picture {name}: {error.strerror or error}") from None
    if len(picture) != size:
        raise DataError(f"picture {name}: changed while it was converted; start again when nothing writes to it")
    check_header(picture, name, (record.height, record.width))
    return picture


def _fill_pages(sizes):
    """(page size in bytes, order int64 [rows]) that make a small file; sizes: bytes of each row.

    MindRecord fills pages with whole rows in the order they come, pads all pages but the last, and adds one for the other fields:
    many pages, well filled. First-fit decreasing fills them to a percent or two, and as no row fits into an earlier page, MindRecord
    breaks pages where it did.
    """
    best = None
    few = len(sizes) < 2000                                     # with many rows, many pages are always best
    for wanted, room in itertools.product((100, 60, 35, 20, 10, 4, 1) if few else (100,), (1.001, 1.02, 1.05) if few else (1.001,)):
        page = max(int(sizes.max()), int(sizes.sum() * room) // wanted, 1 << 15)
        page = -(-page // 4) * 4
        free, members = np.full(2 * wanted + 2, page), [[] for _ in range(2 * wanted + 2)]
        for row in np.argsort(-sizes, kind="stable"):
            first = int(np.argmax(free >= sizes[row]))
            free[first] -= sizes[row]
            members[first].append(row)
        used = sum(bool(rows) for rows in members)
        total = (used + 1) * page - int(free[used - 1])
        if best is None or total < best[0]:
            best = total, page, np.concatenate([np.sort(rows) for rows in members[:used]])
    return best[1:]


def _offsets(path, page):
    """Where each row's bytes start in a MindRecord file, from the index file that MindRecord keeps beside it."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path}.db")) as database:
            rows = database.execute("SELECT PAGE_ID_BLOB, PAGE_OFFSET_BLOB FROM INDEXES ORDER BY ROW_ID").fetchall()
    except sqlite3.Error as error:
        raise DataError(f"index of shard {path}: {error}") from None
    return [_HEADER + page_id * page + offset for page_id, offset in rows]


def _verify(path, index):
    """Read back what was written: the disk holds it, and this MindSpore lays rows out as `shards.py` reads them."""
    with open(path, "rb") as file:
        for row in index:
            file.seek(int(row["offset"]))
            if zlib.crc32(file.read(int(row["size"]))) != int(row["crc"]):
                raise DataError(f"shard {path} does not hold what was written: a failing disk, or a MindSpore that lays rows out otherwise")
