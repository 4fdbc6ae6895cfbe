"""The name of a kept graph: whatever goes into a graph changes it, and nothing else does."""

import os
import subprocess
import sys

import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn

from src.config import load_config, values_with
from src.engine.runtime.device import Device
from src.engine.runtime.graph_digest import digest
from src.maskrcnn.cpu.custom_operator import custom_operator, name_of, operator_names
from tests.conftest import ROOT

CPU = Device("CPU")


class Small(nn.Cell):
    def __init__(self, factor=2.0, table=(1.0, 2.0), size=3, name="weight"):
        super().__init__()
        self.factor = factor
        self.tables = (Tensor(np.array(table, np.float32)),)
        self.weight = Parameter(Tensor(np.ones(size, np.float32)), name=name)


def digest_of(cell=None, shape=(2, 3), words=(), device=CPU):
    inputs = (Tensor(np.zeros(shape, np.float32)),)
    return digest(cell or Small(), inputs, device, values_with(load_config(words), "in_graph"))


OTHERS = [
    dict(cell=Small(factor=3.0)),
    dict(cell=Small(table=(1.0, 2.5))),
    dict(cell=Small(size=4)),
    dict(cell=Small(name="other")),
    dict(cell=Small().set_train()),
    dict(shape=(2, 4)),
    dict(words=["momentum=0.5"]),
    dict(device=Device("CPU", 0, 2)),
    dict(device=Device("Ascend")),
]


@pytest.mark.parametrize("change", OTHERS, ids=[str(number) for number in range(len(OTHERS))])
def test_whatever_goes_into_a_graph_gives_another_name(change):
    assert digest_of() == digest_of() and digest_of(**change) != digest_of()


def test_an_entry_without_a_file_has_names_too(monkeypatch):
    """`python -c`, as the workers of pytest-xdist are started."""
    monkeypatch.setattr(sys, "argv", ["-c"])
    assert digest_of() == digest_of() != digest_of(shape=(2, 4))


def test_a_frozen_weight_gives_another_name():
    cell = Small()
    cell.weight.requires_grad = False
    assert digest_of(cell) != digest_of()


def test_paths_and_settings_outside_the_graph_give_the_same_name():
    assert (
        digest_of(
            words=[
                "coco_root=elsewhere",
                "save_checkpoint_minutes=3",
                "resume=auto",
                "base_lr=1",
                "seed=5",
                "flip_ratio=0",
            ]
        )
        == digest_of()
    )


def test_an_operator_more_gives_another_name():
    before = digest_of()

    def operator(x):
        return x + 12

    custom_operator(operator, lambda x: x, lambda x: x)
    assert digest_of() != before and any("test_an_operator_more" in name for name in operator_names())


def operator_of(threshold, sizes):
    def operator(x):
        return x * threshold + len(sizes)

    return operator


def test_an_operator_is_named_by_what_it_was_made_with():
    names = {
        name_of(operator_of(*values))
        for values in [
            (1, [2]),
            (1, [3]),
            (2, [2]),
            (np.float32(1), [2]),
            (1, np.array([2])),
            (1, np.array([2.0])),
        ]
    }
    # a NumPy number prints as Python's, and is the same to the function
    assert len(names) >= 5 and name_of(operator_of(1, [2])) == name_of(operator_of(1, [2]))
    with pytest.raises(TypeError, match="only numbers, words, arrays and lists"):
        name_of(operator_of(object(), []))


def test_an_operator_has_the_same_name_in_another_process():
    code = (
        "from tests.engine.runtime.test_graph_digest import name_of, operator_of\n"
        "print(name_of(operator_of(0.1, {'b': [1, 2], 'a': None})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    assert done.stdout.strip() == name_of(operator_of(0.1, {"a": None, "b": [1, 2]}))


def test_a_jit_level_gives_another_name():
    """In a process of its own, as a level that was set stays."""
    code = (
        "import mindspore as ms\n"
        "from tests.engine.runtime.test_graph_digest import digest_of\n"
        "names = [digest_of()]\n"
        "for level in ('O0', 'O1'):\n"
        "    ms.set_context(jit_config={'jit_level': level})\n"
        "    names.append(digest_of())\n"
        "print(len(set(names)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3"
