"""Start the device on the stand-ins of CANN's libraries: python -m tests.ascend.start [MODE]

Prints the precision mode that the device is then told. MODE is what a user chooses before.
"""

from __future__ import annotations

import os
import sys

import mindspore as ms
from mindspore._c_expression import AscendOpPrecisionConf

from src import device_limits
from src.engine.runtime import device
from tests.ascend.launch import SOC_VERSIONS


def main() -> None:
    device.ascend_is_here = lambda: True  # it looks for the device files of a card
    if os.environ.get("MS_SIMULATION_LEVEL"):  # there MindSpore has no name of the chip
        device_limits.soc_version = lambda: SOC_VERSIONS[os.environ["STANDIN_SOC"]]
    ms.set_device("Ascend")
    if len(sys.argv) > 1:
        ms.device_context.ascend.op_precision.precision_mode(sys.argv[1])
    device.start_device("Ascend")
    device.start_device("Ascend")  # as a second job of the process does
    print(device_limits.soc_version(), AscendOpPrecisionConf.get_instance().precision_mode(), flush=True)


if __name__ == "__main__":
    main()
