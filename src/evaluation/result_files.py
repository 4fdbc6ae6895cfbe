"""The files that an evaluation writes: results_{bbox,segm}.json, evaluated_data.json and metrics.json."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, List, Mapping, Optional, Sequence, Union

from ..data.annotations.records import DataSource
from ..errors import DataError
from ..whole_files import replaced_file

EVALUATED_NAME = "evaluated_data.json"


def write_results(
    folder: Union[str, Path], bbox_rows: Sequence[dict], segm_rows: Sequence[dict]
) -> List[Path]:
    """Write results_bbox.json and results_segm.json (COCO's format) into `folder`; returns their paths."""
    return [
        write_json(Path(folder) / results_name("bbox"), bbox_rows),
        write_json(Path(folder) / results_name("segm"), segm_rows),
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


def write_evaluated_data(
    folder: Union[str, Path],
    source: DataSource,
    picture_folder: Union[str, Path],
    results: Mapping[str, Union[str, Path]],
) -> Path:
    """Write evaluated_data.json: which annotations, pictures and results belong together; returns its path.

    Args:
        folder: of the evaluation.
        source: the evaluated data.
        picture_folder: where its pictures are; "" where that is not known.
        results: {kind: the file of its result rows}; names count from the folder.
    """
    folder = Path(folder)
    content = {
        "annotation_file": os.path.abspath(source.annotation_file),
        "annotation_sha256": source.digest,
        "picture_folder": os.path.abspath(picture_folder) if picture_folder else "",
        "results": {kind: str(path) for kind, path in results.items()},
        "results_sha256": {
            kind: hashlib.sha256((folder / path).read_bytes()).hexdigest() for kind, path in results.items()
        },
    }
    return write_json(folder / EVALUATED_NAME, content, indent=1)


def results_name(kind: str) -> str:
    """The name of the results file of "bbox" or "segm"."""
    return f"results_{kind}.json"


def results_folder(run: Union[str, Path]) -> Path:
    """The folder with the results of a run: its own, or `eval` in it. Raises DataError without results."""
    run = Path(run)
    for folder in (run, run / "eval"):
        if any((folder / results_name(kind)).exists() for kind in ("bbox", "segm")):
            return folder
    raise DataError(
        f"{run}: neither it nor {run / 'eval'} has a results_bbox.json or results_segm.json; give the folder "
        "of an evaluation, or of a training with eval_interval"
    )
