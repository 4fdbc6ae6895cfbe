"""The log of decisions: JSON lines that are on the disk before a decision counts.

The first line names the files that the decisions are about, every further line is one decision or one undo.
What counts now is what the lines say in their order, so the log is all that a restart needs.
"""

from __future__ import annotations

import datetime
import fcntl
import json
import os
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple, Union

from ..errors import DataError
from ..log import logger
from ..whole_files import unwritable

ACCEPT = "accept"
REJECT = "reject"
SKIP = "skip"
UNDO = "undo"
DECISIONS = (ACCEPT, REJECT, SKIP)
_BEGIN = b'{"log": 1'  # of the first line


class Decision(NamedTuple):
    """What was decided of a suspect.

    Attributes:
        revision: number of the log's line that decided it, from 1.
        decision: one of DECISIONS.
        before: the annotation as it was; None: there was none.
        after: the annotation as it shall be; None: there shall be none. Both are None if nothing changes.
    """

    revision: int
    decision: str
    before: Optional[Dict[str, Any]] = None
    after: Optional[Dict[str, Any]] = None


class DecisionLog:
    """A log file that is open. One process at a time may have it.

    Attributes:
        path: of the file.
        revision: number of the last decision or undo; 0 without any.
        current: {suspect id: its last decision that is not undone}.
        touched: {suspect id: the revision that changed it last, undos included}.
        largest_id: the largest annotation id that was ever given to a new object; 0 without one.
    """

    def __init__(self, path: Union[str, Path], about: Mapping[str, Any]):
        """Open a log, or begin one.

        Args:
            path: of the file.
            about: what the decisions are about, for the first line. Of files NAME and NAME_sha256; in a log
                that is there these have to be the same.

        Raises:
            DataError: the file cannot be written, is in use, is damaged, or is about other files.
        """
        self.path = Path(path)
        self.revision = 0
        self.current: Dict[str, Decision] = {}
        self.touched: Dict[str, int] = {}
        self.largest_id = 0
        self._history: List[Tuple[str, Optional[Decision], int]] = []
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise unwritable(self.path, error) from None
        self._is_open = True
        try:
            self._lock()
            self._read(about)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the file to other processes; a second call does nothing."""
        if self._is_open:
            self._is_open = False
            os.close(self._file)

    @property
    def can_undo(self) -> bool:
        return bool(self._history)

    @property
    def last_suspect(self) -> Optional[str]:
        """Whose decision an undo would take back; None: there is none."""
        return self._history[-1][0] if self._history else None

    def decide(
        self,
        suspect: str,
        kind: str,
        decision: str,
        before: Optional[Dict[str, Any]] = None,
        after: Optional[Dict[str, Any]] = None,
    ) -> Decision:
        """Store a decision; it counts once it is on the disk. Raises DataError where it cannot be stored."""
        line = {
            "revision": self.revision + 1,
            "time": _now(),
            "suspect": suspect,
            "kind": kind,
            "decision": decision,
            "before": before,
            "after": after,
        }
        self._append(line)
        self._apply(line)
        return self.current[suspect]

    def undo(self) -> str:
        """Take back the last decision that is not undone yet; returns its suspect's id.

        Raises:
            DataError: it cannot be stored.
            IndexError: there is none.
        """
        suspect, previous, revision = self._history[-1]
        line = {
            "revision": self.revision + 1,
            "time": _now(),
            "suspect": suspect,
            "decision": UNDO,
            "undoes": revision,
            "now": previous.decision if previous else None,
        }
        self._append(line)
        self._apply(line)
        return suspect

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DataError(
                f"{self.path}: another repair.py works on it; use its page, or end it first"
            ) from None

    def _read(self, about: Mapping[str, Any]) -> None:
        data = os.pread(self._file, os.fstat(self._file).st_size, 0)
        whole = data[: data.rfind(b"\n") + 1]
        lines = whole.split(b"\n")[:-1]
        if not lines:
            # the first line may be cut off too; any other file stays as it is
            if not (data.startswith(_BEGIN) or _BEGIN.startswith(data)):
                raise self._damaged(1)
            os.ftruncate(self._file, 0)
            self._append({"log": 1, "time": _now(), **about})
            _sync_folder(self.path.parent)
            return
        for number, text in enumerate(lines, 1):
            try:
                line = json.loads(text)
                if number == 1:
                    self._check_about(line, about)
                else:
                    self._apply(line)
            except (ValueError, KeyError, TypeError, AttributeError, IndexError):
                raise self._damaged(number) from None
        if len(whole) < len(data):
            logger.warning(
                "%s: its last line is cut off; that decision was never confirmed, and is left out", self.path
            )
            os.ftruncate(self._file, len(whole))

    def _damaged(self, number: int) -> DataError:
        return DataError(
            f"{self.path}, line {number}: not a line of repair.py's log; correct it, or move the log away to "
            "begin anew"
        )

    def _check_about(self, line: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        for name, value in about.items():
            if name.endswith("_sha256") and line[name] != value:
                file = about[name[: -len("_sha256")]]
                raise DataError(
                    f"{file}: it has changed since the decisions in {self.path} were made; put the old file "
                    "back, or move the log away to begin anew"
                )

    def _append(self, line: Mapping[str, Any]) -> None:
        size = os.fstat(self._file).st_size
        data = (json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
        try:
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, size)
            raise DataError(f"{self.path}: {error.strerror or error}; the decision is not stored") from None

    def _apply(self, line: Mapping[str, Any]) -> None:
        suspect, decision, revision = line["suspect"], line["decision"], line["revision"]
        if revision != self.revision + 1:
            raise ValueError("a line is missing")
        if decision == UNDO:
            _, previous, undone = self._history.pop()
            if undone != line["undoes"]:
                raise ValueError("another decision is undone")
            if previous is None:
                self.current.pop(suspect, None)
            else:
                self.current[suspect] = previous
        else:
            if decision not in DECISIONS:
                raise ValueError(decision)
            self._history.append((suspect, self.current.get(suspect), revision))
            self.current[suspect] = Decision(revision, decision, line["before"], line["after"])
            after = line["after"]
            if after is not None and line["before"] is None:
                self.largest_id = max(self.largest_id, after["id"])
        self.revision = revision
        self.touched[suspect] = revision


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")


def _sync_folder(folder: Path) -> None:
    """A new file's name is on the disk after this."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
