"""What is told when the memory of a card does not suffice."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from src.engine.runtime.card_memory import one_line_when_full
from src.errors import CardMemoryError
from tests.conftest import ROOT

# As MindSpore 2.8 raises it on its Ascend backend; tests/ascend/test_memory.py makes it do so.
MINDSPORE_SAYS = """
----------------------------------------------------
- Memory not enough:
----------------------------------------------------
Device(id:0) memory isn't enough and alloc failed, kernel name: 29_Default/Add-op1, alloc size: 62914560B.

----------------------------------------------------
- C++ Call Stack: (For framework developers)
----------------------------------------------------
mindspore/ccsrc/backend/ms_backend/runtime/graph_scheduler/base/graph_scheduler.cc:1168 Run
"""
# The same for an input of the graph; the text goes on with the array's address and others of its kind.
OF_AN_INPUT = """Allocate memory failed, outer index: 1, inner index: 0, for kernel tensor: 0x560bed8c6850 \
shape:(40, 768, 1280, 3) type:Tensor[UInt8]

----------------------------------------------------
- C++ Call Stack: (For framework developers)
----------------------------------------------------
mindspore/ccsrc/backend/ms_backend/runtime/actors/base/actor_common.cc:1059 AllocMemAndCopyForParameter
"""
# The words of libmindspore_ascend_res_manager.so, which no test can make it say.
OF_ANOTHER_PROCESS = """
----------------------------------------------------
- Framework Error Message:
----------------------------------------------------
Malloc device memory failed, size[32212254720], ret[207001], Device 0, available MOC size:34359738368, free \
size:1073741824 may be other processes occupying this card, check as: ps -ef|grep python
"""


# A product whose result needs 14.4 GB, in a process that may have 3 GB more than it has.
ON_THE_CPU = """
import resource
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from src.engine.runtime.card_memory import one_line_when_full
from src.errors import CardMemoryError


class Product(nn.Cell):
    def construct(self, array):
        return ops.matmul(array, array.T).sum()


ms.set_context(mode=ms.GRAPH_MODE)
ms.set_device("CPU")
product = Product()
product(Tensor(np.ones((8, 8), np.float32)))
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 3 * 10**9, size + 3 * 10**9))
try:
    with one_line_when_full("a product", "a smaller one needs less"):
        product(Tensor(np.ones((60000, 8), np.float32)))
except CardMemoryError as error:
    print(error)
"""


@pytest.mark.parametrize(
    "text", [MINDSPORE_SAYS, OF_AN_INPUT, OF_ANOTHER_PROCESS], ids=["full", "an input", "not given"]
)
def test_full_memory_is_one_line_that_says_what_needs_less(text, monkeypatch):
    monkeypatch.setattr("mindspore.get_context", {"device_target": "Ascend"}.get)
    what = "a step of 16 pictures"
    with pytest.raises(CardMemoryError) as told, one_line_when_full(what, "fewer need less"):
        raise RuntimeError(text)
    line = str(told.value)
    assert line.startswith(f"the memory of the card does not suffice for {what}: fewer need less;")
    assert "npu-smi" in line
    assert "\n" not in line
    assert told.value.code == 2


def test_full_memory_of_a_machine_without_a_card(tmp_path):
    program = tmp_path / "program.py"  # a file: MindSpore compiles from the source text
    program.write_text(ON_THE_CPU)
    done = subprocess.run(
        [sys.executable, program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert done.stdout == (
        "the memory of this machine does not suffice for a product: a smaller one needs less; "
        "`free -h` shows what other programs leave\n"
    )


def test_another_error_stays_as_it_is():
    with pytest.raises(RuntimeError, match="^The operator failed$"), one_line_when_full("a step", "less"):
        raise RuntimeError("The operator failed")
