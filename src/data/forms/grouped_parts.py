"""Objects of several shapes: labelling tools have groups for what a single outline cannot hold."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple, Union

from .items import JoinedParts, LabelledObject, PartMask


class Part(NamedTuple):
    """A shape.

    Attributes:
        class_name: of its object.
        group: the shapes of a picture with one class name and one group are one object; None: an object of
            its own.
        place: as of `LabelledObject`.
        outline: a polygon [x, y, x, y, ...], or a PartMask.
        is_box: whether it is an upright rectangle, as `rectangle` returns it.
        crowd: as of `LabelledObject`.
    """

    class_name: str
    group: Optional[Union[int, str]]
    place: str
    outline: Union[List[float], PartMask]
    is_box: bool = False
    crowd: bool = False


def grouped_objects(parts: Iterable[Part]) -> List[LabelledObject]:
    """The objects of a picture's shapes, those of a group at the place of its first shape."""
    groups: Dict[Tuple[str, object], List[Part]] = {}
    for number, part in enumerate(parts):
        # a number alone could be a group too
        group = ("alone", number) if part.group is None else part.group
        groups.setdefault((part.class_name, group), []).append(part)
    return [_joined(of_one) for of_one in groups.values()]


def _joined(parts: Sequence[Part]) -> LabelledObject:
    """The object that some shapes make up: every pixel of any of them."""
    polygons = [part.outline for part in parts if not isinstance(part.outline, PartMask)]
    masks = [part.outline for part in parts if isinstance(part.outline, PartMask)]
    is_box = len(parts) == 1 and parts[0].is_box
    box = (*polygons[0][:2], *polygons[0][4:6]) if is_box else None
    segmentation: Any = polygons
    if masks:
        segmentation = masks[0] if len(parts) == 1 else JoinedParts(polygons, masks)
    crowd = any(part.crowd for part in parts)
    return LabelledObject(parts[0].class_name, box, segmentation, parts[0].place, crowd, is_box)
