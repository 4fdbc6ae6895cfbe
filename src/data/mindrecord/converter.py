"""Annotations and pictures to MindRecord shards with a manifest: `ensure_mindrecord`, which training calls
before anything else.

Shards are written into a folder beside the final one, which is renamed when everything is there: a conversion
is whole or it is not there, and one that was interrupted goes on with the shards it had finished. One
conversion at a time writes a folder; others that want it wait for its lock and find it done.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sys
import time
import zlib
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ...errors import DataError
from ...log import logger
from ..check.data_check import checked_source
from .conversion_settings import conversion_settings, pictures_digest
from .manifest import LABELS, ROWS, Manifest, load_manifest
from .shard_plan import shard_ranges, training_rows, with_sizes
from .shard_writer import ShardTask, finished_shard, forget_marks, write_shards

_PLAN = "plan.json"


def ensure_mindrecord(config, rank=0):
    """(folder Path, Manifest) of the training data as MindRecord.

    Converts first where no whole conversion is there.

    The folder is `mindrecord_dir`, or ./mindrecord/<digest of source and settings>. Ranks may call this at
    once: one converts, the others wait. Raises DataError for data that cannot be converted, and where
    `mindrecord_dir` holds other data: with another source or setting it names what differs.
    """
    settings = conversion_settings(config)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    folder = Path(config.mindrecord_dir or os.path.join("mindrecord", digest))
    pictures = pictures_digest(config)
    manifest = _usable(folder, settings, pictures, config)
    if manifest is None:
        with _lock(folder) as handle:
            manifest = _usable(folder, settings, pictures, config)
            if manifest is None:
                source = checked_source(config, f"{folder}.data_report.json", quiet=rank != 0)
                manifest = convert(
                    source, folder, config, settings, digest, pictures, quiet=rank != 0, lock_handle=handle
                )
    return folder, manifest


def _usable(folder, settings, pictures, config):
    """The manifest of a whole conversion of this data, None where one has to be made.

    DataError where other data is in the way.
    """
    manifest = load_manifest(folder)
    if manifest is None:
        found = os.listdir(folder) if folder.is_dir() else []
        strange = [name for name in found if "mindrecord" not in name.lower() and name not in (ROWS, LABELS)]
        if strange:
            raise DataError(
                f"mindrecord_dir={folder} holds other files ({strange[0]}) and no whole conversion; "
                f"name a new or empty folder"
            )
        return None
    wanted = dict(settings)
    if wanted["coco_classes"] == list(manifest.class_names):  # auto found just these
        wanted["coco_classes"] = manifest.settings.get("coco_classes")
    different = sorted(
        key for key in {*wanted, *manifest.settings} if wanted.get(key) != manifest.settings.get(key)
    )
    stale = pictures is not None and pictures != manifest.pictures_digest
    if not different and not stale:
        return manifest
    if config.mindrecord_dir:
        what = (
            ", ".join(different).replace("annotations", "the annotation file's content")
            or "the picture files"
        )
        raise DataError(
            f"mindrecord_dir={folder} holds a conversion of {manifest.source} that differs in {what}; "
            "delete that folder, or name another, to convert anew"
        )
    return None


@contextlib.contextmanager
def _lock(folder):
    """One conversion at a time; the system frees the lock when the process, and those it gave the lock's
    handle, are gone.
    """
    path = folder.with_name(folder.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "w")
    except OSError as error:
        raise DataError(
            f"cannot write beside {folder}: {error.strerror or error}; set mindrecord_dir to a writable place"
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.warning("waiting for another process that converts to %s", folder)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def convert(source, folder, config, settings, digest, pictures=None, quiet=False, lock_handle=None):
    """Write a DataSource's training rows as shards into `folder`, which appears whole or not at all.

    Returns the Manifest.

    Crowds are left out (never targets), pictures without objects unless keep_empty, and all but the
    max_instance_count largest objects (by box area) of a picture; what is left out is said with its count.
    Shards are written by num_parallel_workers processes into FOLDER.partial; what an interrupted conversion
    of the same data and settings finished there is kept. The result does not depend on either. Raises
    DataError naming the picture for one that is missing, unreadable or of another size than annotated, and
    for a disk that is full, too small or read-only.
    """
    start, folder = time.time(), Path(folder)
    if not source.has_annotations:
        raise DataError(f"annotation file {source.annotation_file}: no 'annotations'; training needs them")
    rows, left_out = training_rows(source.records, config)
    if not rows:
        raise DataError(f"annotation file {source.annotation_file}: no picture with an object to learn from")
    partial = folder.with_name(folder.name + ".partial")
    rows = with_sizes(rows)
    parts = shard_ranges([size for _, _, size in rows], config.shard_mb)
    plan = {"settings": settings, "pictures": pictures, "parts": parts}
    try:
        _take_up(partial, plan)
        names = [f"train-{number:04d}.mindrecord" for number in range(len(parts))]
        finished = {number: found for number, found in enumerate(_finished(partial, names)) if found}
        _check_space(
            folder,
            sum(size for _, _, size in rows),
            os.path.getsize(source.annotation_file),
            [mark["bytes"] for mark, _ in finished.values()],
        )
        tasks = [
            ShardTask(str(partial / names[number]), number, rows[first:end], source.has_masks)
            for number, (first, end) in enumerate(parts)
            if number not in finished
        ]
        done = sum(end - first for number, (first, end) in enumerate(parts) if number in finished)
        with tqdm(
            total=len(rows),
            initial=done,
            desc="converting",
            unit="picture",
            file=sys.stderr,
            disable=True if quiet else None,
        ) as bar:
            for count in write_shards(
                iter(tasks), min(config.num_parallel_workers, max(1, len(tasks))), lock_handle
            ):
                bar.update(count)
        marks, index = zip(
            *(
                finished.get(number) or finished_shard(partial / name, verify=False)
                for number, name in enumerate(names)
            )
        )
        table = np.concatenate(index)
        labels = np.concatenate([record.labels[kept] for record, kept, _ in rows]).astype("<i4")
        np.save(partial / ROWS, table)
        np.save(partial / LABELS, labels)
        manifest = Manifest(
            digest,
            settings,
            pictures,
            source.annotation_file,
            source.class_names,
            source.category_ids,
            source.has_masks,
            len(table),
            len(labels),
            left_out,
            [{"file": name, **mark} for name, mark in zip(names, marks)],
            zlib.crc32(table.tobytes()),
            zlib.crc32(labels.tobytes()),
        )
        manifest.save(partial)
        if folder.exists():
            shutil.rmtree(folder)  # stale or without a manifest, see _usable
        os.rename(partial, folder)
        manifest.folder = str(folder)
        forget_marks(folder / name for name in names)
        (folder / _PLAN).unlink()
    except OSError as error:
        raise DataError(f"cannot write {partial}: {error.strerror or error}") from None
    finally:
        if not any(partial.glob("*.done")):  # else it is worth going on with
            shutil.rmtree(partial, ignore_errors=True)
    if not quiet:
        said = "".join(f"; {what}: {count}" for what, count in left_out.items() if count)
        print(
            f"converted {manifest.pictures} pictures with {manifest.objects} objects to {folder} in "
            f"{time.time() - start:.1f} s{said}",
            file=sys.stderr,
            flush=True,
        )
    return manifest


def _take_up(partial, plan):
    """Leave in `partial` what an interrupted conversion by the same plan finished, or an empty folder with
    the plan.
    """
    plan = json.loads(json.dumps(plan))
    try:
        with open(partial / _PLAN, encoding="utf-8") as file:
            before = json.load(file)
    except (OSError, ValueError):
        before = None
    if before == plan:
        return
    if partial.exists():
        if before is not None:
            logger.warning(
                "%s holds an interrupted conversion of other data or settings; starting anew", partial
            )
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    with open(partial / f"{_PLAN}.new", "w", encoding="utf-8") as file:
        json.dump(plan, file)
    os.replace(partial / f"{_PLAN}.new", partial / _PLAN)


def _finished(partial, names):
    """finished_shard of each name.

    A shard that has its mark and yet is not what was written is named, and written again.
    """
    found = [finished_shard(partial / name) for name in names]
    kept = sum(item is not None for item in found)
    for name, item in zip(names, found):
        if item is None and (partial / f"{name}.done").exists():
            logger.warning(
                "shard %s of the interrupted conversion is damaged; it is written again", partial / name
            )
    if kept:
        logger.warning("going on with an interrupted conversion: %d of %d shards are there", kept, len(names))
    return found


def _check_space(folder, pictures, annotations, there):
    """DataError where the disk has less room than the shards are going to need.

    All in bytes, `there` already written.
    """
    place = next(path for path in folder.absolute().parents if path.exists())
    needed, free = int(1.02 * (pictures + annotations)) - sum(there), shutil.disk_usage(place).free
    if needed > free:
        raise DataError(
            f"the conversion to {folder} needs about {needed / 1e9:.1f} GB, and its disk has "
            f"{free / 1e9:.1f} GB left: free some, or "
            "set mindrecord_dir to a folder on another disk"
        )
