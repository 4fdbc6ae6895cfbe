"""The device's memory that does not suffice, told in one line."""

from __future__ import annotations

import contextlib
import sys
from typing import Iterator

from ...errors import CardMemoryError

# What MindSpore's RuntimeError says then (memory_manager_actor.cc, actor_common.cc, device_address_utils.cc).
# The last is of memory that the driver does not give, for instance because another process has it.
_SIGNS = (
    "memory isn't enough",
    "memory not enough",
    "allocate memory failed",  # for an input
    "out of memory",
    "malloc device memory failed",
)


def tells_of_full_memory(text: str) -> bool:
    """Whether a text of MindSpore says that the device's memory does not suffice."""
    return any(sign in text.lower() for sign in _SIGNS)


@contextlib.contextmanager
def one_line_when_full(what: str, cure: str) -> Iterator[None]:
    """Within it a RuntimeError of MindSpore about the device's memory is a `CardMemoryError`.

    Args:
        what: What needs the memory, such as "a step of 16 pictures".
        cure: What needs less.

    Raises:
        CardMemoryError: The memory does not suffice. Another RuntimeError stays as it is.
    """
    try:
        yield
    except RuntimeError as error:
        if not tells_of_full_memory(str(error)):
            raise
        owner = "this machine"
        look = "`free -h` shows what other programs leave"
        # An ONNX file runs where there is no MindSpore.
        if "mindspore" in sys.modules and sys.modules["mindspore"].get_context("device_target") == "Ascend":
            owner = "the card"
            look = "`npu-smi info` shows whether other programs use the card"
        raise CardMemoryError(f"the memory of {owner} does not suffice for {what}: {cure}; {look}") from error
