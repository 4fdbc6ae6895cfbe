"""What is found wrong with a data set: every kind of finding with what is done about it, and the list of those that were found.

A finding is `fatal` (the data cannot be used), `skipped` (something is left out), `fixed` (read as it was meant) or `kept` (used as it is, but
worth a look). A reader that trains stops at the first fatal one with a DataError; a check collects all of them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from ..errors import DataError

logger = logging.getLogger("maskrcnn.data")

FATAL, SKIPPED, FIXED, KEPT = ACTIONS = ("fatal", "skipped", "fixed", "kept")

# kind: (what is done, what it is, ending in what is done about it)
KINDS = {
    # the annotation file
    "file_unreadable": (FATAL, "annotation file that cannot be read"),
    "file_syntax": (FATAL, "file that is not JSON or not UTF-8 text"),
    "file_form": (FATAL, "file without the parts that its form has"),
    "byte_order_mark": (FIXED, "byte-order mark at the start of the file, passed over"),
    "windows_line_ends": (FIXED, "Windows line end, read as a line end"),
    # classes
    "category_form": (FATAL, "category without a usable id and name"),
    "category_twice": (FATAL, "category id or name that is used twice"),
    "category_names": (FATAL, "category that coco_classes does not name"),
    "category_zero": (KEPT, "category with id 0, a class like the others (labels are counted from 1)"),
    "category_gaps": (KEPT, "gaps in the category ids, closed by counting labels from 1"),
    # pictures in the file
    "image_form": (FATAL, "image without a usable id and file_name"),
    "image_twice": (FATAL, "image id that is used twice"),
    "image_file_twice": (
        KEPT,
        "picture file listed under more than one image id, kept: objects of one are background in the other",
    ),
    "image_outside": (FATAL, "picture name that leads out of the picture folder"),
    "image_link": (KEPT, "picture that is a link to a file outside the picture folder, followed"),
    "image_size_missing": (FIXED, "picture without a usable size in the file, read from the picture"),
    "respelled": (FIXED, "whole number written as text or as a fraction, read as a number"),
    "large_id": (KEPT, "id over 2^32, which other tools may cut, kept"),
    "name_spaces": (FIXED, "picture name with spaces, read as one name"),
    # picture files
    "picture_missing": (FATAL, "picture that is missing"),
    "picture_empty": (FATAL, "picture file of zero bytes"),
    "picture_truncated": (FATAL, "picture that is cut off"),
    "picture_not": (FATAL, "file that is not a picture"),
    "picture_bomb": (FATAL, "picture of more pixels than are safe to decode"),
    "picture_unreadable": (FATAL, "picture that cannot be read or decoded"),
    "picture_size": (FATAL, "picture of another size than the file says"),
    "picture_turned": (FIXED, "picture turned by its EXIF orientation, as viewers show it"),
    "picture_stored": (KEPT, "picture annotated as it is stored, its EXIF orientation ignored"),
    "picture_grey": (FIXED, "grey picture, becomes RGB"),
    "picture_16bit": (FIXED, "16-bit picture, becomes 8-bit"),
    "picture_cmyk": (FIXED, "CMYK picture, becomes RGB"),
    "picture_alpha": (FIXED, "picture with transparency, which is dropped"),
    "picture_palette": (FIXED, "palette picture, becomes RGB"),
    "picture_animated": (FIXED, "animated picture, its first frame is taken"),
    # annotations
    "annotation_form": (SKIPPED, "annotation that is not an object, left out"),
    "annotation_image": (SKIPPED, "annotation of an image id that the file does not list, left out"),
    "annotation_category": (SKIPPED, "annotation of a category id that the file does not list, left out"),
    "annotation_id": (FIXED, "annotation id missing or used twice, kept with its place in the file"),
    "crowd_spelled": (FIXED, "is_crowd for iscrowd, read as iscrowd"),
    "crowd_value": (FIXED, "iscrowd that is neither 0 nor 1, read as a crowd unless it is false"),
    "box_form": (SKIPPED, "box that is not four numbers, left out"),
    "box_infinite": (SKIPPED, "box that is not finite, left out"),
    "box_empty": (SKIPPED, "box without area (zero or negative width or height), left out"),
    "box_outside": (SKIPPED, "box outside the picture, left out"),
    "box_partly": (FIXED, "box reaching out of the picture, clipped"),
    "box_missing": (FIXED, "object without a box, which is taken around its mask"),
    "box_corners": (FIXED, "box given as corners x1, y1, x2, y2 (its mask says so), read as such"),
    "boxes_as_corners": (FATAL, "boxes that look like corners x1, y1, x2, y2"),
    "area_form": (FIXED, "area that is missing or not a number from 0, computed"),
    "area_wrong": (KEPT, "area unlike its mask or box, kept (evaluation sorts objects by it)"),
    "polygon_form": (SKIPPED, "polygon that is not a list of numbers, left out"),
    "polygon_short": (SKIPPED, "polygon of under three points, left out"),
    "polygon_odd": (SKIPPED, "polygon of odd length, left out"),
    "polygon_far": (SKIPPED, "polygon that is not finite or far out of the picture, left out"),
    "polygon_outside": (SKIPPED, "polygon outside the picture, left out"),
    "polygon_partly": (FIXED, "polygon reaching out of the picture, clipped"),
    "polygon_crossing": (KEPT, "polygon that crosses itself, kept and filled by COCO's rule"),
    "polygon_no_pixel": (KEPT, "polygon too small to cover a pixel, kept and drawn finer"),
    "rle_corrupt": (SKIPPED, "RLE that is corrupt, left out"),
    "rle_size": (SKIPPED, "RLE of another size than its picture, left out"),
    "rle_empty": (SKIPPED, "RLE without a pixel, left out"),
    "segmentation_form": (SKIPPED, "segmentation that is neither polygons nor RLE, left out"),
    "mask_missing": (SKIPPED, "object without a usable mask in a file with masks, left out"),
    "mask_apart": (SKIPPED, "object whose mask lies outside its box, left out"),
    "mask_box": (KEPT, "mask and box that disagree (IoU under 0.5), kept"),
    # rows of a txt file
    "row_form": (FATAL, "row that is not a path and boxes x1,y1,x2,y2,class"),
    "row_number": (FATAL, "box with something that is not a number"),
    "row_class": (FATAL, "class that is not one of 1 to num_classes-1"),
    "masks_mixed": (FATAL, "boxes with polygons and boxes without in one file"),
    # training
    "empty_picture": (SKIPPED, "picture without objects, left out of training (keep_empty=True keeps it)"),
    "crowd_only": (
        SKIPPED,
        "picture with nothing but crowds, left out of training (keep_empty=True keeps it)",
    ),
    "too_many": (
        SKIPPED,
        "picture with more than max_instance_count objects, the smallest are left out of training",
    ),
    "canvas": (FATAL, "picture that does not fit the canvas"),
    "nothing": (FATAL, "no picture with an object to learn from"),
}
# what `bad_pictures=skip` leaves out
PICTURE_KINDS = (
    "picture_missing",
    "picture_empty",
    "picture_truncated",
    "picture_not",
    "picture_bomb",
    "picture_unreadable",
    "picture_size",
)


def one_line(text):
    """A text with what cannot be printed written as escapes: names out of a file may hold line ends and half characters."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in str(text)
    )


