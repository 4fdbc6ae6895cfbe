"""The names of drawings: each picture has its own."""

import os
from pathlib import Path

from src.engine.prediction.names import drawing_paths


def names(tmp_path, *pictures, out="out"):
    drawings = drawing_paths([tmp_path / picture for picture in pictures], tmp_path / out)
    return {
        str(path.relative_to(tmp_path)): str(drawing.relative_to(tmp_path))
        for path, drawing in drawings.items()
    }


def test_pictures_of_one_name_have_drawings_of_their_own(tmp_path):
    assert names(tmp_path, "a/1.jpg", "b/1.jpg", "1.jpeg", "2.jpg") == {
        "a/1.jpg": "out/1.png",
        "b/1.jpg": "out/1_2.png",
        "1.jpeg": "out/1_3.png",
        "2.jpg": "out/2.png",
    }


def test_a_numbered_name_is_not_taken_twice(tmp_path):
    assert list(names(tmp_path, "a/1.jpg", "1_2.jpg", "b/1.jpg").values()) == [
        "out/1.png",
        "out/1_2.png",
        "out/1_3.png",
    ]


def test_names_that_some_file_systems_take_for_one(tmp_path):
    drawings = names(tmp_path, "a/IMG.jpg", "b/img.jpg", "Gr\u00f6\u00dfe.jpg", "c/Gro\u0308\u00dfe.jpg")
    assert list(drawings.values())[1::2] == ["out/img_2.png", "out/Gro\u0308\u00dfe_2.png"]


def test_a_picture_given_twice_is_drawn_once(tmp_path, monkeypatch):
    assert list(names(tmp_path, "a.jpg", "b.jpg", "a.jpg", "c/../b.jpg")) == ["a.jpg", "b.jpg"]
    monkeypatch.chdir(tmp_path)
    assert list(drawing_paths(["a.jpg", tmp_path / "a.jpg", "./a.jpg"], "out")) == [Path("a.jpg")]


def test_a_picture_that_is_read_is_never_written_over(tmp_path):
    assert names(tmp_path, "out/a.png", "b/a.jpg") == {"out/a.png": "out/a_2.png", "b/a.jpg": "out/a_3.png"}
    # Through a link too.
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").touch()
    (tmp_path / "link").symlink_to("out")
    assert names(tmp_path, "link/a.png") == {"link/a.png": "out/a_2.png"}


def test_dots_in_a_name_stay(tmp_path):
    assert names(tmp_path, "scan.2024.01.15.jpg", "frame_t=0.5.jpg") == {
        "scan.2024.01.15.jpg": "out/scan.2024.01.15.png",
        "frame_t=0.5.jpg": "out/frame_t=0.5.png",
    }


def test_what_is_made_of_a_very_long_name_can_be_written(tmp_path):
    long = ["n" * 251 + ".jpg", "n" * 250 + "m.jpg", "猫" * 83 + ".mp4"]
    drawings = [Path(name).name for name in names(tmp_path, *long).values()]
    assert len(set(drawings)) == 3
    for drawing, suffix in zip(drawings, (".png", ".png", ".mp4")):
        assert drawing.endswith(suffix) and len(os.fsencode(drawing)) < 220
        (tmp_path / f".{Path(drawing).stem}_frames.1234567.json").touch()
    assert drawings[2] == "猫" * 66 + ".mp4"
