"""Pictures within label files, written as files: everything after a reader reads files."""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import Path

from ...whole_files import replaced_file
from ..findings import Findings

# How the files of each format begin.
_SIGNATURES = (
    (b"\x89PNG", ".png"),
    (b"\xff\xd8", ".jpg"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"RIFF", ".webp"),
)


def embedded_picture(text: str, folder: Path, place: str, findings: Findings) -> str:
    """Write a picture that a label file holds as base64 text, once for each content.

    Args:
        text: the base64 text.
        folder: where it is written, called by a digest of its bytes.
        place: for findings.
        findings: what is no base64 text is added here.

    Returns:
        The picture's path; "" after a finding.

    Raises:
        DataError: it cannot be written.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        findings.add("label_picture_missing", place, detail="the picture within the file is no base64 text")
        return ""
    suffix = next((suffix for start, suffix in _SIGNATURES if data.startswith(start)), ".png")
    path = folder / (hashlib.sha256(data).hexdigest()[:32] + suffix)
    if not path.is_file():
        with replaced_file(path) as temporary:
            temporary.write_bytes(data)
    return str(path.absolute())
