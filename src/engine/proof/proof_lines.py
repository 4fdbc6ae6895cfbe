"""A proof as lines of text, and as JSON beside its file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from ...errors import DataError
from ...evaluation.result_files import write_json


def proof_lines(proof: Mapping[str, Any]) -> List[str]:
    """A table of a proof (`Proof.as_dict`), and what it was measured with."""
    lines = [f"{'':<24}{'checkpoint':>12}{'file':>12}"]
    for label, key, digits in (
        ("bbox AP", "bbox_AP", 4),
        ("segm AP", "segm_AP", 4),
        ("seconds a picture", "seconds", 4),
        ("memory, MiB", "memory_mb", 0),
    ):
        values = [proof[who][key] for who in ("checkpoint", "file")]
        texts = ["-" if value is None else f"{value:.{digits}f}" for value in values]
        lines.append(f"{label:<24}{texts[0]:>12}{texts[1]:>12}")
    lines.append(
        f"the same detections (class, IoU > .99, scores to .001): {100 * proof['partners']:.1f} %; "
        f"the same objects (class, IoU > .5): {100 * proof['same_objects']:.1f} %"
    )
    lines.append(
        f"{proof['pictures']} pictures, AP with {proof['truth']}, allowed fall {proof['limit']:g}; "
        f"{proof['machine']}"
    )
    return lines


def proof_path(file: Path) -> Path:
    """Where a file's proof is: mask_rcnn.onnx.proof.json beside mask_rcnn.onnx."""
    return file.with_name(f"{file.name}.proof.json")


def write_proof(file: Path, proof: Mapping[str, Any]) -> Path:
    """Write a proof beside its file, with the file's digest; returns the path."""
    return write_json(proof_path(file), {**proof, "sha256": _digest(file)}, indent=2)


def read_proof(file: Path) -> Optional[Dict[str, Any]]:
    """The proof beside a file, None without one.

    Raises:
        DataError: It is of another file, or is damaged.
    """
    path = proof_path(file)
    if not path.exists():
        return None
    try:
        proof = json.loads(path.read_text(encoding="utf-8"))
        digest = proof.pop("sha256")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not a proof of export.py ({type(error).__name__})") from None
    if digest != _digest(file):
        raise DataError(f"{path}: a proof of another file than {file.name}; export it again with --prove")
    return proof


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
