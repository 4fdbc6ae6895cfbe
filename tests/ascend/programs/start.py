"""Start the device on the stand-ins of CANN's libraries.

    python -m tests.ascend.programs.start [MODE] [--level LEVEL]

Prints the chip, the precision mode that the device is then told, and the jit level, which is nothing where
MindSpore is to choose. MODE is what a user chooses before, LEVEL is the key jit_level.
"""

from __future__ import annotations

import argparse
import os

import mindspore as ms
from mindspore._c_expression import AscendOpPrecisionConf

from src import device_limits
from src.engine.runtime import device
from tests.ascend.programs.step_cells import SOC_VERSIONS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", nargs="?")
    parser.add_argument("--level", default="auto")
    args = parser.parse_args()
    device.ascend_is_here = lambda: True  # it looks for the device files of a card
    if os.environ.get("MS_SIMULATION_LEVEL"):  # there MindSpore has no name of the chip
        device_limits.soc_version = lambda: SOC_VERSIONS[os.environ["STANDIN_SOC"]]
    ms.set_device("Ascend")
    if args.mode is not None:
        ms.device_context.ascend.op_precision.precision_mode(args.mode)
    device.start_device("Ascend")
    device.start_device("Ascend", args.level)  # as a second job of the process does
    precision_mode = AscendOpPrecisionConf.get_instance().precision_mode()
    print(device_limits.soc_version(), precision_mode, ms.get_context("jit_level"), flush=True)


if __name__ == "__main__":
    main()
