"""Class names in any script: which can be drawn here, and with other pixels for other names."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFont

from src.config import load_config
from src.data_settings import statistics_settings
from src.dataset import read_source
from src.engine.display import fonts
from src.engine.display.data_plots import plot_statistics
from src.engine.display.fonts import font_file, readable_name, readable_text
from src.engine.display.text import draw_text, measure_text
from src.engine.display.visualize import draw_detections, draw_ground_truth
from tests.conftest import ROOT

MISSING = "\U00010600\U00010601"  # Linear A, which no usual font has


@pytest.fixture
def chinese_font():
    """A font of this machine with Chinese, Japanese and Korean letters."""
    path = font_file("螺栓母テスト한국")
    if path is None:
        pytest.skip("no font with East Asian letters is installed (apt install fonts-noto-cjk)")
    return path


def drawn_text(text, scale=0.9):
    canvas = np.full((60, 400, 3), 255, np.uint8)
    draw_text(canvas, text, (10, 40), scale, (0, 0, 0))
    return canvas


def drawn_name(name, draw=draw_ground_truth):
    picture = np.full((400, 500, 3), 90, np.uint8)
    if draw is draw_detections:
        found = {"boxes": [[50, 100, 450, 300]], "scores": [0.93], "labels": [1]}
        return draw_detections(picture, found, ["background", name])
    return draw_ground_truth(picture, [[50, 100, 450, 300]], [1], ["background", name])


@pytest.mark.parametrize("draw", [draw_ground_truth, draw_detections])
def test_other_names_give_other_pixels(chinese_font, draw):
    names = ["螺栓", "螺母", "テスト", "한국", "猫", "犬", "Größe", "Grösse", "??", "class 1"]
    drawings = [drawn_name(name, draw) for name in names]
    for i, one in enumerate(drawings):
        assert not any(np.array_equal(one, other) for other in drawings[:i]), names[i]


def test_no_letter_is_a_replacement_box(chinese_font):
    font = ImageFont.truetype(chinese_font, 27)
    box = bytes(font.getmask("\uffff"))
    for letter in "螺栓母テスト한국":
        assert bytes(font.getmask(letter)) != box
        # What is drawn is this glyph of this font: as much ink, within rounding.
        ink = (255 - drawn_text(letter)[:, :, 0].astype(int)).sum()
        assert ink == pytest.approx(sum(font.getmask(letter)), rel=0.02)


def test_accents_need_no_font_of_the_system():
    for name in ("Größe", "Señal", "Ёлка", "Ωμέγα", "đường", "żółw"):
        assert "DejaVuSans.ttf" in font_file(name)
        assert readable_name(name, 1) == name
    composed = drawn_text("é")
    assert np.array_equal(composed, drawn_text(readable_name("e\u0301", 1)))  # as macOS writes it


def test_ascii_is_drawn_as_before():
    """With OpenCV's own letters."""
    import cv2

    canvas = np.full((60, 400, 3), 255, np.uint8)
    cv2.putText(canvas, "circle 0.93", (10, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (0, 0, 0), 1, cv2.LINE_AA)
    assert np.array_equal(drawn_text("circle 0.93"), canvas)


def test_a_measured_text_holds_what_is_drawn(chinese_font):
    for text in ("螺栓 0.93", "Größe", "gjpqy", "Ñ"):
        size = measure_text(text, 0.9)
        rows, columns = np.nonzero(drawn_text(text)[:, :, 0] < 128)
        assert 40 - size.above <= rows.min() and rows.max() <= 40 + size.below
        assert 9 <= columns.min() and columns.max() <= 11 + size.width


def test_a_text_that_reaches_out_of_the_picture_is_cut(chinese_font):
    for origin in ((-20, 5), (30, 5), (5, 0), (5, 60), (-500, 5), (500, 500), (5, -50)):
        canvas = np.full((20, 40, 3), 255, np.uint8)
        draw_text(canvas, "螺栓", origin, 0.9, (0, 0, 0))
        whole = np.full((2040, 2040, 3), 255, np.uint8)
        draw_text(whole, "螺栓", (origin[0] + 1000, origin[1] + 1000), 0.9, (0, 0, 0))
        assert np.array_equal(canvas, whole[1000:1020, 1000:1040])


def test_without_a_font_the_class_number_is_drawn_and_said_once():
    code = (
        "from src.log import configure_logging; configure_logging(); "
        "from src.engine.display.fonts import readable_name as name; "
        f"print(name({MISSING!r}, 7), name({MISSING[0]!r}, 3), name('', 2), name('\\n', 4))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "class 7 class 3 class 2 class 4\n"
    assert done.stderr.startswith("warning: ") and done.stderr.count("\n") == 1
    assert "class 7" in done.stderr and "apt install fonts-noto-core" in done.stderr
    assert np.array_equal(drawn_name(MISSING), drawn_name("class 1"))


def test_a_machine_with_matplotlibs_font_alone(monkeypatch):
    """European letters are drawn, East Asian ones are replaced."""
    own = [font_file("Größe")]
    monkeypatch.setattr(fonts, "_font_files", lambda: own)
    font_file.cache_clear()
    try:
        assert readable_name("螺栓", 1) == "class 1" and readable_name("Größe", 2) == "Größe"
        assert readable_text("训练.json") == "\\u8bad\\u7ec3.json"
    finally:
        font_file.cache_clear()
    assert fonts._has_east_asian("螺栓") and fonts._has_east_asian("한")
    assert not fonts._has_east_asian("ไทย")


def test_invisible_signs_and_line_ends_do_not_matter():
    assert readable_name("a\nb\tc", 1) == "a b c"
    assert readable_name("soft\u00adhyphen\u200b", 1) == "softhyphen"


def test_plots_have_the_names(chinese_font, coco_folder, tmp_path):
    """matplotlib warns about each letter that it cannot draw."""

    def change(content):
        content["categories"][0]["name"] = "螺栓"
        content["categories"][1]["name"] = "Größe $x$ " + MISSING

    config = load_config([f"coco_root={coco_folder(change=change)}", "coco_classes=auto"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source = read_source(config, "train")
        plot_statistics(statistics_settings(config), source, tmp_path / "plots.png")
    assert Image.open(tmp_path / "plots.png").size == (1500, 900)
