"""What is told when the memory of a card does not suffice."""

from __future__ import annotations

import pytest

from src.engine.runtime.card_memory import one_line_when_full
from src.errors import CardMemoryError

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


@pytest.mark.parametrize(
    "text", [MINDSPORE_SAYS, OF_AN_INPUT, OF_ANOTHER_PROCESS], ids=["full", "an input", "not given"]
)
def test_full_memory_is_one_line_that_says_what_needs_less(text):
    what = "a step of 16 pictures"
    with pytest.raises(CardMemoryError) as told, one_line_when_full(what, "fewer need less"):
        raise RuntimeError(text)
    line = str(told.value)
    assert line.startswith(f"the memory of the card does not suffice for {what}: fewer need less;")
    assert "\n" not in line
    assert told.value.code == 2


def test_another_error_stays_as_it_is():
    with pytest.raises(RuntimeError, match="^The operator failed$"), one_line_when_full("a step", "less"):
        raise RuntimeError("The operator failed")
