"""The job of `convert_data.py`: data sets of any form, as one of another form."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence

import numpy as np

from ...data.forms.writers.names import PictureNames
from ...data.forms.writers.picture_labels import Losses
from ...data.forms.writers.target import Target
from ...data.forms.writers.targets import TARGETS
from ...errors import ConfigError, one_line
from ...log import logger
from ..display.progress import Progress
from .class_map import ClassMap, read_class_map
from .partial_folder import check_free, check_outside, is_not_empty, whole_folder
from .placing import LINK, NONE, PicturePlacer
from .reading import ReadSplit, SourceSettings, read_source
from .sources import JoinedSources
from .splitting import NAMES, SplitSettings, read_shares, split_lines, split_pictures

_EMBEDDED = ".embedded"  # pictures within label files, until they are placed


@dataclass(frozen=True)
class LabelConversion:
    """What is converted to what.

    Attributes:
        sources: files or folders.
        out: the folder to write.
        target: a name of TARGETS.
        form: of the sources; None: found out.
        images: the folder of the pictures of a single source; None: where the form has it.
        split_names: the splits of the sources that are read; None: all.
        pictures: LINK, COPY or NONE.
        split: the shares as text; None: the pictures are not split.
        seed: of the split.
        distance: see `SplitSettings`.
        classes: the class map as text.
        skip_pictures: whether pictures that are missing or unusable are left out.
        overwrite: whether `out` is replaced.
    """

    sources: Sequence[str]
    out: str
    target: str
    form: Optional[str] = None
    images: Optional[str] = None
    split_names: Optional[Sequence[str]] = None
    pictures: str = LINK
    split: Optional[str] = None
    seed: int = 0
    distance: int = 4
    classes: Optional[str] = None
    skip_pictures: bool = False
    overwrite: bool = False


def convert_data(job: LabelConversion) -> None:
    """Convert data sets; prints what was done, and what the target cannot hold.

    Raises:
        ConfigError: the words contradict each other, or nothing can be written to `out`.
        DataError: a source cannot be used, a picture is missing, or the disk is full.
    """
    target = TARGETS[job.target]
    class_map = read_class_map(job.classes)
    shares = None if job.split is None else read_shares(job.split)
    out = Path(job.out)
    _check(job, target, out)
    losses = Losses()
    with whole_folder(out, job.overwrite) as partial:
        embedded = partial / _EMBEDDED
        data = _read(job, class_map, str(embedded))
        check_outside(out, (picture.record.path for picture in data.pictures))
        if shares is None:
            names = data.split_names
            splits = np.array(data.own_splits())
        else:
            names = list(NAMES[: len(shares)])
            splits = split_pictures(data, SplitSettings(shares, job.seed, job.distance))
        if len(names) > 1:
            print("\n".join(split_lines(data, splits, names)), flush=True)
        _write(data, target, partial, names, splits, job.pictures, losses)
        shutil.rmtree(embedded, ignore_errors=True)
    for line in losses.lines():
        print(one_line(line), flush=True)
    print(one_line(f"wrote {out}"), flush=True)
    for line in target.use(out, names, data.facts):
        print(one_line(f"use it: {line}"), flush=True)


def _read(job: LabelConversion, class_map: ClassMap, embedded: str) -> JoinedSources:
    """Read all sources; prints a line for each, and what is joined."""
    splits = []
    for path in job.sources:
        settings = SourceSettings(
            path, embedded, job.form, job.images, job.split_names, skip_pictures=job.skip_pictures
        )
        read = read_source(settings)
        check_outside(Path(job.out), (file for one in read for file in one.label_files))
        if job.skip_pictures:
            _leave_out_missing(read)
        splits += read
        counts = [
            f"{len(one.source.records):,} pictures"
            f" and {sum(len(record.labels) for record in one.source.records):,} objects"
            + (f" in {one.split}" if one.split else "")
            for one in read
        ]
        print(one_line(f"{path}: {', '.join(counts)}"), flush=True)
    data = JoinedSources(splits, class_map, embedded, job.split is not None)
    if len(job.sources) > 1:
        count = len(data.facts.class_names) - 1
        print(
            one_line(
                f"joined: {len(data.pictures):,} pictures of {len(job.sources)} sources, {count} classes: "
                f"{', '.join(data.facts.class_names[1:11])}{', ...' if count > 10 else ''}"
            ),
            flush=True,
        )
    return data


def _leave_out_missing(splits: Sequence[ReadSplit]) -> None:
    for source in (one.source for one in splits):
        missing = [record.image_id for record in source.records if not os.path.isfile(record.path)]
        if missing:
            logger.warning("%s: %d pictures are missing and left out", source.annotation_file, len(missing))
            source.leave_out(missing)


def _check(job: LabelConversion, target: Target, out: Path) -> None:
    check_free(out, job.overwrite)
    real = Path(os.path.realpath(out))
    for word in filter(None, (*job.sources, job.images)):
        source = Path(os.path.realpath(word))
        if real == source or real in source.parents:
            raise ConfigError(f"{out}: {word} is in it; choose another folder to write to")
        if source in real.parents and is_not_empty(out):
            raise ConfigError(
                f"{out}: is in {word} and not empty: what is read is not replaced; choose another folder"
            )
    if job.split_names is not None and not all(job.split_names):
        raise ConfigError(f"--split-name {','.join(job.split_names)}: names expected, such as train,val")
    if job.seed < 0:
        raise ConfigError(f"--seed {job.seed}: a whole number from 0 expected")
    if len(job.sources) > 1 and job.images is not None:
        raise ConfigError(
            "--images names the pictures of one source; convert each alone, then join the results"
        )
    if job.pictures == NONE and target.needs_pictures:
        raise ConfigError(f"--pictures none: the form {target.name} finds pictures in its own folder alone")
    if job.pictures == NONE and len(job.sources) > 1 and not target.has_file_a_picture:
        raise ConfigError(
            "--pictures none: pictures of several folders have to be in one; write --pictures link or copy"
        )


def _write(
    data: JoinedSources,
    target: Target,
    partial: Path,
    names: Sequence[Optional[str]],
    splits: np.ndarray,
    pictures: str,
    losses: Losses,
) -> None:
    """Write all pictures, one after another."""
    placer = None if pictures == NONE else PicturePlacer(pictures)
    given = [PictureNames(target.has_file_a_picture, target.forbidden) for _ in names]
    with contextlib.ExitStack() as stack:
        progress = stack.enter_context(Progress(len(data.pictures), "conversion", unit="picture"))
        writers = [
            stack.enter_context(target.open_split(partial, name, data.facts, losses)) for name in names
        ]
        for position, split in enumerate(splits.tolist()):
            path = data.pictures[position].record.path
            name = data.relative_name(position, placer is None)
            if placer is not None or target.has_file_a_picture:
                name = given[split].take(name)
            picture = data.picture(position, name, target.keeps_crowds, losses)
            if placer is None:
                picture.source_path = os.path.abspath(path)
                losses.add("pictures are within label files and not written", int(data.is_embedded(position)))
            else:
                placer.place(path, partial / target.picture_folder(names[split]) / name)
            writers[split].add(picture)
            progress.update()
    target.finish(partial, names, data.facts)
    changed = sum(one.changed for one in given)
    losses.add("pictures have another name: two had the same one, or the form cannot hold it", changed)
