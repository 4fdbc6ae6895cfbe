"""Annotations and pictures to MindRecord shards with a manifest: `ensure_converted`, which training calls
before anything else.

Shards are written into a folder beside the final one, which is renamed when everything is there: a conversion
is whole or it is not there, and one that was interrupted goes on with the shards it had finished. One
conversion at a time writes a folder; others that want it wait for its lock and find it done.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
import zlib
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Union

import numpy as np
from tqdm import tqdm

from ...errors import DataError
from ...log import logger
from ..annotations.records import DataSource
from ..check.data_check import checked_source
from .conversion_settings import ConversionInputs, ConversionSettings, conversion_inputs
from .manifest import LABELS, ROWS, Manifest, load_manifest
from .partial_folder import (
    check_disk_space,
    delete_without_shards,
    finished_shards,
    move_into_place,
    prepare_partial_folder,
)
from .shard_plan import ConversionPlan, plan_conversion
from .shard_processes import write_shards
from .shard_writer import FinishedShard, ShardTask, finished_shard


class Conversion(NamedTuple):
    """A whole conversion.

    Attributes:
        folder: of its files.
        manifest: what it is.
    """

    folder: Path
    manifest: Manifest


def ensure_converted(settings: ConversionSettings, rank: int = 0) -> Conversion:
    """The training data as MindRecord; they are converted first where no whole conversion is there.

    The folder is the settings' one, or ./mindrecord/<digest of source and settings>. Ranks may call this at
    once: one converts, the others wait.

    Args:
        settings: of the conversion.
        rank: of this process. Only rank 0 shows progress and findings.

    Raises:
        DataError: the data cannot be converted, or the folder holds something else. For data of another
            source or setting, the message says what differs.
    """
    inputs = conversion_inputs(settings.check.annotations, settings.check.selection)
    folder = Path(settings.folder or os.path.join("mindrecord", inputs.digest))
    is_named = bool(settings.folder)
    manifest = _matching_manifest(folder, inputs, is_named)
    if manifest is None:
        with _lock(folder) as handle:
            # another process may have converted while this one waited for the lock
            manifest = _matching_manifest(folder, inputs, is_named)
            if manifest is None:
                quiet = rank != 0
                source = checked_source(settings.check, f"{folder}.data_report.json", quiet=quiet)
                manifest = convert(source, folder, settings, inputs, quiet, lock_handle=handle)
    return Conversion(folder, manifest)


def _matching_manifest(folder: Path, inputs: ConversionInputs, is_named: bool) -> Optional[Manifest]:
    """The manifest of a whole conversion of this data; None where one has to be made.

    Args:
        folder: of the conversion.
        inputs: what it depends on.
        is_named: whether the user named the folder. What is there is then not replaced.

    Raises:
        DataError: other data is in the way.
    """
    manifest = load_manifest(folder)
    if manifest is None:
        _check_for_other_files(folder)
        return None
    differing = _differing_settings(manifest, inputs)
    pictures_changed = inputs.pictures_digest not in (None, manifest.pictures_digest)
    if not differing and not pictures_changed:
        return manifest
    if is_named:
        # "annotations" is the key of the annotation file's digest
        settings = ", ".join(differing).replace("annotations", "the annotation file's content")
        raise DataError(
            f"mindrecord_dir={folder} holds a conversion of {manifest.source} that differs in "
            f"{settings or 'the picture files'}; delete that folder, or name another, to convert anew"
        )
    return None


def _check_for_other_files(folder: Path) -> None:
    """DataError where a folder without a whole conversion holds files that no conversion wrote."""
    names = os.listdir(folder) if folder.is_dir() else []
    others = [name for name in names if "mindrecord" not in name.lower() and name not in (ROWS, LABELS)]
    if others:
        raise DataError(
            f"mindrecord_dir={folder} holds other files ({others[0]}) and no whole conversion; "
            f"name a new or empty folder"
        )


def _differing_settings(manifest: Manifest, inputs: ConversionInputs) -> List[str]:
    """The keys of the settings in which a conversion differs from the one that is wanted, sorted."""
    wanted = dict(inputs.settings)
    if wanted["coco_classes"] == list(manifest.class_names):
        # the same names, whether they were written or coco_classes=auto found them
        wanted["coco_classes"] = manifest.settings.get("coco_classes")
    keys = {*wanted, *manifest.settings}
    return sorted(key for key in keys if wanted.get(key) != manifest.settings.get(key))


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[int]:
    """Wait until no other process converts to the folder; the number of the open lock file.

    The system frees the lock when this process, and those that got the number, have ended.

    Raises:
        DataError: the lock file cannot be written.
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


