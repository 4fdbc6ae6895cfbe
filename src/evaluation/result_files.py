"""The files that an evaluation writes: results_bbox.json, results_segm.json and metrics.json."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, Iterator, List, Optional, Sequence, Union

from ..errors import DataError


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


@contextlib.contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, which takes its place where the block ends without an error.

    Raises:
        DataError: nothing can be written there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise DataError(
            f"{path}: {error.strerror or error}; choose a work folder that can be written"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
