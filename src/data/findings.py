"""The findings of one annotation file: what was found, where, and whether it stops the reader."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, List, NoReturn, Optional, Sequence

from ..errors import DataError, one_line
from ..log import logger
from .finding_kinds import ACTIONS, FATAL, KEPT, KINDS, PICTURE_KINDS, SKIPPED
from .option_names import KEYS, OptionNames


def short(value: object) -> str:
    """A value from a file as at most 60 printable characters."""
    text = one_line(repr(value)[:200])
    return text if len(text) <= 60 else text[:57] + "..."


def short_numbers(values: Iterable[float]) -> str:
    """Numbers in brackets, with six digits each."""
    return "[" + ", ".join(f"{value:.6g}" for value in values) + "]"


@dataclass
class Finding:
    """One problem found in the data.

    Attributes:
        kind: a key of KINDS.
        location: line or JSON path in the annotation file.
        image_id: id of the picture that it concerns.
        annotation_id: id of the annotation that it concerns.
        detail: what is special about this one. For a fatal finding, a sentence that says how to correct it.
    """

    kind: str
    location: str
    image_id: Optional[int] = None
    annotation_id: Optional[int] = None
    detail: str = ""


@dataclass
class Findings:
    """All findings of one annotation file.

    Attributes:
        annotation_file: path of the file, for messages.
        collect: go on after a fatal finding. Without it, the first fatal finding raises a DataError.
        limit: how many findings of a kind are listed; all are counted.
        skip_pictures: leave out pictures that cannot be used. Without it, they are fatal.
        options: what messages tell the user to write.
        counts: {kind: number of findings}.
        listed: {kind: the first `limit` findings}.
    """

    annotation_file: str
    collect: bool = False
    limit: int = 5
    skip_pictures: bool = False
    options: OptionNames = KEYS
    counts: Dict[str, int] = field(default_factory=dict)
    listed: Dict[str, List[Finding]] = field(default_factory=dict)

    def action(self, kind: str) -> str:
        """What is done about a kind: one of ACTIONS."""
        return SKIPPED if self.skip_pictures and kind in PICTURE_KINDS else KINDS[kind].action

    def add(
        self,
        kind: str,
        location: str,
        image_id: Optional[int] = None,
        annotation_id: Optional[int] = None,
        detail: str = "",
    ) -> None:
        """Add one finding. Raises DataError for a fatal one unless findings are collected."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        finding = Finding(kind, str(location), image_id, annotation_id, detail)
        listed = self.listed.setdefault(kind, [])
        if len(listed) < self.limit:
            listed.append(finding)
        if not self.collect and self.action(kind) == FATAL:
            raise DataError(self.message(finding))

    def fail(self, kind: str, location: str, detail: str) -> NoReturn:
        """Add a fatal finding after which nothing more can be read. Always raises DataError."""
        self.add(kind, location, detail=detail)
        raise DataError(self.message(self.listed[kind][-1]))

    def add_rows(self, kind: str, rows: Sequence[int], describe: Callable[[int], tuple]) -> None:
        """Add many findings of one kind.

        Args:
            kind: a key of KINDS.
            rows: int [k], row numbers.
            describe: row number -> (location, image id, annotation id, detail). Called for listed rows only.
        """
        remaining = max(0, self.limit - len(self.listed.get(kind, ())))
        for row in rows[:remaining]:
            self.add(kind, *describe(int(row)))
        if len(rows) > remaining:
            self.counts[kind] = self.counts.get(kind, 0) + len(rows) - remaining

    def message(self, finding: Finding) -> str:
        """A fatal finding as one line: the file, the location, what is wrong, how to correct it."""
        if finding.location.startswith("line "):
            where = f"{self.annotation_file}:{finding.location[5:]}"
        else:
            where = f"annotation file {self.annotation_file}"
            if finding.location:
                where += f": {finding.location}"
        text = f"{where}: {finding.detail or KINDS[finding.kind].text}"
        if finding.kind in PICTURE_KINDS:
            text += f"; replace it, or leave such pictures out with {self.options.skip_pictures}"
        return one_line(text)

    def summary(self, kinds: Optional[Sequence[str]] = None) -> List[str]:
        """A line for each of `kinds` (all by default): the file, the count, the kind, the first locations."""
        return [
            self._summary_line(kind, count)
            for kind, count in self.counts.items()
            if kinds is None or kind in kinds
        ]

    def _summary_line(self, kind: str, count: int) -> str:
        names = [_short_name(finding) for finding in self.listed.get(kind, [])[:5]]
        examples = f" ({', '.join(names)}{', ...' if count > len(names) else ''})" if any(names) else ""
        return one_line(f"{self.annotation_file}: {count} x {KINDS[kind].text}{examples}")

    def log_summary(self) -> List[str]:
        """Log a warning for each kind that is left out or corrected, and return the lines."""
        lines = self.summary([kind for kind in self.counts if self.action(kind) != KEPT])
        for line in lines:
            logger.warning(line)
        return lines

    def count(self, action: str) -> int:
        """How many findings have an action."""
        return sum(count for kind, count in self.counts.items() if self.action(kind) == action)

    @property
    def exit_code(self) -> int:
        """2 with anything fatal, 1 where something is left out, else 0."""
        if self.count(FATAL):
            return 2
        return 1 if self.count(SKIPPED) else 0

    def as_json(self) -> Dict[str, Any]:
        """The part of data_report.json that lists findings, the most serious kinds first.

        Returns:
            {"kinds": [{kind, action, what, count, listed}],
            "findings": [{file, place, image_id, annotation_id, kind, what, detail, action}]}.
        """
        kinds = sorted(self.counts, key=lambda kind: ACTIONS.index(self.action(kind)))
        return {
            "kinds": [
                {
                    "kind": kind,
                    "action": self.action(kind),
                    "what": KINDS[kind].text,
                    "count": self.counts[kind],
                    "listed": len(self.listed.get(kind, ())),
                }
                for kind in kinds
            ],
            "findings": [
                {
                    "file": self.annotation_file,
                    "place": finding.location,
                    "image_id": finding.image_id,
                    "annotation_id": finding.annotation_id,
                    "kind": kind,
                    "what": KINDS[kind].text,
                    "detail": one_line(finding.detail),
                    "action": self.action(kind),
                }
                for kind in kinds
                for finding in self.listed.get(kind, ())
            ],
        }


def _short_name(finding: Finding) -> str:
    """What a finding concerns: its annotation, else its picture, else its location."""
    if finding.annotation_id is not None:
        return f"annotation {finding.annotation_id}"
    if finding.image_id is not None and not finding.location.startswith("line"):
        return f"image {finding.image_id}"
    return finding.location
