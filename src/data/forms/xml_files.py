"""XML label files, read piece by piece. They are not trusted: a file that declares entities is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Collection, Iterator, List, Optional
from xml.etree import ElementTree
from xml.parsers import expat

from ..findings import Findings
from .label_files import read_bytes

_PIECE = 1 << 20  # bytes that are parsed at once
_DEEPEST = 100  # elements within each other


class PlacedElement(ElementTree.Element):
    """An element that knows its place.

    Attributes:
        line: of its start in the file, from 1.
    """

    line = 0


class _Refused(Exception):
    """What expat would read, but is not read here."""


class _Reader:
    """Expat's calls, and the elements that they make up.

    Args:
        tags: elements of these tags are handed over when they end, and then forgotten with all that they
            hold; those within them are not. Empty: only the outermost element is.

    Attributes:
        ended: elements that ended and are to be handed over.
    """

    def __init__(self, tags: Collection[str]):
        self.ended: List[PlacedElement] = []
        self._tags = tags
        self._open: List[PlacedElement] = []
        self._last: Optional[PlacedElement] = None  # the element after whose end text comes
        self._outer = 0  # how many of the open elements are of the tags
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.EntityDeclHandler = self._refuse_entity

    def parse(self, data: bytes, is_end: bool) -> None:
        """Parse a piece of the file. Raises expat.ExpatError and _Refused."""
        self._parser.Parse(data, is_end)

    def line(self) -> int:
        """Of the file, at which the parser is."""
        return self._parser.CurrentLineNumber

    def _start(self, tag, attributes):
        element = PlacedElement(tag, attributes)
        element.line = self._parser.CurrentLineNumber
        if len(self._open) == _DEEPEST:
            raise _Refused(f"elements within each other {_DEEPEST} deep")
        if self._open and (self._outer or not self._tags):
            self._open[-1].append(element)
        self._open.append(element)
        self._outer += tag in self._tags
        self._last = None

    def _end(self, tag):
        element = self._open.pop()
        self._outer -= tag in self._tags
        if (tag in self._tags and not self._outer) or not (self._open or self._tags):
            self.ended.append(element)
        self._last = element

    def _text(self, text):
        if self._last is not None:
            self._last.tail = (self._last.tail or "") + text
        elif self._open:
            self._open[-1].text = (self._open[-1].text or "") + text

    def _refuse_entity(self, name, *_):
        raise _Refused(f"it declares the entity {name!r}, which label files do not need")


def xml_elements(
    path: Path, place: str, tags: Collection[str], findings: Findings
) -> Iterator[PlacedElement]:
    """The elements of an XML file that have one of these tags, each when it ends, in the file's order.

    What an element of the tags holds is in it, and is not handed over for itself. Memory holds one piece of
    the tree at a time.

    Args:
        path: the file.
        place: its name in findings.
        tags: the tags; none: only the outermost element, which holds all.
        findings: a file that cannot be read to its end is added here, after the elements before.
    """
    data = read_bytes(path, place, findings)
    if data is None:
        return
    reader = _Reader(tags)
    for start in range(0, len(data) or 1, _PIECE):
        problem = None
        try:
            reader.parse(data[start : start + _PIECE], start + _PIECE >= len(data))
        except expat.ExpatError as error:
            problem = f"not XML: {expat.ErrorString(error.code)} at line {error.lineno} column {error.offset}"
            if start + _PIECE >= len(data) and error.code in _END_CODES:
                problem += " (it is cut off, or empty)"
        except (_Refused, ValueError, LookupError) as error:
            # a ValueError or LookupError: an encoding that Python or expat does not know
            problem = f"XML that is not read: {error} at line {reader.line()}"
        yield from reader.ended
        reader.ended.clear()
        if problem is not None:
            findings.add("label_file_syntax", place, detail=problem)
            return


_END_CODES = {
    expat.errors.codes[message]
    for message in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
    )
}


def read_xml(path: Path, place: str, findings: Findings) -> Optional[PlacedElement]:
    """The outermost element of an XML file; None, with a finding, where it cannot be read.

    Args:
        path: the file.
        place: its name in findings.
        findings: what is wrong with it is added here.
    """
    return next(iter(list(xml_elements(path, place, (), findings))), None)
