"""Line and bar charts as SVG within the page, drawn by matplotlib.

Charts hold no text from data: names stand in the legend beside them, which is HTML. So any letters are shown,
whatever fonts matplotlib finds. Axes take the colour of the page's text, which follows its dark mode.
"""

from __future__ import annotations

import io
import itertools
import re
from typing import Any, Dict, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from .markup import Markup, element, text

# Colours that can be told apart on white and on black (Okabe and Ito, "Color Universal Design", 2008, with
# the yellow and the black left out, which cannot).
PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#d55e00", "#cc79a7", "#0072b2", "#8c6bb1", "#7f7f7f")
MAIN = "currentColor"  # of the line that sums up the others
_TEXT = "#010203"  # stands for the colour of the page's text while matplotlib draws
_SIZE = (5.0, 3.1)  # inches; at 72 points an inch, 10 points are 10 pixels on a telephone's screen
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "text.parse_math": False,
    "axes.unicode_minus": False,
    **{
        name: _TEXT
        for name in ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    },
    "grid.color": _TEXT,
}
_numbers = itertools.count(1)


class Line(NamedTuple):
    """A line of a chart.

    Attributes:
        name: for the legend.
        x, y: [n]; what is not finite is left out.
        colour: one of PALETTE, or MAIN.
        is_dashed: as the second of a pair of lines.
        has_points: whether each value has a mark.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str
    is_dashed: bool = False
    has_points: bool = False


def line_chart(
    lines: Sequence[Line],
    title: str,
    xlabel: str,
    ylabel: str,
    alt: str,
    limits: Optional[Dict[str, Any]] = None,
) -> Markup:
    """A figure with lines and their legend.

    Args:
        lines: to be drawn; the first one is on top.
        title, xlabel, ylabel: in English.
        alt: what the chart shows, for those who do not see it.
        limits: further settings of the axes, such as xlim.
    """
    figure, axes = _new_figure()
    for order, line in enumerate(lines):
        axes.plot(
            np.asarray(line.x, np.float64),
            np.asarray(line.y, np.float64),
            linestyle="--" if line.is_dashed else "-",
            color=_TEXT if line.colour == MAIN else line.colour,
            linewidth=2.2 if line.colour == MAIN else 1.5,
            marker="o" if line.has_points or len(line.x) == 1 else None,
            markersize=3.5,
            zorder=3 + len(lines) - order,
        )
    axes.set(xlabel=xlabel, ylabel=ylabel, **(limits or {}))
    entries = [(line.name, line.colour, line.is_dashed) for line in lines]
    return _figure_element(figure, title, alt, legend(entries) if len(lines) > 1 else "")


def bar_chart(
    names: Sequence[str],
    values: Sequence[float],
    title: str,
    ylabel: str,
    alt: str,
    xlabel: str = "",
    colour: str = PALETTE[5],
) -> Markup:
    """A figure with bars. The names are the project's own words or numbers."""
    figure, axes = _new_figure()
    axes.bar(np.arange(len(names)), values, color=colour, zorder=3)
    step = max(1, len(names) // 8)
    axes.set_xticks(np.arange(len(names))[::step], list(names)[::step])
    axes.grid(False, axis="x")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    return _figure_element(figure, title, alt)


def histogram(values: np.ndarray, bins: np.ndarray, title: str, xlabel: str, ylabel: str, alt: str) -> Markup:
    """A figure with counts of values; bins that grow by a factor get a logarithmic axis."""
    figure, axes = _new_figure()
    axes.hist(values, bins=bins, color=PALETTE[1], zorder=3)
    steps = np.diff(bins)
    if len(steps) > 1 and steps[-1] > 1.5 * steps[0]:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    return _figure_element(figure, title, alt)


def legend(entries: Sequence[Tuple[str, str, bool]]) -> Markup:
    """(name, colour, is_dashed) as a list."""
    items = []
    for name, colour, is_dashed in entries:
        kind = "dashed" if is_dashed else "solid"
        swatch = element("span", class_=f"swatch {kind}", style=f"border-color:{colour}")
        items.append(element("li", swatch, name))
    return element("ul", *items, class_="legend")


def thinned(
    steps: Sequence[float], values: Sequence[float], most: int = 120
) -> Tuple[np.ndarray, np.ndarray]:
    """Means over at most `most` groups of neighbours: what a line of a few hundred pixels can show.

    Args:
        steps, values: [n]; NaN and infinity are left out.
        most: number of groups.

    Returns:
        (float64 [m], float64 [m]), m <= most.
    """
    steps = np.asarray(steps, np.float64)
    values = np.asarray(values, np.float64)
    is_finite = np.isfinite(values)
    steps, values = steps[is_finite], values[is_finite]
    if not len(steps):
        return steps, values
    begin = np.unique(np.linspace(0, len(steps), min(most, len(steps)) + 1).astype(int)[:-1])
    count = np.diff(np.append(begin, len(steps)))
    return np.add.reduceat(steps, begin) / count, np.add.reduceat(values, begin) / count


def _new_figure():
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE, layout="constrained")
        FigureCanvasSVG(figure)
        return figure, figure.add_subplot()


def _figure_element(figure, title: str, alt: str, below: Any = "") -> Markup:
    caption = element("figcaption", element("strong", title))
    return element("figure", caption, _svg(figure, alt), below, class_="chart")


def _svg(figure, alt: str) -> Markup:
    """The figure's SVG without its header and size, with ids that no other figure of the page has."""
    import matplotlib

    file = io.StringIO()
    with matplotlib.rc_context(_STYLE):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    content = file.getvalue()
    content = content[content.index("<svg") :]
    content = re.sub(r"<metadata>.*?</metadata>", "", content, flags=re.DOTALL)
    prefix = f"c{next(_numbers)}-"
    content = re.sub(r'\bid="', f'id="{prefix}', content)
    content = content.replace("url(#", f"url(#{prefix}").replace('xlink:href="#', f'href="#{prefix}')
    content = content.replace(_TEXT, "currentColor")
    head, body = content.split(">", 1)
    view_box = re.search(r'viewBox="[^"]*"', head)[0]
    body = re.sub(r">\s+<", "><", body)
    return Markup(f'<svg {view_box} role="img" aria-label="{text(alt)}">{body.strip()}')
