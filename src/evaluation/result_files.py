"""The files that an evaluation writes: results_bbox.json, results_segm.json and metrics.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, List, Optional, Sequence, Union

from ..whole_files import replaced_file


def write_results(
    folder: Union[str, Path], bbox_rows: Sequence[dict], segm_rows: Sequence[dict]
) -> List[Path]:
    """Write results_bbox.json and results_segm.json (COCO's format) into `folder`; returns their paths."""
    return [
        write_json(Path(folder) / "results_bbox.json", bbox_rows),
        write_json(Path(folder) / "results_segm.json", segm_rows),
    ]


def write_metrics(folder: Union[str, Path], metrics: dict) -> Path:
    """Write metrics.json into `folder`; returns its path.

    Args:
        folder: is made if it is not there.
        metrics: {"bbox": figures, "segm": figures} as `evaluate_coco` returns them.
    """
    return write_json(Path(folder) / "metrics.json", metrics, indent=2)


def write_json(path: Path, content: Any, indent: Optional[int] = None) -> Path:
    """Write JSON so that no reader sees half a file; returns the path. See `replaced_file`."""
    with replaced_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=indent) + "\n", encoding="utf-8")
    return path
