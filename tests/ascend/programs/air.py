"""Write an AIR file on the stand-ins of CANN's libraries: python -m tests.ascend.programs.air KIND OUT

KIND is one of
small, default   export.py's job with weights as they are made, of the small network or of the default one
group_norms      the same, of the small network with group norms everywhere
clamp            a network of one operator that no AIR file can hold
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from src.config import load_config
from src.engine import exporter
from src.engine.air_export import write_air
from src.engine.entry import run_main
from src.engine.runtime import device
from src.maskrcnn.build import build_network, norm_kind
from src.weights.checkpoint_file import save_checkpoint
from src.weights.checkpoint_settings import network_settings
from tests.ascend.card import pretend
from tests.ascend.graphs import GROUP_NORMS, SMALL_NETWORK

WORDS = {"small": SMALL_NETWORK, "group_norms": [*SMALL_NETWORK, *GROUP_NORMS.split()], "default": []}


class Clamp(nn.Cell):
    def construct(self, image, image_meta):
        return ops.clamp(image_meta, 0.0, 1.0)


def main() -> None:
    kind, out = sys.argv[1:]
    pretend()
    if kind == "clamp":
        device.start_device("Ascend")
        image = Tensor(np.zeros((1, 8, 8, 3), np.uint8))
        os.chdir(Path(out).parent)
        write_air(Clamp(), image, Tensor(np.zeros((1, 6), np.float32)), Path(out))
        return
    own = WORDS[kind]
    config = load_config(own)
    ms.set_context(mode=ms.GRAPH_MODE)
    checkpoint = Path(out).with_suffix(".ckpt")
    network = build_network(config, "Ascend", loads_weights=True)
    save_checkpoint(checkpoint, network, network_settings(config, norm_kind(config, True)), 1, 1)
    words = [f"checkpoint_path={checkpoint}", "device_target=Ascend"]
    exporter.export(load_config([*own, *words]), exporter.ExportSettings("AIR", out))


if __name__ == "__main__":
    run_main(main)
