"""Reading annotations in any form."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import List, Optional, Tuple

from ..annotations.annotation_file import AUTO, AnnotationSettings, read_annotation_file
from ..annotations.coco_reader import read_coco
from ..annotations.records import DataSource
from ..annotations.txt_reader import read_txt
from ..findings import Findings
from ..forms.collect import collect_form
from ..forms.items import FormSource
from .find_form import COCO, TXT
from .form_table import FORMS


def read_annotations(settings: AnnotationSettings, findings: Optional[Findings] = None) -> DataSource:
    """Read a split's annotations, in the form that the settings name.

    Args:
        settings: where they are.
        findings: Findings to fill. Without it, what is left out or corrected is logged.

    Raises:
        DataError: they cannot be used.
    """
    if settings.format in (COCO, TXT):
        reader = read_coco if settings.format == COCO else read_txt
        return reader(settings, findings)
    should_log = findings is None
    if findings is None:
        findings = Findings(
            str(settings.path), skip_pictures=settings.skip_pictures, options=settings.options
        )
    source = _read_form(settings, findings)
    if should_log:
        source.notes = findings.log_summary()
    return source


def _read_form(settings: AnnotationSettings, findings: Findings) -> DataSource:
    form = FORMS[settings.format]
    place = _form_source(settings)
    if not place.root.exists():
        findings.fail("file_unreadable", "", "no such file or folder")
    class_names = form.class_names(place, findings)
    source = collect_form(form.read(place, findings), class_names, settings, findings)
    source.digest, source.annotation_bytes = _digest_and_size(settings)
    return source


def _form_source(settings: AnnotationSettings) -> FormSource:
    root = Path(settings.path)
    own_folder = str(root if root.is_dir() else root.parent)
    pictures = None if settings.folder in (own_folder, str(root)) else Path(settings.folder)
    names = settings.class_names
    class_name = names[1] if names != AUTO and len(names) == 2 else None
    return FormSource(root, pictures, settings.split, Path(settings.embedded), class_name)


def label_files(settings: AnnotationSettings) -> List[Path]:
    """All files that `read_annotations` reads but the pictures."""
    if settings.format in (COCO, TXT):
        return [Path(settings.path)]
    return FORMS[settings.format].files(_form_source(settings))


def annotations_digest(settings: AnnotationSettings) -> str:
    """A sha256 in hexadecimal of all label files' names and bytes; of COCO JSON and txt, of the file's bytes.

    Raises:
        DataError: a file cannot be read.
    """
    return _digest_and_size(settings)[0]


def _digest_and_size(settings: AnnotationSettings) -> Tuple[str, int]:
    """(the digest, the bytes of all label files)."""
    if settings.format in (COCO, TXT):
        data = read_annotation_file(settings.path)
        return hashlib.sha256(data).hexdigest(), len(data)
    place = _form_source(settings)
    digest = hashlib.sha256()
    size = 0
    folder = place.root if place.root.is_dir() else place.root.parent
    for path in FORMS[settings.format].files(place):
        # one that cannot be read is a finding of the reader
        with contextlib.suppress(OSError):
            data = path.read_bytes()
            digest.update(f"{os.path.relpath(path, folder)}\n{len(data)}\n".encode())
            digest.update(data)
            size += len(data)
    return digest.hexdigest(), size
