"""Mistakes in a command, and its help."""

import pytest

from tests.small_job import run


@pytest.mark.parametrize(
    "words, pieces",
    [
        (["img_widht=3"], ["img_widht", "img_width"]),
        (["coco_root=/nowhere"], ["/nowhere"]),
        (["pre_trained=/nowhere.ckpt"], ["/nowhere.ckpt"]),
        (["device_target=Ascend", "coco_root=/nowhere"], ["Ascend"]),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(tmp_path, words, pieces):
    done = run("train.py", tmp_path, *words, code=2)
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert all(piece in done.stderr for piece in pieces)


@pytest.mark.parametrize("command", ["train.py", "eval.py", "export.py", "predict.py", "convert_weights.py"])
def test_help(command, tmp_path):
    done = run(command, tmp_path, "--help")
    assert f"python {command}" in done.stdout
    assert "img_width = 1280" in run(command, tmp_path, "--keys").stdout
