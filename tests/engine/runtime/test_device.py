"""Starting the device: which card a process takes."""

from __future__ import annotations

import mindspore as ms
import pytest

from src.engine.runtime import device
from src.errors import ConfigError


@pytest.mark.parametrize("number", ["2", "7"])
def test_a_card_that_is_not_there_is_one_line(monkeypatch, number):
    monkeypatch.setattr(device, "card_is_here", lambda: False)
    monkeypatch.setattr(device, "ascend_is_here", lambda: True)
    monkeypatch.setattr(ms.hal, "device_count", lambda target: 2)
    monkeypatch.setenv("DEVICE_ID", number)
    monkeypatch.delenv("MS_SIMULATION_LEVEL", raising=False)
    with pytest.raises(ConfigError, match=f"^DEVICE_ID={number}: MindSpore finds 2 Ascend cards .* 0 to 1"):
        device.start_device("Ascend")


def test_the_cpu_has_no_jit_levels():
    with pytest.raises(ConfigError, match="^jit_level=O1: it is for Ascend"):
        device.start_device("CPU", "O1")
