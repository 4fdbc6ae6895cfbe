"""One object of several shapes: labelling tools have groups for what a single outline cannot hold."""

from __future__ import annotations

from typing import Any, List, NamedTuple, Sequence, Union

from .items import JoinedParts, LabelledObject, PartMask


class Part(NamedTuple):
    """A shape.

    Attributes:
        place: as of `LabelledObject`.
        outline: a polygon [x, y, x, y, ...], or a PartMask.
        is_box: whether it is an upright rectangle, as `rectangle` returns it.
        crowd: as of `LabelledObject`.
    """

    place: str
    outline: Union[List[float], PartMask]
    is_box: bool = False
    crowd: bool = False


def joined_object(class_name: str, parts: Sequence[Part]) -> LabelledObject:
    """The object that some shapes make up, at the place of the first: every pixel of any of them."""
    polygons = [part.outline for part in parts if not isinstance(part.outline, PartMask)]
    masks = [part.outline for part in parts if isinstance(part.outline, PartMask)]
    is_box = len(parts) == 1 and parts[0].is_box
    box = (*polygons[0][:2], *polygons[0][4:6]) if is_box else None
    segmentation: Any = polygons
    if masks:
        segmentation = masks[0] if len(parts) == 1 else JoinedParts(polygons, masks)
    crowd = any(part.crowd for part in parts)
    return LabelledObject(class_name, box, segmentation, parts[0].place, crowd, is_box)
