"""Charts: means of neighbours, and SVG that can stand in a page."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np

from src.report.charts import MAIN, PALETTE, Line, line_chart, thinned


def test_thinning_keeps_the_mean_and_leaves_out_what_is_not_finite():
    steps = np.arange(1000)
    values = np.where(steps % 2, 1.0, 3.0)
    x, y = thinned(steps, values, 100)
    assert len(x) == 100
    np.testing.assert_allclose(y, 2)
    np.testing.assert_allclose(x, np.arange(100) * 10 + 4.5)
    x, y = thinned([1, 2, 3], [1.0, np.nan, np.inf], 100)
    assert (x.tolist(), y.tolist()) == ([1], [1])
    assert len(thinned([], [], 10)[0]) == 0


def test_names_stand_in_the_legend_and_are_escaped():
    name = "<b>$x_1$</b>"
    lines = [Line(name, [0, 1], [0, 1], PALETTE[0]), Line("mean", [0, 1], [1, 0], MAIN)]
    chart = str(line_chart(lines, "Title", "step", "loss", f"alt of {name}"))
    assert "<b>" not in chart and "&lt;b&gt;$x_1$" in chart
    svg = chart[chart.index("<svg") : chart.index("</svg>") + 6]
    root = ElementTree.fromstring(svg)
    assert root.get("aria-label") == f"alt of {name}" and root.get("role") == "img"
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", svg)


def test_two_charts_share_no_id():
    def ids():
        lines = [Line("a", [0, 1], [0, 1], PALETTE[0])]
        return set(re.findall(r'\bid="([^"]*)"', str(line_chart(lines, "Title", "x", "y", "alt"))))

    assert not ids() & ids()
