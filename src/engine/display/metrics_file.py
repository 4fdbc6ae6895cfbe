"""metrics.jsonl: written while training, and read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

from ...errors import DataError, one_line
from ...whole_files import replaced_file, unwritable

_KINDS = ("bbox", "segm")


class MetricsFile:
    """metrics.jsonl: one JSON object a line, each with "step". Lines reach the file at once."""

    def __init__(self, path: Path, global_step: int = 0):
        """Open for appending.

        Args:
            path: The file; its folder is made.
            global_step: Where the run goes on. Lines after it, which a killed run wrote, are removed; with 0
                all are.

        Raises:
            DataError: The file cannot be written.
        """
        self.path = Path(path)
        kept = []
        if global_step and self.path.exists():
            kept = [row for row in read_metrics(path) if row["step"] <= global_step]
        self._rewrite(kept)

    def _rewrite(self, rows: List[Dict[str, Any]]) -> None:
        """Write the file anew with these lines, and open it for appending."""
        with replaced_file(self.path) as temporary:
            temporary.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        try:
            self._file = open(self.path, "a", encoding="utf-8")
        except OSError as error:
            raise unwritable(self.path, error) from None

    def remove(self, is_removed: Callable[[Dict[str, Any]], bool]) -> None:
        """Remove the lines for which `is_removed` is true."""
        kept = [row for row in read_metrics(self.path) if not is_removed(row)]
        self._file.close()
        self._rewrite(kept)

    def write(self, row: Dict[str, Any]) -> None:
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class FollowedMetrics:
    """A metrics.jsonl to which lines are added while it is read.

    Args:
        path: The file.
        count: Rows at its beginning that are passed over.
    """

    def __init__(self, path: Path, count: int = 0):
        self.path = Path(path)
        self._count = count
        self._lines = 0
        self._bytes = 0

    def new_rows(self) -> List[Dict[str, Any]]:
        """The rows after those that were passed over or given before.

        Raises:
            DataError: As of `read_metrics`.
        """
        rows, size = _read_rows(self.path, self._bytes, self._lines)
        first = max(self._count - self._lines, 0)
        self._bytes += size
        self._lines += len(rows)
        return rows[first:]


def read_metrics(path: Path) -> List[Dict[str, Any]]:
    """The lines of a metrics.jsonl as dicts, in the file's order; a last line without its end is left out.

    Raises:
        DataError: The file cannot be read, or another line is no JSON object of figures with "step".
    """
    return _read_rows(path, 0, 0)[0]


def _read_rows(path: Path, offset: int, lines_before: int) -> Tuple[List[Dict[str, Any]], int]:
    """(the rows from a position in bytes on, the size of their lines in bytes)."""
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            content = file.read()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    content = content[: content.rfind(b"\n") + 1]
    rows = []
    for number, line in enumerate(content.splitlines(), lines_before + 1):
        try:
            row = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError):
            row = None
        if not _is_row(row):
            found = one_line(line.decode("utf-8", "backslashreplace").strip()[:60])
            raise DataError(
                f"{path}, line {number}: a JSON object of figures with \"step\" expected, found '{found}'; "
                "remove this line"
            )
        rows.append(row)
    return rows, len(content)


def _is_row(row: Any) -> bool:
    """Whether a line holds a step and figures: numbers, and objects of numbers for boxes and masks."""
    if not isinstance(row, dict) or type(row.get("step")) is not int:
        return False
    plain = [value for name, value in row.items() if name not in ("evaluated", *_KINDS)]
    kinds = [row[kind] for kind in _KINDS if kind in row]
    if not all(isinstance(figures, dict) for figures in kinds):
        return False
    return all(
        isinstance(value, (int, float)) for part in (plain, *map(dict.values, kinds)) for value in part
    )
