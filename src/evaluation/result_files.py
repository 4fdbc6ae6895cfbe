"""The files that an evaluation writes: results_bbox.json, results_segm.json and metrics.json."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import List, Sequence, Union

from ..errors import DataError


def write_results(
    folder: Union[str, Path], bbox_rows: Sequence[dict], segm_rows: Sequence[dict]
) -> List[Path]:
    """Write results_bbox.json and results_segm.json (COCO's format) into `folder`; returns their paths."""
    return [
        _write_json(Path(folder) / "results_bbox.json", bbox_rows),
        _write_json(Path(folder) / "results_segm.json", segm_rows),
    ]


def write_metrics(folder: Union[str, Path], metrics: dict) -> Path:
    """Write metrics.json into `folder`; returns its path.

    Args:
        folder: is made if it is not there.
        metrics: {"bbox": figures, "segm": figures} as `evaluate_coco` returns them.
    """
    return _write_json(Path(folder) / "metrics.json", metrics, indent=2)


def _write_json(path, content, indent=None):
    """Write to a temporary file beside `path` and rename it, so that no reader sees half a file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(content, indent=indent) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise DataError(
            f"{path}: {error.strerror or error}; choose a work folder that can be written"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return path
