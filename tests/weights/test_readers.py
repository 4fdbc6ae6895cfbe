"""Untrusted weights files: arrays are read, no code is executed, and other files are refused in one line."""

from __future__ import annotations

import argparse
import collections
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from src.errors import CheckpointError
from src.weights.readers import read_weights
from src.weights.unpickler import load_plain_pickle

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def torch():
    """PyTorch, an optional dependency, writes the .pth files."""
    return pytest.importorskip("torch", reason="PyTorch writes .pth files")


def refused(path, *pieces):
    with pytest.raises(CheckpointError) as error:
        read_weights(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)
    for piece in pieces:
        assert piece in str(error.value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_and_plain_containers_come_out_of_a_pickle(tmp_path, protocol):
    content = {
        "model": collections.OrderedDict(
            a=np.arange(6, dtype=np.float32).reshape(2, 3), b=np.asfortranarray(np.eye(3)), c=np.float64(2.5)
        ),
        "texts": ["x", ("y", b"z", None, True)],
        "numbers": (1, 2.5, 10**30),
        "big": np.arange(3, dtype=">i4"),
        "none": np.zeros((0, 4)),
        "set": {1},
        "frozen": frozenset("a"),
    }
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(content, protocol))
    got = load_plain_pickle(tmp_path / "plain.pkl")
    assert repr(got) == repr(pickle.loads((tmp_path / "plain.pkl").read_bytes()))
    np.testing.assert_array_equal(got["big"], content["big"])
    got["model"]["b"][0, 0] = 7


def test_a_pickle_of_python_2_is_read_as_latin1(tmp_path):
    # {"model": {"a": float32 [1.0]}} as Python 2's cPickle writes it: texts are byte strings
    data = (
        b"\x80\x02}U\x05model}U\x01acnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
        b"K\x00\x85U\x01b\x87R(K\x01K\x01\x85cnumpy\ndtype\n"
        b"U\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        b"K\x00tb\x89U\x04\x00\x00\x80?tbss."
    )
    (tmp_path / "old.pkl").write_bytes(data)
    assert read_weights(tmp_path / "old.pkl")[0]["a"].tolist() == [1.0]


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class State:
    """Pickles as an object with a state, of a class of this module."""

    def __init__(self):
        self.anything = 1


def hostile(marker):
    """(name, object) of pickles that would leave the file `marker` if anything in them ran."""
    command = f"touch {marker}"
    inner = pickle.dumps(Call(os.system, command))
    return [
        ("system", Call(os.system, command)),
        ("eval", Call(eval, f"open({str(marker)!r}, 'w')")),
        ("exec", Call(exec, f"open({str(marker)!r}, 'w')")),
        ("popen", Call(subprocess.Popen, ["touch", str(marker)])),
        ("open", Call(open, str(marker), "w")),
        ("getattr", Call(getattr, str, "upper")),
        ("import", Call(__import__, "os")),
        ("nested", {"model": {"a": np.zeros(2), "b": [Call(os.system, command)]}}),
        ("loads", Call(pickle.loads, inner)),
        ("numpy load", Call(np.load, str(marker))),
        ("fromfile", Call(np.fromfile, str(marker))),
        ("object scalar", Call(np.core.multiarray.scalar, np.dtype("O"), inner)),
        ("class", State()),
        ("partial", Call(map, os.system, [command])),
        ("array of objects", {"model": {"a": np.array([Call(os.system, command), 1], object)}}),
    ]


@pytest.mark.parametrize("case", range(15))
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_hostile_pickle_runs_nothing(tmp_path, case, protocol):
    marker = tmp_path / "ran"
    name, content = hostile(marker)[case]
    path = tmp_path / f"{name}.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    refused(path, "nothing of it was read")
    assert not marker.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'touch %s'\ntR.",
        b"(S'touch %s'\nios\nsystem\n.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x08touch %s\x85R.",
        b"Pexternal\n.",
        b"\x80\x02cnumpy\nndarray\nK\x05\x85R.",
        b"\x80\x02cnumpy\ndtype\nX\x01\x00\x00\x00OK\x00K\x01\x87R.",
        b"\x80\x02cbuiltins\neval\n.",
        b"\x80\x02c__builtin__\neval\n.",
        b"\x80\x02ccopyreg\n_reconstructor\n.",
        b"\x80\x04\x8c\x07collections\x8c\x15OrderedDict.__init__\x93.",
    ],
    ids=[
        "global",
        "inst",
        "stack global",
        "persistent",
        "ndarray called",
        "object dtype",
        "eval",
        "eval of python 2",
        "copyreg",
        "dotted",
    ],
)
def test_hand_written_opcodes_run_nothing(tmp_path, data):
    path = tmp_path / "hostile.pkl"
    marker = tmp_path / "ran"
    path.write_bytes(data.replace(b"%s", bytes(marker)[:200]))
    refused(path)
    assert not marker.exists()