def convert(
    source: DataSource,
    folder: Union[str, Path],
    settings: ConversionSettings,
    inputs: ConversionInputs,
    quiet: bool = False,
    lock_handle: Optional[int] = None,
) -> Manifest:
    """Write a DataSource's training rows as shards into a folder, which appears whole or not at all.

    `training_rows` says what is left out. Shards are written by several processes into
    FOLDER.partial; what an interrupted conversion of the same data and settings finished there is kept. The
    result does not depend on either.

    Args:
        source: the data.
        folder: of the conversion.
        settings: which rows and shards, and the number of processes.
        inputs: what the conversion depends on.
        quiet: show no progress, and do not say what was converted.
        lock_handle: as of `write_shards`.

    Raises:
        DataError: a picture is missing, unreadable or of another size than annotated; there is nothing to
            learn from; or the disk is full, too small or read-only.
    """
    start = time.time()
    folder = Path(folder)
    partial = folder.with_name(folder.name + ".partial")
    plan = plan_conversion(source, settings.check.selection, settings.shard_mb)
    try:
        prepare_partial_folder(partial, inputs, plan)
        finished = finished_shards(partial, plan.shard_names)
        check_disk_space(folder, plan, source.annotation_bytes, finished)
        tasks = _missing_shards(partial, plan, finished, source.has_masks)
        processes = min(settings.processes, max(1, len(tasks)))
        with _progress_bar(plan, tasks, quiet) as bar:
            for count in write_shards(iter(tasks), processes, lock_handle):
                bar.update(count)
        # what was written just now need not be read again
        shards = [
            finished.get(number) or finished_shard(partial / name, verify=False)
            for number, name in enumerate(plan.shard_names)
        ]
        manifest = _write_manifest(partial, source, inputs, plan, shards)
        move_into_place(partial, folder, plan.shard_names)
    except OSError as error:
        raise DataError(f"cannot write {partial}: {error.strerror or error}") from None
    finally:
        delete_without_shards(partial)
    manifest.folder = str(folder)
    if not quiet:
        _report(manifest, time.time() - start)
    return manifest


def _missing_shards(
    partial: Path, plan: ConversionPlan, finished: Dict[int, FinishedShard], has_masks: bool
) -> List[ShardTask]:
    """The shards that are still to be written."""
    return [
        ShardTask(str(partial / name), number, plan.rows[rows.first : rows.end], has_masks)
        for number, (name, rows) in enumerate(zip(plan.shard_names, plan.shards))
        if number not in finished
    ]


def _progress_bar(plan: ConversionPlan, tasks: List[ShardTask], quiet: bool) -> tqdm:
    """A progress bar over all rows, which begins behind those of the finished shards."""
    missing = sum(len(task.rows) for task in tasks)
    return tqdm(
        total=len(plan.rows),
        initial=len(plan.rows) - missing,
        desc="converting",
        unit="picture",
        file=sys.stderr,
        # None: only where stderr is a terminal
        disable=True if quiet else None,
    )


def _write_manifest(
    partial: Path,
    source: DataSource,
    inputs: ConversionInputs,
    plan: ConversionPlan,
    shards: List[FinishedShard],
) -> Manifest:
    """Write the row index, the labels and the manifest of a conversion whose shards are all finished.

    Raises:
        OSError: they cannot be written.
    """
    rows = np.concatenate([shard.index for shard in shards])
    labels = np.concatenate([row.record.labels[row.kept] for row in plan.rows]).astype("<i4")
    np.save(partial / ROWS, rows)
    np.save(partial / LABELS, labels)
    manifest = Manifest(
        digest=inputs.digest,
        settings=inputs.settings,
        pictures_digest=inputs.pictures_digest,
        source=source.annotation_file,
        class_names=source.class_names,
        category_ids=source.category_ids,
        has_masks=source.has_masks,
        pictures=len(rows),
        objects=len(labels),
        left_out=plan.left_out,
        shards=[{"file": name, **shard.mark} for name, shard in zip(plan.shard_names, shards)],
        rows_crc=zlib.crc32(rows.tobytes()),
        labels_crc=zlib.crc32(labels.tobytes()),
    )
    manifest.save(partial)
    return manifest


def _report(manifest: Manifest, seconds: float) -> None:
    """Say on stderr what was converted, and what was left out."""
    left_out = "".join(f"; {reason}: {count}" for reason, count in manifest.left_out.items() if count)
    print(
        f"converted {manifest.pictures} pictures with {manifest.objects} objects to {manifest.folder} in "
        f"{seconds:.1f} s{left_out}",
        file=sys.stderr,
        flush=True,
    )
