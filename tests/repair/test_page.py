"""The page in Chromium, by its keys."""

from __future__ import annotations

import pytest

from tests.repair.labels import make_run, read, repairing
from tests.report.browser import open_browser, resize
from tests.serving.server import wait_for


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("page") / "data")


@pytest.fixture(scope="module")
def server(run):
    with repairing(run) as server:
        yield server


@pytest.fixture(scope="module")
def page(server):
    with open_browser() as driver:
        driver.get(server.url)
        assert wait_for(lambda: text(driver, "question"))
        yield driver
        refused = [line for line in driver.get_log("browser") if "409" not in line["message"]]
        assert refused == [], "no error in the console, and none of the policy"


def text(driver, name):
    return driver.find_element("id", name).text


def press(driver, *keys):
    driver.find_element("tag name", "body").send_keys(*keys)


def current(driver):
    return driver.execute_script("return location.hash.slice(1)")


def shapes(driver, selector):
    return len(driver.find_elements("css selector", f"#stage {selector}"))


def view(driver):
    """The part of the picture that is shown: x, y, width, height."""
    return driver.execute_script("return document.getElementById('stage').getAttribute('viewBox')")


def decisions(server):
    return server.ask("/v1/session")[1]["decisions"]


def test_suspects_are_decided_with_the_keyboard(page, server, run):
    keys = [suspect["id"] for suspect in server.ask("/v1/suspects")[1]["suspects"]]
    assert current(page) == keys[0] and "0 of 5 decided" in text(page, "count")
    for number, (key, decision) in enumerate(zip("ars", ("accept", "reject", "skip"))):
        assert wait_for(lambda n=number: keys[n] in text(page, "where"))
        press(page, key)
        assert wait_for(lambda n=number: current(page) == keys[n + 1])
        assert decisions(server)[keys[number]] == decision
    assert "3 of 5 decided: 1 accepted, 1 rejected, 1 skipped" in text(page, "count")
    for number in (2, 1):
        press(page, "u")
        assert wait_for(lambda n=number: current(page) == keys[n] and keys[n] not in decisions(server))
        assert wait_for(lambda n=number: keys[n] in text(page, "where"))
    assert decisions(server) == {keys[0]: "accept"}
    repaired = run.parent / "annotations" / "instances_val.repaired.json"
    assert wait_for(lambda: "up to date" in text(page, "files"))
    assert read(repaired)["annotations"] != read(repaired.with_name("instances_val.json"))["annotations"]


def test_layers_are_switched_with_the_keyboard(page, server):
    key = server.keys()["poor"]
    page.get(f"{server.url}#{key}")
    page.refresh()
    assert wait_for(lambda: key in text(page, "where")), "a link leads to its suspect"
    assert shapes(page, ".truth.suspect path") == 1 and shapes(page, ".prediction.suspect path") == 1
    press(page, "b")
    assert shapes(page, ".suspect rect.box") == 2
    press(page, "bm")
    assert shapes(page, "path") == 0
    press(page, "mt")
    assert shapes(page, ".truth") == 0 and shapes(page, ".prediction.suspect path") == 1
    press(page, "tp")
    assert shapes(page, ".prediction") == 0 and shapes(page, ".truth.suspect path") == 1
    press(page, "po")
    assert shapes(page, ".shape.other") == 0
    whole = view(page)
    press(page, "oz")
    assert view(page) != whole == "0 0 100 100"
    press(page, "z")


def test_a_stale_tab_is_told_and_shows_what_is_decided(page, server):
    """Another tab decides between this one's questions for news, or just before its key."""
    key = server.keys()["twice"]
    page.get(f"{server.url}#{key}")
    page.refresh()
    assert wait_for(lambda: key in text(page, "where"))
    page.execute_script("document.body.dataset.here = 1")
    assert server.decide(key, "reject", server.ask("/v1/session")[1]["touched"].get(key, 0))[0] == 200
    press(page, "a")
    assert wait_for(lambda: "in another tab" in text(page, "status"))
    assert wait_for(lambda: text(page, "decided") == "Rejected.")
    assert decisions(server)[key] == "reject"
    assert page.execute_script("return document.body.dataset.here") == "1", "without being loaded anew"


def test_names_of_classes_are_text(page, server):
    key = server.keys()["class"]
    page.get(f"{server.url}#{key}")
    page.refresh()
    assert wait_for(lambda: key in text(page, "where"))
    assert "“<b>plate</b>”" in text(page, "accept") and not page.find_elements("css selector", "main b")


@pytest.mark.parametrize("width", [400, 900, 1400])
def test_nothing_is_wider_than_the_page(page, width):
    resize(page, width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    resize(page, 1400)
