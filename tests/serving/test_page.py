"""The page in Chromium: a picture is chosen, filtered and saved."""

from __future__ import annotations

import json
import os

import pytest

from src.data.images.decode import decode_picture
from tests.report.browser import open_browser, resize
from tests.serving.server import encoded, network_file, png, running, wait_for


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    (folder / "first.png").write_bytes(png(seed=0))
    (folder / "<b>second.jpg").write_bytes(encoded(decode_picture(png(150, 90, seed=2), "a"), ".jpg"))
    (folder / "broken.png").write_bytes(png()[:200])
    return folder


@pytest.fixture(scope="module")
def server():
    with running(network_file()) as server:
        yield server


@pytest.fixture(scope="module")
def page(server, folder):
    """The page with two pictures, the first one shown."""
    with open_browser() as driver:
        saved = {"behavior": "allow", "downloadPath": str(folder / "saved")}
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", saved)
        driver.get(server.url)
        assert wait_for(lambda: "small.onnx: square, disc, star" in text(driver, "model"))
        choose(driver, folder / "first.png", folder / "<b>second.jpg")
        assert wait_for(lambda: len(all_of(driver, "#pictures button")) == 2)
        all_of(driver, "#pictures button")[0].click()
        yield driver
        assert driver.get_log("browser") == [], "no error in the console, and none of the policy"


@pytest.fixture
def expected(server, folder):
    """The objects of the first picture, by the server."""
    picture = (folder / "first.png").read_bytes()
    return server.predict(picture, "?masks=polygons&threshold=0").json["objects"]


def text(driver, name):
    return driver.find_element("id", name).text


def all_of(driver, selector):
    return driver.find_elements("css selector", selector)


def choose(driver, *paths):
    driver.find_element("id", "file").send_keys("\n".join(map(str, paths)))


def slide(driver, value):
    slider = driver.find_element("id", "score")
    script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))"
    driver.execute_script(script, slider, value)


def rows(driver):
    """(class, score) of the objects in the list."""
    return [
        (row.find_element("class name", "name").text, row.find_element("class name", "number").text)
        for row in all_of(driver, "#objects li")
    ]


def pixels(driver):
    """The canvas as a text that differs where a pixel does."""
    return driver.execute_script("return document.getElementById('canvas').toDataURL()")


def saved_file(folder, name):
    """The bytes of a download; Chromium writes it under another name first."""
    path = folder / "saved" / name
    assert wait_for(path.exists), os.listdir(folder / "saved")
    data = path.read_bytes()
    path.unlink()
    return data


def test_the_slider_leaves_the_objects_of_its_score(page, expected):
    scores = sorted(row["score"] for row in expected)
    middle = round((scores[0] + scores[-1]) / 2, 2)
    for value in (0, middle, 1):
        slide(page, value)
        shown = [row for row in expected if row["score"] >= value]
        assert rows(page) == [(row["category"], f"{row['score']:.2f}") for row in shown]
        assert text(page, "count") == f"{len(shown)} of {len(expected)} objects shown"
    slide(page, 0)


def test_a_class_that_is_switched_off_is_neither_listed_nor_drawn(page, expected):
    slide(page, 0)
    before = pixels(page)
    box = all_of(page, "#classes input")[0]
    name = box.get_attribute("value")
    box.click()
    assert rows(page) == [
        (row["category"], f"{row['score']:.2f}") for row in expected if row["category"] != name
    ]
    assert pixels(page) != before
    box = all_of(page, "#classes input")[0]
    box.click()
    assert pixels(page) == before and len(rows(page)) == len(expected)


