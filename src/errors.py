"""The project's own errors. Their text is one line: what is wrong, where, and what to do."""

from __future__ import annotations

from typing import Iterable


def one_line(text: object) -> str:
    """A text on one line: what cannot be printed (line ends, half of a surrogate pair) becomes an escape."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in str(text)
    )


class UserError(Exception):
    """Something that the user can correct.

    Attributes:
        code: The process's exit code: 2 for what the user can correct, 3 for a process that died or hangs.
    """

    code = 2


class ConfigError(UserError):
    """A configuration key, value or combination that cannot be used."""


class DataError(UserError):
    """An annotation file, picture or MindRecord folder that cannot be used."""


class WorkerError(DataError):
    """A data worker died or hangs. Nothing is wrong with the settings: resume=auto continues the run.

    Attributes:
        rows: The rows of the shards that the worker had to read.
    """

    code = 3

    def __init__(self, line: str, rows: Iterable[int] = ()):
        super().__init__(line)
        self.rows = list(rows)


class CheckpointError(UserError):
    """A weights file that cannot be read, or that does not fit the network."""


class TrainingError(UserError):
    """Training cannot go on, because of a loss that is not finite for example."""


class CardMemoryError(UserError):
    """The device's memory does not suffice."""


class RankError(UserError):
    """Another rank of the job failed, died or hangs.

    Attributes:
        code: The exit code of that rank; 3 if it has none.
    """

    def __init__(self, line: str, code: int = 3):
        super().__init__(line)
        self.code = code
