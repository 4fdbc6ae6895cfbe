"""CVAT for images 1.1 (https://docs.cvat.ai/docs/manual/advanced/xml_format/), picture by picture.

CVAT finds the pictures of a task by the names here, and its labels by theirs.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Union
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from ....whole_files import WholeFile
from .mask_outlines import MaskWindow, rle_window
from .picture_labels import DataSetFacts, ObjectLabel, PictureLabels
from .spool import Spool
from .target import SplitWriter

_SCORE = "score"  # the attribute of detections


class CvatFile(SplitWriter):
    """A CVAT XML that grows in files and never in memory; after an error nothing is left.

    Polygons become <polygon>, those of one object with one group_id; an RLE becomes <mask>, an object
    without a segmentation <box>.

    Args:
        path: the file.
        facts: the classes.

    Raises:
        DataError: the file cannot be written; so do the methods.
    """

    def __init__(self, path: Union[str, Path], facts: DataSetFacts):
        self._file = WholeFile(path)
        self._images = Spool(self._file.path)
        self._names = facts.class_names
        self._count = 0

    def add(self, picture: PictureLabels) -> None:
        name = quoteattr(_printable(picture.file_name))
        size = f'width="{picture.width}" height="{picture.height}"'
        lines = [f'  <image id="{self._count}" name={name} {size}>']
        for number, one in enumerate(picture.objects, 1):
            lines += self._shapes(one, number)
        lines.append("  </image>\n")
        self._images.write("\n".join(lines))
        self._count += 1

    def _shapes(self, one: ObjectLabel, number: int) -> list:
        """The elements of an object; number: its group_id, where it has several."""
        head = f'label={quoteattr(_printable(self._names[one.label]))} source="auto" occluded="0"'
        if isinstance(one.segmentation, dict):
            window = rle_window(one.segmentation)
            found = [] if window is None else [f"mask {head} {_mask_attributes(window)}"]
        elif one.segmentation:
            group = f' group_id="{number}"' if len(one.segmentation) > 1 else ""
            found = [
                f'polygon {head} points="{_points(polygon)}" z_order="0"{group}'
                for polygon in one.segmentation
            ]
        else:
            x1, y1, x2, y2 = one.box
            corners = f'xtl="{x1:.2f}" ytl="{y1:.2f}" xbr="{x2:.2f}" ybr="{y2:.2f}"'
            found = [f'box {head} {corners} z_order="0"']
        score = "" if one.score is None else f'<attribute name="{_SCORE}">{one.score:.3f}</attribute>'
        return [f"    <{text}>{score}</{text.partition(' ')[0]}>" for text in found]

    def __exit__(self, *error) -> None:
        with self._images:
            if error[0] is not None:
                self._file.__exit__(*error)
                return
            with self._file:
                self._file.write(self._head())
                self._images.copy_to(self._file)
                self._file.write("</annotations>\n")

    def _head(self) -> str:
        now = time.strftime("%Y-%m-%d %H:%M:%S+00:00", time.gmtime())
        attribute = (
            f"<attribute><name>{_SCORE}</name><mutable>False</mutable><input_type>text</input_type>"
            "<default_value></default_value><values></values></attribute>"
        )
        labels = "\n".join(
            f"        <label><name>{escape(_printable(name))}</name><type>any</type>"
            f"<attributes>{attribute}</attributes></label>"
            for name in self._names[1:]
        )
        return f"""<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <id>0</id>
      <name>pre-annotation</name>
      <size>{self._count}</size>
      <mode>annotation</mode>
      <overlap>0</overlap>
      <bugtracker></bugtracker>
      <created>{now}</created>
      <updated>{now}</updated>
      <start_frame>0</start_frame>
      <stop_frame>{max(self._count - 1, 0)}</stop_frame>
      <frame_filter></frame_filter>
      <labels>
{labels}
      </labels>
    </task>
    <dumped>{now}</dumped>
  </meta>
"""


def _points(polygon: np.ndarray) -> str:
    pairs = np.asarray(polygon).reshape(-1, 2).tolist()
    return ";".join(["%.2f,%.2f" % (x, y) for x, y in pairs])


def _mask_attributes(window: MaskWindow) -> str:
    """A mask's run lengths row by row, zeros first, within the box around it."""
    flat = window.mask.ravel()
    ends = np.flatnonzero(np.diff(flat, prepend=np.uint8(0)))
    runs = np.diff(ends, prepend=0, append=len(flat)).tolist()
    height, width = window.mask.shape
    place = f'left="{window.left}" top="{window.top}" width="{width}" height="{height}"'
    return f'rle="{", ".join(map(str, runs))}" {place} z_order="0"'


def _printable(text: str) -> str:
    """A text as XML can have it: control characters become "_"."""
    return "".join(letter if letter.isprintable() else "_" for letter in text)