def test_the_pointer_and_the_keyboard_mark_an_object(page, expected):
    from selenium.webdriver import ActionChains, Keys

    slide(page, 0)
    plain = pixels(page)
    canvas = page.find_element("id", "canvas")
    ActionChains(page).move_to_element(canvas).perform()
    x, y = 100, 60  # the middle of the picture
    hit = [
        row
        for row in expected
        if 0 <= x - row["bbox"][0] <= row["bbox"][2] and 0 <= y - row["bbox"][1] <= row["bbox"][3]
    ]
    assert (pixels(page) != plain) == bool(hit) == bool(all_of(page, "#objects .active"))
    first = all_of(page, "#objects button")[0]
    page.execute_script("arguments[0].focus()", first)
    marked = pixels(page)
    assert marked != plain
    first.send_keys(Keys.ARROW_DOWN)
    assert page.switch_to.active_element == all_of(page, "#objects button")[1]
    assert pixels(page) not in (plain, marked)
    page.switch_to.active_element.send_keys(".")
    assert wait_for(lambda: all_of(page, "#pictures button")[1].get_attribute("aria-current") == "true")
    page.find_element("tag name", "body").send_keys(",")
    assert wait_for(lambda: all_of(page, "#pictures button")[0].get_attribute("aria-current") == "true")


def test_what_is_saved_holds_what_is_shown(page, expected, folder):
    scores = sorted(row["score"] for row in expected)
    value = round((scores[0] + scores[-1]) / 2, 2)
    slide(page, value)
    shown = [row for row in expected if row["score"] >= value]
    assert 0 < len(shown) < len(expected)
    page.find_element("id", "save-json").click()
    content = json.loads(saved_file(folder, "first.json"))
    assert content == {"file_name": "first.png", "width": 200, "height": 120, "objects": shown}
    page.find_element("id", "save-labelme").click()
    content = json.loads(saved_file(folder, "first.json"))
    # The fields are LabelMe's (labelme/label_file.py).
    assert {"version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"} == set(
        content
    )
    assert [shape["label"] for shape in content["shapes"]] == [
        row["category"] for row in shown for _ in row["segmentation"]
    ]
    points = [[value for point in shape["points"] for value in point] for shape in content["shapes"]]
    assert points == [polygon for row in shown for polygon in row["segmentation"]]
    page.find_element("id", "save-drawing").click()
    drawn = decode_picture(saved_file(folder, "first_drawn.png"), "drawn")
    assert drawn.shape == (480, 800, 3), "four times the picture's size"
    slide(page, 0)


def test_names_of_files_are_text(page):
    names = [button.get_attribute("title") for button in all_of(page, "#pictures button")]
    assert names == ["first.png", "<b>second.jpg"]
    assert not all_of(page, "b")


@pytest.mark.parametrize("width", [320, 400, 800, 1400])
def test_nothing_is_wider_than_the_page(page, width):
    resize(page, width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    resize(page, 1400)


def test_a_broken_picture_is_told(server, folder):
    with open_browser(400, dark=True) as driver:
        driver.get(server.url)
        choose(driver, folder / "broken.png")
        assert wait_for(
            lambda: "broken.png" in text(driver, "status") and "asking" not in text(driver, "status")
        )
        assert "cannot be" in text(driver, "status")
        assert driver.find_element("id", "status").get_attribute("class") == "wrong"
        assert not driver.find_element("id", "result").is_displayed()


def test_a_picture_is_taken_with_the_camera(server):
    """With Chromium's drawn camera, a picture of 640x480."""
    flags = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with open_browser(400, flags=flags) as driver:
        driver.get(server.url)
        driver.find_element("id", "camera").click()
        shoot = driver.find_element("id", "shoot")
        assert wait_for(lambda: shoot.is_displayed() and shoot.is_enabled())
        driver.find_element("id", "shoot").click()
        assert wait_for(driver.find_element("id", "result").is_displayed)
        assert "camera.jpg: answered" in text(driver, "status")
        assert not driver.find_element("id", "viewfinder").is_displayed()
        assert driver.execute_script("return document.getElementById('canvas').width") % 640 == 0
        assert driver.get_log("browser") == []


def test_a_token_is_asked_for(folder, tmp_path):
    (tmp_path / "token").write_text("0123456789abcdef0123")
    with running(network_file(), "--token-file", tmp_path / "token") as server, open_browser() as driver:
        driver.get(server.url)
        field = driver.find_element("id", "token")
        assert wait_for(field.is_displayed)
        field.send_keys("0123456789abcdef0123\n")
        assert wait_for(lambda: "small.onnx" in text(driver, "model"))
        assert not field.is_displayed()
        choose(driver, folder / "first.png")
        assert wait_for(driver.find_element("id", "result").is_displayed)
