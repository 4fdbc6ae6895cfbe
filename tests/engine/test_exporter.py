"""The name of an exported file, and folders that MindSpore would refuse."""

from pathlib import Path

import pytest

from src.engine.exporter import output_file


@pytest.mark.parametrize(
    "out, file_format, expected",
    [
        ("net", "MINDIR", "net.mindir"),
        ("net.mindir", "MINDIR", "net.mindir"),
        ("net.mindir", "ONNX", "net.onnx"),
        ("net.ONNX", "MINDIR", "net.mindir"),
        ("net_v1.5", "MINDIR", "net_v1.5.mindir"),
        ("net_v1.5", "ONNX", "net_v1.5.onnx"),
        ("net_v1.5.air", "AIR", "net_v1.5.air"),
        ("runs.2/net", "AIR", "runs.2/net.air"),
        ("runs/", "MINDIR", "runs/mask_rcnn.mindir"),
        ("", "MINDIR", "mask_rcnn.mindir"),
        ("mein Größe [2] 模型", "MINDIR", "mein Größe [2] 模型.mindir"),
    ],
)
def test_only_a_formats_suffix_is_replaced(out, file_format, expected):
    assert output_file(out, file_format) == Path(expected)
