"""The confusion matrix of many classes, in the page and as a browser shows it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from src.evaluation.coco_settings import CocoSettings
from src.evaluation.inputs import read_inputs
from src.evaluation.matching.confusion import BACKGROUND, confusion_matrix
from src.evaluation.matching.table import make_match_table
from src.report.kind_tables import confusion_table, shown_classes
from src.report.page import make_page
from src.report.picture_lists import confusion_lists
from tests.evaluation.coco_examples import annotation, row
from tests.report.browser import open_browser

CLASSES = 100
WRONG = range(10, 90)  # the classes that are taken for the one that follows


@pytest.fixture(scope="module")
def table():
    """An object of each class in a picture of its own; those of WRONG are found as the next class."""
    truth = {
        "images": [{"id": i + 1, "width": 100, "height": 100} for i in range(CLASSES)],
        "categories": [{"id": i + 1, "name": f"class {i}"} for i in range(CLASSES)],
        "annotations": [annotation(i + 1, i + 1, i + 1, (10, 10, 40, 40)) for i in range(CLASSES)],
    }
    rows = [row(i + 1, i + 1 + (i in WRONG), (10, 10, 40, 40), 0.9) for i in range(CLASSES)]
    return make_match_table(read_inputs(truth, rows, "bbox"), CocoSettings())


def test_the_80_classes_with_the_most_errors_are_shown(table):
    confusion = confusion_matrix(table, table.reference, 0.5)
    # 11 to 89 are wrong as an object and as a detection, 10 and 90 once; of these the first is taken
    expected = [*WRONG, CLASSES]
    assert shown_classes(confusion.matrix) == expected
    assert shown_classes(np.eye(81, dtype=int)) == list(range(81))

    names = [*table.class_names, BACKGROUND]
    content = confusion_table(names, "bbox", confusion)
    assert re.findall(r'<th scope="row">([^<]*)</th>', content) == [names[i] for i in expected]
    assert "The matrix has 100 classes. These 80 have the most errors." in content
    keys = re.findall(r'data-list="([^"]*)"', content)
    # each of them shows its picture; 89 was found as 90, which is not among the 80
    assert keys == [f"bbox-cell-{i}-{i + 1}" for i in range(10, 89)]
    assert list(confusion_lists(table, confusion, expected)) == keys


def test_so_large_a_matrix_can_be_read_in_a_browser(table, tmp_path):
    """It is scrolled within the page, its heads stay in view, and no number is cut off."""
    confusion = confusion_matrix(table, table.reference, 0.5)
    content = confusion_table([*table.class_names, BACKGROUND], "bbox", confusion)
    path = tmp_path / "page.html"
    path.write_text(make_page("Matrix", "", [("matrix", "Matrix", content)]), encoding="utf-8")
    with open_browser(400) as page:
        page.get(path.as_uri())
        assert page.execute_script("return document.documentElement.scrollWidth") <= 400
        area = page.find_element("css selector", ".scroll")
        page.execute_script("arguments[0].scrollLeft = arguments[0].scrollWidth", area)
        head = page.find_element("css selector", "tbody th")
        assert head.rect["x"] == pytest.approx(area.rect["x"], abs=2)
        button = page.find_element("css selector", "td.wrong button")
        assert button.rect["width"] >= 12 and button.rect["height"] >= 12
        assert page.save_screenshot(str(tmp_path / "matrix.png"))
