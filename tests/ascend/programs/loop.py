"""train.py on a card that is busy after each launch.

    python -m tests.ascend.programs.loop [--busy MS] [WORD ...]

Prints a line of JSON last: {"gaps": [seconds from a step's losses to the next launch, ...], "steps":
[seconds from a launch to the next, ...]}, without the first steps. The card is one of the stand-ins of CANN's
libraries, whose results are there at once; so the step's losses are held back until the card's time is over.
"""

from __future__ import annotations

import argparse
import json
import runpy
import sys
import time

import mindspore as ms

from src.engine.trainer import Trainer
from src.network_define import STEP_NAMES
from tests.ascend.card import pretend
from tests.conftest import ROOT

SKIPPED = 20  # steps, in which the data workers start
LOSSES = 8 + len(STEP_NAMES)  # of the step cell's result


class Clock:
    """When steps are launched and when their losses were there, on a card that is busy for `busy` seconds."""

    def __init__(self, busy: float):
        self.busy = busy
        self.launched = []
        self.read = []
        self._call_hooks = Trainer.call
        self._read_array = ms.Tensor.asnumpy

    def install(self) -> None:
        """Put this clock around the calls of hooks and the reading of losses, of this process's trainer."""

        def call(trainer, method, *arguments):
            if method == "after_step":
                self.read.append(time.perf_counter())
            self._call_hooks(trainer, method, *arguments)
            if method == "before_step":
                self.launched.append(time.perf_counter())

        def asnumpy(tensor):
            if tensor.shape == (LOSSES,):
                time.sleep(max(0.0, self.launched[-1] + self.busy - time.perf_counter()))
            return self._read_array(tensor)

        Trainer.call = call
        ms.Tensor.asnumpy = asnumpy

    def report(self) -> dict:
        pairs = list(zip(self.read, self.launched[1:]))
        steps = [after - before for before, after in zip(self.launched, self.launched[1:])]
        return {"gaps": [launch - read for read, launch in pairs[SKIPPED:]], "steps": steps[SKIPPED:]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--busy", type=float, default=0.0, metavar="MS")
    args, words = parser.parse_known_args()
    pretend()
    clock = Clock(args.busy / 1e3)
    clock.install()
    script = str(ROOT / "train.py")
    sys.argv = [script, "device_target=Ascend", *words]
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as ended:
        if ended.code:
            raise
    print(json.dumps(clock.report()), flush=True)


if __name__ == "__main__":
    main()
