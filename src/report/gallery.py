"""Pictures in the page: the JPEG once, the annotated objects and the detections over it as SVG."""

from __future__ import annotations

import base64
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence

import cv2
import numpy as np

from ..data.annotations.records import Record
from ..data.images.decode import read_picture
from ..errors import DataError
from ..evaluation.inputs import EvaluationInputs
from ..evaluation.matching.table import ALL_SIZES, MatchTable
from .markup import Markup, byte_count, element, text
from .outlines import Shape, draw_shapes
from .picture_lists import PictureList, embedded_images

MOST_PICTURES = 100
MOST_BYTES = 6_500_000  # of pictures with their shapes
LOWEST_SCORE = 0.05  # detections under it are not drawn
MOST_DETECTIONS = 40  # drawn in a picture, those of the highest scores
_LONGEST_SIDE = 480  # pixels
_QUALITY = 78


class Gallery(NamedTuple):
    """Figures of pictures.

    Attributes:
        figures: HTML, a figure a picture, all hidden until page.js shows some.
        shown: positions of the images that have a figure.
        unreadable: a line for each picture that could not be read; its shapes stand on grey.
    """

    figures: List[Markup]
    shown: List[int]
    unreadable: List[str]


class Found(NamedTuple):
    """What one run found.

    Attributes:
        title: over its pictures.
        inputs: of the evaluation, for masks; boxes need none.
        table: its match table.
        score: an object counts as found by a detection of at least this score.
    """

    title: str
    inputs: Optional[EvaluationInputs]
    table: MatchTable
    score: float


def make_gallery(
    runs: Sequence[Found],
    records: Mapping[object, Record],
    lists: Mapping[str, PictureList],
    most_bytes: int = MOST_BYTES,
) -> Gallery:
    """Figures of the pictures that `lists` want to show, as many as fit.

    Args:
        runs: of the same pictures and classes; what each found stands beside what is annotated.
        records: by image id.
        lists: pictures by key.
        most_bytes: of the figures together, if it is less than MOST_BYTES.
    """
    most_bytes = min(most_bytes, MOST_BYTES)
    gallery = Gallery([], [], [])
    total = 0
    shapes = [_Shapes(run) for run in runs]
    table = runs[0].table
    for image in embedded_images(lists, MOST_PICTURES):
        record = records[table.image_ids[image]]
        content = None
        try:
            content = _embedded(read_picture(record.path, (record.height, record.width)))
        except DataError as error:
            gallery.unreadable.append(str(error))
        figure = _figure(image, record, content, shapes)
        total += byte_count(figure)
        if total > most_bytes:
            break
        gallery.figures.append(figure)
        gallery.shown.append(image)
    return gallery


def picture_name(record: Record) -> str:
    """The name of a picture's file without its folder; where it has none its id."""
    return record.path.replace("\\", "/").rsplit("/", 1)[-1] or f"id {record.image_id}"


def _embedded(picture: np.ndarray) -> str:
    """A picture, uint8 [H, W, 3] RGB, as the URL of a JPEG of at most _LONGEST_SIDE pixels a side."""
    height, width = picture.shape[:2]
    factor = _LONGEST_SIDE / max(height, width)
    if factor < 1:
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")


class _Shapes:
    """The objects and detections of each picture, from the match table."""

    def __init__(self, run: Found):
        self.title = run.title
        self.inputs = run.inputs
        self.table = table = run.table
        self.is_false = table.is_false(table.reference)
        partner = table.object_partner(table.reference)
        found = partner >= 0
        found[found] = table.detections.score[partner[found]] >= run.score
        self.is_missed = ~found & ~table.object_ignored[ALL_SIZES]

    def mask(self, is_object: bool, position: int) -> Optional[dict]:
        """The RLE of an object or a detection, by its position in the inputs; None for boxes."""
        if self.table.kind == "bbox":
            return None
        annotations = self.inputs.truth.annotations if is_object else self.inputs.detections
        return annotations[position]["segmentation"]

    def objects(self, image: int, is_missed: np.ndarray) -> List[Shape]:
        """The annotated objects of a picture, crowds first; is_missed: bool, for all objects."""
        columns = self.table.objects
        own = np.flatnonzero(columns.image == image)
        own = own[np.argsort(~columns.crowd[own], kind="stable")]
        return [
            Shape(
                columns.box[i].tolist(),
                self.mask(True, columns.annotation[i]),
                int(columns.category[i]),
                self.table.class_names[columns.category[i]],
                None,
                bool(is_missed[i]),
                bool(columns.crowd[i]),
            )
            for i in own.tolist()
        ]

    def detections(self, image: int) -> List[Shape]:
        """The detections of a picture by rising score, so that the best ones are on top."""
        columns = self.table.detections
        own = np.flatnonzero((columns.image == image) & (columns.score >= LOWEST_SCORE))
        own = own[np.argsort(-columns.score[own], kind="stable")][:MOST_DETECTIONS][::-1]
        return [
            Shape(
                columns.box[i].tolist(),
                self.mask(False, columns.position[i]),
                int(columns.category[i]),
                self.table.class_names[columns.category[i]],
                float(columns.score[i]),
                bool(self.is_false[i]),
            )
            for i in own.tolist()
        ]


def _figure(image: int, record: Record, content: Optional[str], runs: Sequence[_Shapes]) -> Markup:
    height, width = record.height, record.width
    missed_by_all = np.logical_and.reduce([run.is_missed for run in runs])
    objects = runs[0].objects(image, missed_by_all)
    name = picture_name(record)
    reference = f"picture-{image}"
    if content is None:
        drawn = Markup(f'<rect class="nothing" width="{width}" height="{height}"/>')
        again = drawn
    else:
        drawn = Markup(f'<image id="{reference}" width="{width}" height="{height}" href="{content}"/>')
        again = Markup(f'<use href="#{reference}"/>')
    classes = {shape.category for shape in objects}
    panels = [_panel("annotated", drawn, objects, record, f"{name}: annotated are {_described(objects)}")]
    for run in runs:
        detections = run.detections(image)
        classes.update(shape.category for shape in detections)
        alt = f"{name}, {run.title}: {_described(detections)}"
        panels.append(_panel(run.title, again, detections, record, alt))
    caption = element(
        "figcaption", element("strong", name), f" · {width}×{height} · {len(objects)} annotated"
    )
    return element(
        "figure",
        caption,
        element("div", *panels, class_="pair"),
        class_="picture",
        data_image=image,
        data_classes=" ".join(map(str, sorted(classes))),
        hidden=True,
    )


def _panel(title: str, picture: Markup, shapes: Sequence[Shape], record: Record, alt: str) -> Markup:
    drawn = draw_shapes(shapes, record.height, record.width)
    svg = Markup(
        f'<svg viewBox="0 0 {record.width} {record.height}" role="img" aria-label="{text(alt)}">'
        f"{picture}{drawn}</svg>"
    )
    return element("div", element("span", title, class_="panel-title"), svg, class_="panel")


def _described(shapes: Sequence[Shape]) -> str:
    """Counts of classes: "2 cat, 1 dog"."""
    counts: Dict[str, int] = {}
    for shape in shapes:
        counts[shape.name] = counts.get(shape.name, 0) + 1
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "no objects"
