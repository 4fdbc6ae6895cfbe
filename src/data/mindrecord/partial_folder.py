"""The folder FOLDER.partial that a conversion writes before it is renamed to FOLDER.

It holds the plan of the conversion and its shards. An interrupted conversion leaves it there, and the next
one by the same plan keeps the shards that were finished.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, Dict, List

from ...errors import DataError
from ...log import logger
from .conversion_settings import ConversionInputs
from .shard_plan import ConversionPlan
from .shard_writer import FinishedShard, finished_shard, forget_marks, has_mark

_PLAN = "plan.json"


def prepare_partial_folder(partial: Path, inputs: ConversionInputs, plan: ConversionPlan) -> None:
    """Keep what an interrupted conversion left if its plan is the same; else empty the folder.

    Raises:
        OSError: the folder cannot be written.
    """
    content = {"settings": inputs.settings, "pictures": inputs.pictures_digest, "parts": plan.shards}
    # as it is read back: tuples become lists
    content = json.loads(json.dumps(content))
    earlier = _read_plan(partial)
    if earlier == content:
        return
    if partial.exists():
        if earlier is not None:
            logger.warning(
                "%s holds an interrupted conversion of other data or settings; starting anew", partial
            )
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    unfinished = partial / f"{_PLAN}.new"
    with open(unfinished, "w", encoding="utf-8") as file:
        json.dump(content, file)
    os.replace(unfinished, partial / _PLAN)


def _read_plan(partial: Path) -> Any:
    """The content of the plan's file; None where there is none that can be read."""
    try:
        with open(partial / _PLAN, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def finished_shards(partial: Path, names: List[str]) -> Dict[int, FinishedShard]:
    """The shards that an interrupted conversion finished, by their numbers.

    One that was finished and is not what was written is reported, and has to be written again.

    Args:
        partial: the folder.
        names: the files of all shards.
    """
    finished = {}
    for number, name in enumerate(names):
        shard = finished_shard(partial / name)
        if shard is not None:
            finished[number] = shard
        elif has_mark(partial / name):
            logger.warning(
                "shard %s of the interrupted conversion is damaged; it is written again", partial / name
            )
    if finished:
        logger.warning(
            "going on with an interrupted conversion: %d of %d shards are there", len(finished), len(names)
        )
    return finished


def check_disk_space(
    folder: Path, plan: ConversionPlan, annotation_bytes: int, finished: Dict[int, FinishedShard]
) -> None:
    """Compare the free space of the disk with what the shards are going to need.

    Args:
        folder: of the conversion.
        plan: what is going to be written.
        annotation_bytes: the stored annotations are assumed to be about as large as this.
        finished: what is already written.

    Raises:
        DataError: the disk is too small.
    """
    size = sum(row.picture_size for row in plan.rows) + annotation_bytes
    written = sum(shard.mark["bytes"] for shard in finished.values())
    needed = int(1.02 * size) - written
    existing_parent = next(path for path in folder.absolute().parents if path.exists())
    free = shutil.disk_usage(existing_parent).free
    if needed > free:
        raise DataError(
            f"the conversion to {folder} needs about {needed / 1e9:.1f} GB, and its disk has "
            f"{free / 1e9:.1f} GB left: free some, or set mindrecord_dir to a folder on another disk"
        )


def move_into_place(partial: Path, folder: Path, names: List[str]) -> None:
    """Rename the folder of a conversion that is whole, and delete what only its writing needed.

    Args:
        partial: the folder.
        folder: its new name. What is there is replaced: an outdated conversion, or one without a manifest.
        names: the files of all shards.

    Raises:
        OSError: it cannot be renamed.
    """
    if folder.exists():
        shutil.rmtree(folder)
    os.rename(partial, folder)
    forget_marks(folder / name for name in names)
    (folder / _PLAN).unlink()


def delete_without_shards(partial: Path) -> None:
    """Delete the folder if it holds no finished shard; else the next conversion may go on with it."""
    if not any(partial.glob("*.done")):
        shutil.rmtree(partial, ignore_errors=True)