def test_a_pickle_cannot_change_what_later_ones_see(tmp_path):
    """BUILD on what a pickle may name must not reach into this process."""
    before = np.dtype("<f4").byteorder
    for data in (
        b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00f4K\x00K\x00\x87R(K\x03X\x01\x00\x00\x00>NNN"
        b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb.",
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n}X\x01\x00\x00\x00xK\x01sb.",
    ):
        (tmp_path / "x.pkl").write_bytes(data)
        try:
            load_plain_pickle(tmp_path / "x.pkl")
        except CheckpointError:
            pass
    assert np.dtype("<f4").byteorder == before and np.frombuffer(np.float32(1).tobytes(), "f4")[0] == 1


def test_a_pickle_of_a_tensor_is_refused(tmp_path, torch):
    (tmp_path / "tensor.pkl").write_bytes(pickle.dumps({"model": {"a": torch.zeros(2)}}))
    refused(tmp_path / "tensor.pkl", "nothing of it was read")


@pytest.mark.parametrize("case", range(16))
def test_a_hostile_pytorch_file_runs_nothing(tmp_path, torch, case):
    marker = tmp_path / "ran"
    content = [
        *(content for _, content in hostile(marker)),
        {"model": {"a": torch.zeros(2)}, "args": argparse.Namespace(lr=1)},
    ][case]
    for zipped in (True, False):
        torch.save(content, tmp_path / "model.pth", _use_new_zipfile_serialization=zipped)
        refused(tmp_path / "model.pth")
        assert not marker.exists()
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(content))
    refused(tmp_path / "plain.pth")
    assert not marker.exists()


def test_a_refusal_names_what_was_asked_for(tmp_path, torch):
    torch.save({"model": {"a": torch.zeros(2)}, "args": argparse.Namespace(lr=1)}, tmp_path / "m.pth")
    refused(tmp_path / "m.pth", "argparse.Namespace", "state_dict")
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(Call(os.system, "true")))
    refused(tmp_path / "m.pkl", f"{os.system.__module__}.system")


def test_half_precision_of_pytorch_is_widened(tmp_path, torch):
    torch.save(
        {
            "a": torch.ones(2, dtype=torch.float16),
            "b": torch.full((2,), 1.5, dtype=torch.bfloat16),
            "n": torch.tensor(3),
        },
        tmp_path / "h.pth",
    )
    arrays = read_weights(tmp_path / "h.pth")[0]
    assert (arrays["a"].dtype, arrays["b"].tolist(), arrays["n"].dtype) == (np.float32, [1.5, 1.5], np.int64)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".pkl", ".ckpt"])
@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_a_damaged_file_is_refused_by_name(tmp_path, suffix, damage):
    path = tmp_path / f"weights{suffix}"
    array = np.arange(500, dtype=np.float32)
    if suffix == ".pth":
        torch = pytest.importorskip("torch", reason="PyTorch writes .pth files")
        torch.save({"a": torch.from_numpy(array)}, path)
    elif suffix == ".safetensors":
        save_file({"a": array}, str(path))
    elif suffix == ".pkl":
        path.write_bytes(pickle.dumps({"a": array}))
    else:
        import mindspore as ms

        ms.save_checkpoint([{"name": "a", "data": ms.Tensor(array)}], str(path), crc_check=True)
    data = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes({"cut": data[: len(data) // 2], "empty": b"", "text": b"These are no weights."}[damage])
    refused(path)


def test_what_is_no_weights_file(tmp_path):
    refused(tmp_path / "absent.pth", "no such file")
    (tmp_path / "model.onnx").write_bytes(b"")
    refused(tmp_path / "model.onnx", ".pth, .pt, .safetensors, .ckpt, .pkl expected")
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([np.zeros(2)]))
    refused(tmp_path / "list.pkl", "found a list")
    (tmp_path / "nothing.pkl").write_bytes(pickle.dumps({"a": 1}))
    refused(tmp_path / "nothing.pkl", "holds no weights")
    header = b'{"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}'
    (tmp_path / "b.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    refused(tmp_path / "b.safetensors", "BF16", "float32")


def test_without_pytorch_a_pth_file_says_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "m.pth").write_bytes(b"PK\x03\x04")
    monkeypatch.setitem(sys.modules, "torch", None)
    refused(tmp_path / "m.pth", "pip install torch", ".safetensors")


def test_the_command_ends_with_code_2_and_one_line(tmp_path):
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Call(os.system, f"touch {tmp_path / 'ran'}")))
    done = subprocess.run(
        [sys.executable, "convert_weights.py", str(tmp_path / "model.pkl"), str(tmp_path / "out.ckpt")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "model.pkl" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.pkl"]