def short(value):
    """A value out of a file as at most 60 printable letters."""
    text = one_line(repr(value)[:200])
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass
class Finding:
    """place: line or JSON path; detail: what this one is, where the kind does not say it all (for a fatal one, a sentence with the way out)."""

    kind: str
    place: str
    image_id: Optional[int] = None
    annotation_id: Optional[int] = None
    detail: str = ""


@dataclass
class Findings:
    """The findings of one annotation file.

    name: the file; collect: go on after a fatal finding; limit: findings of a kind that are kept
    (all are counted); skip_pictures: leave pictures that cannot be used out, where otherwise they are fatal.
    """

    name: str
    collect: bool = False
    limit: int = 5
    skip_pictures: bool = False
    counts: Dict[str, int] = field(default_factory=dict)
    found: Dict[str, List[Finding]] = field(default_factory=dict)

    def action(self, kind):
        """What is done about a kind: one of ACTIONS."""
        return SKIPPED if self.skip_pictures and kind in PICTURE_KINDS else KINDS[kind][0]

    def add(self, kind, place, image_id=None, annotation_id=None, detail=""):
        """One more. Raises DataError for a fatal one unless they are collected."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        kept = self.found.setdefault(kind, [])
        finding = Finding(kind, str(place), image_id, annotation_id, detail)
        if len(kept) < self.limit:
            kept.append(finding)
        if not self.collect and self.action(kind) == FATAL:
            raise DataError(self.sentence(finding))

    def stop(self, kind, place, detail):
        """A fatal one after which there is nothing left to read; raises DataError in any case."""
        self.add(kind, place, detail=detail)
        raise DataError(self.sentence(self.found[kind][-1]))

    def add_rows(self, kind, rows, describe):
        """Many of a kind; rows: int [k] numbers; describe: row number -> (place, image id, annotation id, detail)."""
        room = max(0, self.limit - len(self.found.get(kind, ())))
        for row in rows[:room]:
            self.add(kind, *describe(int(row)))
        if len(rows) > room:
            self.counts[kind] = self.counts.get(kind, 0) + len(rows) - room

    def sentence(self, finding):
        """A fatal finding as one line: the file, the place, what is wrong, the way out."""
        where = (
            f"{self.name}:{finding.place[5:]}"
            if finding.place.startswith("line ")
            else f"annotation file {self.name}" + (f": {finding.place}" if finding.place else "")
        )
        way_out = (
            "; replace it, or leave such pictures out with bad_pictures=skip"
            if finding.kind in PICTURE_KINDS
            else ""
        )
        return one_line(f"{where}: {finding.detail or KINDS[finding.kind][1]}{way_out}")

    def lines(self, kinds=None):
        """A line a kind: the file, the count, the kind, the first places."""
        return [
            self._line(kind, count) for kind, count in self.counts.items() if kinds is None or kind in kinds
        ]

    def _line(self, kind, count):
        places = [
            f"annotation {one.annotation_id}"
            if one.annotation_id is not None
            else f"image {one.image_id}"
            if one.image_id is not None and not one.place.startswith("line")
            else one.place
            for one in self.found.get(kind, [])[:5]
        ]
        shown = f" ({', '.join(places)}{', ...' if count > len(places) else ''})" if any(places) else ""
        return one_line(f"{self.name}: {count} x {KINDS[kind][1]}{shown}")

    def report(self):
        """Log a line a kind of what is left out or mended, as warnings, and return the lines."""
        lines = self.lines([kind for kind in self.counts if self.action(kind) != KEPT])
        for line in lines:
            logger.warning(line)
        return lines

    def count(self, action):
        """How many findings have an action."""
        return sum(count for kind, count in self.counts.items() if self.action(kind) == action)

    @property
    def exit_code(self):
        """2 with anything fatal, 1 where something is left out, else 0."""
        return 2 if self.count(FATAL) else 1 if self.count(SKIPPED) else 0

    def as_json(self) -> Dict[str, Any]:
        """{"kinds": [{kind, what, action, count, listed}], "findings": [{file, place, image_id, annotation_id, kind, what, detail, action}]}"""
        kinds = sorted(self.counts, key=lambda kind: ACTIONS.index(self.action(kind)))
        return {
            "kinds": [
                {
                    "kind": kind,
                    "action": self.action(kind),
                    "what": KINDS[kind][1],
                    "count": self.counts[kind],
                    "listed": len(self.found.get(kind, ())),
                }
                for kind in kinds
            ],
            "findings": [
                {
                    "file": self.name,
                    "place": one.place,
                    "image_id": one.image_id,
                    "annotation_id": one.annotation_id,
                    "kind": kind,
                    "what": KINDS[kind][1],
                    "detail": one_line(one.detail),
                    "action": self.action(kind),
                }
                for kind in kinds
                for one in self.found.get(kind, ())
            ],
        }
