"""The page as one text: its parts, style and program, which it holds itself, so that it needs no network."""

from __future__ import annotations

import base64
import hashlib
import math
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ..data.annotations.records import Record
from .charts import PALETTE
from .gallery import LOWEST_SCORE, MOST_DETECTIONS, Found, make_gallery, picture_name
from .markup import Markup, byte_count, data_block, element, join, note, section, text
from .outlines import rounded_score
from .picture_lists import PictureList

MOST_BYTES = 9_500_000  # of a page, without its style and program
_FOLDER = Path(__file__).parent


def make_page(title: str, subtitle: str, sections: Sequence[Tuple[str, str, Markup]]) -> str:
    """A whole HTML page.

    Args:
        title, subtitle: shown at the top.
        sections: (identifier, heading, content) of each part, in the order of the page.
    """
    style = (_FOLDER / "page.css").read_text(encoding="utf-8") + _tones()
    program = (_FOLDER / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(program.encode("utf-8")).digest()).decode("ascii")
    # The browser loads nothing and runs no other program, whatever stands in the data.
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    links = [
        element("li", element("a", heading, href=f"#{identifier}")) for identifier, heading, _ in sections
    ]
    parts = [section(identifier, heading, content) for identifier, heading, content in sections]
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{text(title)}</title><style>{style}</style>'
    )
    body = join(
        [
            element("header", element("h1", title), note(subtitle)),
            element("nav", element("ul", *links), aria_label="Parts of this page"),
            element("main", *parts),
            Markup(f"<script>{program}</script>"),
        ],
        "\n",
    )
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'


def _tones() -> str:
    return "".join(f".k{place} {{ --tone: {colour}; }}\n" for place, colour in enumerate(PALETTE))


def pictures_section(
    runs: Sequence[Found],
    records: Mapping[Any, Record],
    lists: Mapping[str, PictureList],
    other_parts: Sequence[Markup],
    choices: Sequence[Tuple[str, str]] = (("worst", "worst"), ("best", "best")),
) -> Markup:
    """Pictures with the objects beside the detections, and what chooses among them.

    Args:
        runs: what is found, of the same pictures and classes.
        records: by image id.
        lists: pictures by key, for page.js.
        other_parts: of the page. Pictures take what they leave of its size.
        choices: (key of a list, text of its button); the first is shown at first.
    """
    table = runs[0].table
    # page.js draws detections from this score on: of every run those that count
    score = min(run.score for run in runs)
    names = [picture_name(records[image_id]) for image_id in table.image_ids]
    blocks = [
        data_block("lists", {key: entry._asdict() for key, entry in lists.items()}),
        data_block("picture-names", _used_names(lists, names)),
    ]
    left = MOST_BYTES - sum(byte_count(part) for part in (*other_parts, *blocks))
    gallery = make_gallery(runs, records, lists, left)
    slider = element(
        "label",
        "lowest score ",
        Markup(
            f'<input type="range" id="score" min="{LOWEST_SCORE}" max="{_highest(runs)}" step="0.01" '
            f'value="{score:.2f}" data-start="{rounded_score(score)}" '
            'aria-describedby="detection-count" autocomplete="off">'
        ),
        element("output", f"{score:.3f}", id="score-value", for_="score"),
    )
    buttons = [
        element("button", title, type="button", class_="choice", data_list=key, aria_pressed="false")
        for key, title in (*choices, ("all", "all of this page"))
    ]
    options = [element("option", "all", value="")]
    options += [element("option", name, value=place) for place, name in enumerate(table.class_names)]
    chooser = element("label", "class ", element("select", *options, id="class-of-pictures"))
    count = element("span", "", id="detection-count", class_="note", role="status")
    back = element("button", "back to the table", type="button", id="back", hidden=True)
    iou = table.settings.iou_thresholds[table.reference]
    missed = "was not found" if len(runs) == 1 else "no run found"
    explanation = (
        "Each picture is shown with its annotated objects, and with the detections. A dashed box is a false "
        f"detection, or an object that {missed}. An object is found by a detection of its class with an IoU "
        f"of {iou:g} or more and a score of at least {_lowest_scores(runs)}. Of the detections of a picture, "
        f"the best {MOST_DETECTIONS} with a score of {LOWEST_SCORE} or more are drawn."
    )
    parts: List[Any] = [
        note(explanation),
        element("div", element("div", *buttons), slider, chooser, back, count, class_="controls"),
        element("h3", "", id="pictures-title", tabindex="-1", aria_live="polite"),
        element("p", "", id="other-pictures", class_="note"),
        element("div", *gallery.figures, id="pictures"),
    ]
    if gallery.unreadable:
        some = f"{len(gallery.unreadable)} pictures could not be read and are grey: {gallery.unreadable[0]}"
        parts.insert(1, note(some))
    return join([*parts, *blocks])


def _highest(runs: Sequence[Found]) -> int:
    """Where the slider ends: 1, or more where scores made elsewhere are no probabilities."""
    return max(math.ceil(run.table.detections.score.max(initial=1)) for run in runs)


def _lowest_scores(runs: Sequence[Found]) -> str:
    """The score from which on a detection counts: that of all runs, or of each."""
    scores = [f"{run.score:.3f}" for run in runs]
    if len(set(scores)) == 1:
        return scores[0]
    return ", ".join(f"{score} ({run.title})" for score, run in zip(scores, runs))


def _used_names(lists: Mapping[str, PictureList], names: Sequence[str]) -> Dict[int, str]:
    used = sorted({image for entry in lists.values() for image in entry.images})
    return {image: names[image] for image in used}
