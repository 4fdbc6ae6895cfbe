"""The text of a COCO annotation file, in which single annotations are changed and all the rest stays.

The file is not parsed and written again: numbers keep their spelling, objects their keys and their order, and
unknown keys stay, since every annotation that is not changed is copied as it is written.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Sequence, Set, Union

from ..data.annotations.annotation_file import read_annotation_file
from ..data.annotations.json_values import whole_number
from ..data.annotations.mending.encodings import decode_text
from ..data.findings import Findings
from ..errors import DataError

_skip_space = re.compile(r"[ \t\n\r]*").match
CONVERT = "convert the data first: python convert_data.py SOURCE OUT --to coco, and evaluate on OUT"


class _Span(NamedTuple):
    begin: int
    end: int


class AnnotationText:
    """An annotation file.

    Attributes:
        path: of the file.
        digest: sha256 of its bytes, in hexadecimal.
        positions: {annotation id: position in the list of annotations}.
    """

    def __init__(self, path: Union[str, Path]):
        """Raises DataError: it cannot be read, is no COCO JSON, or annotations have no ids of their own."""
        self.path = Path(path)
        if self.path.is_dir():
            raise DataError(f"{path}: a folder, where repair.py takes a COCO JSON file; {CONVERT}")
        data = read_annotation_file(path)
        self.digest = hashlib.sha256(data).hexdigest()
        self._text = decode_text(data, Findings(str(path)))
        self._spans: List[_Span] = []
        self._list = _Span(0, 0)
        self.positions: Dict[int, int] = {}
        self._scan = json.JSONDecoder().scan_once
        try:
            self._find_annotations()
        except (ValueError, StopIteration, IndexError, RecursionError):
            raise DataError(f"{path}: repair.py takes COCO JSON, and this is none; {CONVERT}") from None
        if not self._list.end:
            raise DataError(f"{path}: repair.py takes COCO JSON, and this has no 'annotations'; {CONVERT}")

    def __len__(self) -> int:
        return len(self._spans)

    def item(self, annotation_id: int) -> Dict[str, Any]:
        """An annotation as the file has it."""
        return self._value(self.positions[annotation_id])

    def first_items(self, count: int) -> List[Dict[str, Any]]:
        """The first annotations."""
        return [self._value(position) for position in range(min(count, len(self._spans)))]

    def largest_id(self) -> int:
        """The largest annotation id; 0 without annotations."""
        return max(self.positions, default=0)

    def with_changes(
        self, changed: Mapping[int, Any], removed: Set[int], added: Sequence[Any]
    ) -> Iterator[str]:
        """The text of the corrected file, in pieces.

        Args:
            changed: {annotation id: the annotation as it shall be}.
            removed: annotation ids.
            added: annotations, which are put at the end.
        """
        places = {self.positions[annotation_id]: item for annotation_id, item in changed.items()}
        gone = {self.positions[annotation_id] for annotation_id in removed}
        text, spans = self._text, self._spans
        yield text[: self._list.begin + 1]
        lead = text[self._list.begin + 1 : spans[0].begin] if spans else ""
        tail = text[spans[-1].end : self._list.end - 1] if spans else ""
        separator = lead
        for position, span in enumerate(spans):
            if position in gone:
                continue
            yield separator
            yield json.dumps(places[position]) if position in places else text[span.begin : span.end]
            following = spans[position + 1].begin if position + 1 < len(spans) else None
            separator = "," + lead if following is None else text[span.end : following]
        if len(gone) == len(spans):
            separator = lead
        for item in added:
            yield separator
            yield json.dumps(item)
            separator = ", "
        yield tail
        yield text[self._list.end - 1 :]

    def _value(self, position: int) -> Dict[str, Any]:
        return self._scan(self._text, self._spans[position].begin)[0]

    def _find_annotations(self) -> None:
        """Fill the places of the annotations; ValueError, IndexError or StopIteration where it is no JSON."""
        text = self._text
        place = self._expect("{", 0)
        while text[place] != "}":
            key, place = self._scan(text, place)
            place = self._expect(":", place)
            if key == "annotations" and text[place] == "[":
                place = self._find_items(place)
            else:
                _, place = self._scan(text, place)
            place = _skip_space(text, place).end()
            if text[place] == ",":
                place = _skip_space(text, place + 1).end()
        if _skip_space(text, place + 1).end() != len(text):
            raise ValueError("text after the end")

    def _find_items(self, begin: int) -> int:
        text = self._text
        place = self._expect("[", begin)
        self._spans, self.positions = [], {}
        while text[place] != "]":
            item, end = self._scan(text, place)
            self._add(item)
            self._spans.append(_Span(place, end))
            place = _skip_space(text, end).end()
            if text[place] == ",":
                place = _skip_space(text, place + 1).end()
        self._list = _Span(begin, place + 1)
        return place + 1

    def _add(self, item: Any) -> None:
        position = len(self._spans)
        number = whole_number(item.get("id")) if isinstance(item, dict) else None
        if number is None or number in self.positions:
            problem = "has no whole number as id" if number is None else f"has the id {number} of another one"
            raise DataError(
                f"{self.path}: annotations[{position}] {problem}; repair.py needs an id of its own for each"
            )
        self.positions[number] = position

    def _expect(self, letter: str, place: int) -> int:
        """The place of the first letter after `letter`."""
        place = _skip_space(self._text, place).end()
        if self._text[place] != letter:
            raise ValueError(letter)
        return _skip_space(self._text, place + 1).end()
