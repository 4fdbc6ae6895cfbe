"""Starting the device: which card a process takes."""

from __future__ import annotations

import mindspore as ms
import pytest

from src.engine.runtime import device
from src.errors import ConfigError
from src.log import configure_logging


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


def test_what_mindspore_says_of_a_card_that_it_cannot_use_is_told(monkeypatch, capfd):
    def is_available(target):
        raise RuntimeError("\n-----\nCall aclrtGetDeviceCount failed, error code 507899\n\nC++ call stack")

    monkeypatch.setattr(device, "card_is_here", lambda: True)
    monkeypatch.setattr(device, "cann_problem", lambda: None)
    monkeypatch.setattr(ms.hal, "is_available", is_available)
    monkeypatch.delenv("MS_SIMULATION_LEVEL", raising=False)
    configure_logging()
    with pytest.raises(ConfigError, match="^device_target=Ascend: no Ascend card"):
        device.start_device("Ascend")
    assert "Call aclrtGetDeviceCount failed, error code 507899\n" in capfd.readouterr().err
