"""The check of all picture files of a data set."""

from __future__ import annotations

import os
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Dict, List, Sequence, Set, Union

from tqdm import tqdm

from ..annotations.records import Record
from ..finding_kinds import PICTURE_KINDS
from ..findings import Findings
from ..images.picture_checks import PictureFinding, check_picture, picture_detail

_BATCH = 1024  # pictures that are checked at a time


def check_pictures(
    records: Sequence[Record],
    findings: Findings,
    folder: Union[str, Path],
    decode: bool = True,
    threads: int = 2,
    quiet: bool = False,
) -> Set[int]:
    """Check the picture files of records.

    Args:
        records: the records of an annotation file.
        findings: what is wrong or unusual about their pictures is added here.
        folder: the picture folder. Links that lead out of it are findings.
        decode: decode all pixels, as of `check_picture`.
        threads: how many pictures are checked at once.
        quiet: show no progress bar.

    Returns:
        The image ids of the pictures that cannot be used.
    """
    unusable = set()
    root = os.path.realpath(folder)
    inside = {}

    def check(record: Record) -> List[PictureFinding]:
        return check_picture(record.path, (record.height, record.width), decode)

    with (
        warnings.catch_warnings(),
        ThreadPoolExecutor(threads, "picture-checks") as executor,
        tqdm(
            total=len(records),
            desc="checking pictures",
            unit="picture",
            file=sys.stderr,
            # None: no bar where standard error is no terminal
            disable=True if quiet else None,
        ) as bar,
    ):
        # Pillow warns of large pictures and odd EXIF
        warnings.simplefilter("ignore")
        for first in range(0, len(records), _BATCH):
            batch = records[first : first + _BATCH]
            for record, picture_findings in zip(batch, executor.map(check, batch)):
                # elsewhere are pictures only where the form of the labels has them there
                is_in_folder = _within(os.path.abspath(record.path), os.path.abspath(folder))
                if is_in_folder and _leads_out_by_link(record.path, root, inside):
                    target = os.path.realpath(record.path)
                    findings.add("image_link", record.location, record.image_id, detail=target)
                for kind, detail in picture_findings:
                    detail = picture_detail(record.path, kind, detail, record.image_id)
                    findings.add(kind, record.location, record.image_id, detail=detail)
                if picture_findings and picture_findings[-1].kind in PICTURE_KINDS:
                    unusable.add(record.image_id)
                bar.update()
    return unusable


def _leads_out_by_link(path: str, root: str, inside: Dict[str, bool]) -> bool:
    """Whether a link takes a path out of a folder.

    Args:
        path: of a picture.
        root: the folder, its links resolved.
        inside: {folder: whether it lies in `root`}, the answers so far. New ones are added.
    """
    parent = os.path.dirname(path)
    if parent not in inside:
        inside[parent] = _within(os.path.realpath(parent), root)
    return not inside[parent] or (os.path.islink(path) and not _within(os.path.realpath(path), root))


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)
