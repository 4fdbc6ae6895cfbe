"""The report in Chromium: what a reader sees, clicks and types."""

from __future__ import annotations

import re

import pytest

from tests.report.browser import open_browser, resize
from tests.report.drawn_run import NAMES, make_run

SHOWN = "return [...document.querySelectorAll('figure.picture')].filter(f => !f.hidden).length"
DETECTIONS = (
    "return [...document.querySelectorAll('figure.picture:not([hidden]) g[data-score]')]"
    ".filter(g => getComputedStyle(g).display !== 'none').map(g => Number(g.dataset.score))"
)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def browser(report):
    with open_browser() as driver:
        yield driver


@pytest.fixture
def page(browser, report):
    resize(browser, 1400)
    browser.get(report.as_uri())
    return browser


def by_id(page, identifier):
    return page.find_element("id", identifier)


def set_slider(page, value):
    """As a reader drags it; selenium has no word for that."""
    slider = by_id(page, "score")
    page.execute_script(
        "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))", slider, value
    )


def test_no_error_and_nothing_is_loaded(page):
    assert page.get_log("browser") == []
    loaded = page.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []


def test_names_from_data_are_shown_as_they_are(page):
    assert page.title.startswith("Mask R-CNN")
    rows = page.find_elements("css selector", "#classes-segm tbody th")
    assert sorted(row.text for row in rows) == sorted(NAMES)
    # the program, the two blocks of data, and nothing that a name brought in
    kinds = page.execute_script("return [...document.scripts].map(s => s.type)")
    assert sorted(kinds) == ["", "application/json", "application/json"]
    assert page.execute_script("return document.querySelectorAll('img').length") == 0


def test_the_slider_hides_detections_under_its_score(page):
    set_slider(page, 0.05)
    every = page.execute_script(DETECTIONS)
    assert len(every) > 5 and min(every) < 0.5 < max(every)
    set_slider(page, 0.5)
    left = page.execute_script(DETECTIONS)
    assert sorted(left) == sorted(score for score in every if score >= 0.5)
    assert by_id(page, "detection-count").text.startswith(f"{len(left)} detection")
    assert by_id(page, "score-value").text == "0.50"


def test_at_first_the_slider_stands_at_the_score_of_the_best_f1(page):
    """Exactly there, and not at a step beside it: a detection of this very score is shown."""
    captions = [each.text for each in page.find_elements("css selector", "p.caption")]
    (named,) = {re.search(r"of at least (\d\.\d+)", each)[1] for each in captions if "of at least" in each}
    assert by_id(page, "score-value").text == named
    page.find_element("css selector", "button.choice[data-list=all]").click()
    assert min(page.execute_script(DETECTIONS)) == pytest.approx(float(named), abs=0.0005)


def test_the_keyboard_moves_the_slider(page):
    from selenium.webdriver.common.keys import Keys

    slider = by_id(page, "score")
    before = float(slider.get_attribute("value"))
    slider.send_keys(Keys.ARROW_LEFT)
    assert float(slider.get_attribute("value")) == pytest.approx(before - 0.01)


def column(page, place):
    cells = page.find_elements("css selector", f"#classes-segm tbody tr > *:nth-child({place})")
    return [float(cell.text) for cell in cells if cell.text != "–"]


@pytest.mark.parametrize("key", ["click", "enter"])
def test_a_column_is_sorted_both_ways(page, key):
    from selenium.webdriver.common.keys import Keys

    head = page.find_element("css selector", "#classes-segm thead th:nth-child(3)")
    button = head.find_element("css selector", "button")
    press = button.click if key == "click" else lambda: button.send_keys(Keys.ENTER)
    press()
    assert head.get_attribute("aria-sort") == "descending"
    values = column(page, 3)
    assert len(set(values)) > 1 and values == sorted(values, reverse=True)
    press()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(page, 3) == sorted(values)


def test_the_filter_leaves_the_classes_that_hold_its_text(page):
    page.find_element("css selector", "input.filter").send_keys("猫")
    rows = page.find_elements("css selector", "#classes-segm tbody th")
    assert [row.text for row in rows if row.is_displayed()] == ["猫 _x"]


def test_a_cell_of_the_confusion_matrix_shows_its_pictures(page):
    before = page.execute_script(SHOWN)
    button = page.find_element("css selector", ".confusion td.wrong button")
    button.click()
    shown = page.execute_script(SHOWN)
    title = by_id(page, "pictures-title").text
    assert 0 < shown != before
    assert f"{shown} shown" in title and "“" in title
    assert page.switch_to.active_element == by_id(page, "pictures-title")
    by_id(page, "back").click()
    assert page.switch_to.active_element == button


def test_best_and_all_pictures_and_those_of_a_class(page):
    page.find_element("css selector", "button.choice[data-list=all]").click()
    every = page.execute_script(SHOWN)
    page.find_element("css selector", "button.choice[data-list=best]").click()
    assert 0 < page.execute_script(SHOWN) < every
    page.find_element("css selector", "button.choice[data-list=all]").click()
    chooser = by_id(page, "class-of-pictures")
    chooser.find_elements("css selector", "option")[1].click()
    classes = page.execute_script(
        "return [...document.querySelectorAll('figure.picture')].filter(f => !f.hidden)"
        ".map(f => f.dataset.classes.split(' '))"
    )
    assert classes and all("0" in names for names in classes)


@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_is_wider_than_the_page(page, width, tmp_path):
    resize(page, width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    assert page.save_screenshot(str(tmp_path / f"report_{width}.png"))


def test_every_picture_and_chart_has_a_text(page):
    bare = page.execute_script(
        "return [...document.querySelectorAll('svg')].filter(s => !(s.getAttribute('role') === 'img' && "
        "s.getAttribute('aria-label'))).length"
    )
    assert bare == 0
    ids = page.execute_script("return [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


def test_it_is_dark_where_the_reader_wants_it_dark(report):
    with open_browser(dark=True) as driver:
        driver.get(report.as_uri())
        brightness = driver.execute_script(
            "const of = c => c.match(/[0-9]+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0);"
            "const style = getComputedStyle(document.body);"
            "const label = getComputedStyle(document.querySelector('.chart svg text'));"
            "return [of(style.backgroundColor), of(style.color), of(label.fill)]"
        )
    assert brightness[0] < 150 and min(brightness[1:]) > 500, brightness
