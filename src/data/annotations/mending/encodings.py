"""The text of an annotation file in UTF-8, UTF-16 or UTF-32, with or without a byte-order mark."""

from __future__ import annotations

import codecs
import json

from ...findings import Findings


def decode_text(data: bytes, findings: Findings) -> str:
    """The text of an annotation file.

    Args:
        data: the file's bytes. Without a byte-order mark the zeros among the first four tell the encoding,
            as both formats begin with ASCII characters.
        findings: a byte-order mark, and another encoding than UTF-8, are added here.

    Raises:
        DataError: the bytes are not text in that encoding.
    """
    encoding = json.detect_encoding(data)
    name = encoding.upper().replace("-SIG", "")
    if name != "UTF-8":
        findings.add("file_encoding", "line 1", detail=name)
    elif data.startswith(codecs.BOM_UTF8):
        findings.add("byte_order_mark", "line 1")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].decode(encoding, "ignore").count("\n") + 1
        detail = f"not {name} text ({error.reason} at byte {error.start}); save the file as UTF-8"
        findings.fail("file_syntax", f"line {line}", detail)
    # UTF-16LE and the like keep a mark that is there
    return text[1:] if text.startswith("\ufeff") else text
