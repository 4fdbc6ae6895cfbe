"""Options of export.py that do nothing without another one."""

from __future__ import annotations

import argparse

import pytest

from export import OPTIONS
from src.engine.proof.options import complete_options
from src.errors import ConfigError


def options(*words, files=()):
    parser = argparse.ArgumentParser()
    for name, keywords in OPTIONS:
        parser.add_argument(name, **keywords)
    args = parser.parse_args(words)
    args.files = list(files)
    complete_options(args)
    return args


def test_options_that_are_not_given_have_the_defaults_that_the_help_names():
    for name, keywords in OPTIONS:
        told = keywords["help"].partition("default: ")[2].strip(")")
        value = getattr(options(), name[2:].replace("-", "_"))
        if told and " " not in told and name != "--out" and told != "all":
            assert str(value) == told, name


@pytest.mark.parametrize("file_format", ["MINDIR", "ONNX", "ONNX_FLOAT16", "AIR"])
def test_only_8_bits_are_calibrated(file_format):
    with pytest.raises(
        ConfigError, match=f"^--calibration is for .*ONNX_INT8; {file_format} is not calibrated"
    ):
        options("--file-format", file_format, "--calibration", "32")
    assert options("--file-format", "onnx_int8", "--calibration", "7").calibration == 7
    with pytest.raises(ConfigError, match="MINDIR is not calibrated"):
        options("--calibration", "0")


def test_no_picture_checks_an_air_file():
    with pytest.raises(ConfigError, match="^--picture: nothing here can run an AIR file"):
        options("--file-format", "AIR", "--picture", "a.jpg")
    assert options("--file-format", "ONNX", "--picture", "a.jpg").picture == "a.jpg"


@pytest.mark.parametrize("words", [("--pictures", "5"), ("--ap-limit", "0.01"), ("--ap-limit", "0")])
def test_options_of_a_proof_are_for_a_proof(words):
    with pytest.raises(ConfigError, match=f"^{words[0]} is for --prove: add --prove, or leave it out$"):
        options(*words)
    args = options(*words, "--prove")
    assert (args.pictures, args.ap_limit)[words[0] == "--ap-limit"] == float(words[1])


@pytest.mark.parametrize(
    "words",
    [
        ("--file-format", "MINDIR"),
        ("--out", "a"),
        ("--batch", "1"),
        ("--batch", "0"),
        ("--picture", "a.jpg"),
        ("--prove",),
        ("--pictures", "5"),
        ("--ap-limit", "0"),
        ("--calibration", "32"),
    ],
)
def test_what_is_shown_is_not_exported(words):
    with pytest.raises(
        ConfigError, match=f"^{words[0]}: --show prints what net.onnx holds, and exports nothing"
    ):
        options("--show", "net.onnx", *words)


def test_pictures_are_of_no_use_to_what_is_shown():
    with pytest.raises(ConfigError, match="^photos: --show prints what net.onnx holds"):
        options("--show", "net.onnx", files=["photos"])
    assert options("--show", "net.onnx").show == "net.onnx"
