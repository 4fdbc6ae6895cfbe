"""Files in 8 bits and with float16 weights: what is rounded, by how much, and what stays."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from src.config import load_config
from src.engine.exporter import ExportSettings, export
from src.onnx_graph.cpu_instructions import has_8_bit_products
from src.onnx_graph.runtime import OnnxNetwork
from tests.exported_network import exported_file

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """{format: file} of one network."""
    exact = exported_file("ONNX")
    folder = tmp_path_factory.mktemp("rounded")
    words = [f"checkpoint_path={exact.parent / 'small.ckpt'}", "device_target=CPU", "test_score_thr=0.3"]
    pictures = (str(exact.parent / "photo.png"), str(exact.parent / "tall.png"))
    made = {"ONNX": exact}
    for file_format, names in (("ONNX_INT8", pictures), ("ONNX_FLOAT16", ())):
        made[file_format] = export(
            load_config(words), ExportSettings(file_format, folder / file_format, files=names)
        )
    return made


def constants(path):
    graph = onnx.load(str(path)).graph
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}


def test_8_bit_weights_are_the_nearest_of_their_channel(files):
    """Symmetric int8: a channel's largest weight is 127 steps; none is further off than half a step."""
    exact, rounded = constants(files["ONNX"]), constants(files["ONNX_INT8"])
    nodes = {node.name: node for node in onnx.load(str(files["ONNX"])).graph.node}
    compared = 0
    for name, node in nodes.items():
        in_both = node.op_type == "Conv" and f"{node.input[1]}_quantized" in rounded
        if not in_both or name.startswith("mask_head"):  # whose float32 convolutions are Winograd's
            continue
        weight = exact[node.input[1]]
        steps = rounded[f"{node.input[1]}_quantized"].astype(np.float64)
        scale = rounded[f"{node.input[1]}_scale"].reshape(-1, 1, 1, 1)
        largest = np.abs(weight).max((1, 2, 3), keepdims=True)
        assert np.abs(weight - steps * scale).max() <= 0.51 * scale.max(), name
        np.testing.assert_allclose(scale, largest / 127, rtol=0.02)
        compared += 1
    assert compared >= 10


def test_what_is_in_8_bits_and_what_is_not(files):
    graph = onnx.load(str(files["ONNX_INT8"])).graph
    makers = {name: node for node in graph.node for name in node.output}
    in_8_bits = set()
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm") and node.input[1] in makers:
            assert makers[node.input[1]].op_type == "DequantizeLinear"
            in_8_bits.add(node.name)
    exact = {node.name for node in graph.node if node.op_type in ("Conv", "Gemm")} - in_8_bits
    # logits and deltas: one convolution a level of the RPN, two matrix products of the box head
    assert sorted(name.split("/")[0] for name in exact) == ["box_head"] * 2 + ["rpn"] * 5
    assert any(name.startswith("mask_head") for name in in_8_bits) and len(in_8_bits) > 20
    for node in graph.node:
        if node.op_type in ("RoiAlign", "NonMaxSuppression", "TopK"):
            assert all("Dequantize" not in makers[name].op_type for name in node.input[1:] if name in makers)


def test_half_weights_are_the_nearest_float16(files):
    exact, half = constants(files["ONNX"]), constants(files["ONNX_FLOAT16"])
    halved = {name[: -len(".half")] for name in half if name.endswith(".half")}
    assert len(halved) > 20
    for name in halved:
        np.testing.assert_array_equal(half[f"{name}.half"], exact[name].astype(np.float16))
        assert name not in half
    kept = sum(array.nbytes for name, array in exact.items() if name not in halved)
    saved = sum(exact[name].nbytes for name in halved) / 2
    difference = files["ONNX"].stat().st_size - files["ONNX_FLOAT16"].stat().st_size
    # Coordinates stay exact: the anchors, [n, 4] arrays that rows are gathered of.
    assert not any(exact[name].ndim == 2 and exact[name].shape[1] == 4 for name in halved)
    assert saved > kept and difference == pytest.approx(saved, rel=0.1)


def test_rounded_files_find_something_and_say_what_they_are(files):
    image = np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3), np.uint8)
    meta = np.tile(np.array([128, 128, 1, 1, 128, 128], np.float32), (2, 1))
    for name, path in files.items():
        network = OnnxNetwork(path)
        assert network(image, meta)[3].any(1).all()
        origin = json.loads(network.metadata["maskrcnn_origin"])
        wanted = {"ONNX": "float32", "ONNX_INT8": "int8", "ONNX_FLOAT16": "float16 weights"}[name]
        assert origin["precision"] == wanted and re.fullmatch("[0-9a-f]{64}", origin["checkpoint_sha256"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model name\t: A\nflags\t\t: fpu avx512_vnni sse\n", True),
        ("flags\t\t: fpu avx_vnni\n", True),
        ("flags\t\t: fpu avx2 avx512f\n", False),
        ("Features\t: fp asimd asimddp\n", True),
        ("Features\t: fp asimd\n", False),
        ("", False),
    ],
)
def test_instructions_of_a_cpu(tmp_path, text, expected):
    (tmp_path / "cpuinfo").write_text(text)
    assert has_8_bit_products(tmp_path / "cpuinfo") is expected


def test_a_system_that_does_not_describe_its_cpu_is_no_reason_to_warn(tmp_path):
    assert has_8_bit_products(tmp_path / "missing")


def test_a_cpu_without_vnni_is_told_of(files, monkeypatch, caplog):
    monkeypatch.setattr("src.onnx_graph.runtime.has_8_bit_products", lambda: False)
    OnnxNetwork(files["ONNX"])
    assert not caplog.records
    OnnxNetwork(files["ONNX_INT8"])
    assert "no VNNI" in caplog.text
