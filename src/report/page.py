"""The page as one text: its parts, style and program, which it holds itself, so that it needs no network."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from .charts import PALETTE
from .gallery import LOWEST_SCORE, MOST_DETECTIONS, Gallery
from .markup import Markup, data_block, element, join, note, section, text
from .picture_lists import PictureList

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
    gallery: Gallery,
    lists: Mapping[str, PictureList],
    class_names: Sequence[str],
    names: Sequence[str],
    score: float,
    choices: Sequence[Tuple[str, str]] = (("worst", "worst"), ("best", "best")),
) -> Markup:
    """Pictures with the objects beside the detections, and what chooses among them.

    Args:
        gallery: the figures.
        lists: pictures by key, for page.js.
        class_names: by position.
        names: of the pictures, by position.
        score: where the slider stands at first.
        choices: (key of a list, text of its button); the first is shown at first.
    """
    slider = element(
        "label",
        "lowest score ",
        Markup(
            f'<input type="range" id="score" min="{LOWEST_SCORE}" max="1" step="0.01" value="{score:.2f}" '
            'aria-describedby="detection-count">'
        ),
        element("output", f"{score:.2f}", id="score-value", for_="score"),
    )
    buttons = [
        element("button", title, type="button", class_="choice", data_list=key, aria_pressed="false")
        for key, title in (*choices, ("all", "all of this page"))
    ]
    options = [element("option", "all", value="")]
    options += [element("option", name, value=place) for place, name in enumerate(class_names)]
    chooser = element("label", "class ", element("select", *options, id="class-of-pictures"))
    count = element("span", "", id="detection-count", class_="note", role="status")
    back = element("button", "back to the table", type="button", id="back", hidden=True)
    explanation = (
        "What is annotated, beside what is found. Dashed boxes: objects that are missed at the score of the "
        "best F1, and false detections, both at an IoU of 0.5 (or the lowest of eval_iou_thresholds). Drawn "
        f"are the {MOST_DETECTIONS} detections of the highest scores of a picture, from {LOWEST_SCORE} on."
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
    parts.append(data_block("lists", {key: entry._asdict() for key, entry in lists.items()}))
    parts.append(data_block("picture-names", _used_names(lists, names)))
    return join(parts)


def _used_names(lists: Mapping[str, PictureList], names: Sequence[str]) -> Dict[int, str]:
    used = sorted({image for entry in lists.values() for image in entry.images})
    return {image: names[image] for image in used}
