"""Starting MindSpore: which device, how many of them, and this process's place among them."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass, field

# On CPUs with AVX-512, MindSpore 2.9 and 2.10 send float32 convolutions to oneDNN's reference code (150 times slower);
# limiting the instruction set brings them back. It has to be set before MindSpore is imported.
TESTED_VERSION = "2.8.0"
_SLOW_VERSIONS = ("2.9.", "2.10.")


def _installed_version():
    from importlib.metadata import version

    return version("mindspore")


os.environ.setdefault("GLOG_v", "3")  # MindSpore's errors only; its warnings are about its own optimiser

if _installed_version().startswith(_SLOW_VERSIONS):
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")

import mindspore as ms  # noqa: E402  after the variable above
import numpy as np  # noqa: E402
from mindspore import Tensor, ops  # noqa: E402
from mindspore.communication import get_group_size, get_rank, init  # noqa: E402

from ...errors import ConfigError  # noqa: E402
from ..distributed.rank_group import RankGroup, reachable_host  # noqa: E402


@dataclass(frozen=True)
class Device:
    """target: 'Ascend' or 'CPU'; rank: this process among `num` processes, one a device; group: how they wait for each other."""

    target: str
    rank: int = 0
    num: int = 1
    group: RankGroup = field(default_factory=RankGroup, compare=False)


def ascend_is_here():
    """Whether this machine has an Ascend card that MindSpore can use."""
    if not glob.glob(
        "/dev/davinci[0-9]*"
    ):  # without the driver's device files MindSpore only prints pages of errors
        return False
    try:
        return ms.hal.is_available("Ascend") and ms.hal.device_count("Ascend") > 0
    except (RuntimeError, ValueError):  # a build without Ascend raises instead of answering
        return False


def start_device(config):
    """Set MindSpore up (graph mode) on the configured device and join the other processes, if there are any.

    Processes are started by msrun (MS_ROLE) or from a rank table (RANK_TABLE_FILE, RANK_SIZE, RANK_ID, DEVICE_ID).
    Raises ConfigError if the device is not there.
    """
    target = config.device_target
    has_ascend = target != "CPU" and ascend_is_here()
    if target == "auto":
        target = "Ascend" if has_ascend else "CPU"
    elif target == "Ascend" and not has_ascend:
        raise ConfigError(
            "device_target=Ascend: no Ascend card (or no MindSpore for it) on this machine; device_target=CPU runs here"
        )
    if ms.__version__ != TESTED_VERSION:
        print(
            f"warning: MindSpore {ms.__version__} is installed; {TESTED_VERSION} is what this project is tested with",
            flush=True,
        )
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device(target, int(os.environ.get("DEVICE_ID", "0")) if target == "Ascend" else 0)
    # msrun's scheduler process (MS_ROLE) runs this script too and must go into init() even for a single worker.
    if "MS_ROLE" not in os.environ and int(os.environ.get("RANK_SIZE") or 1) == 1:
        return Device(target)
    init()
    rank, num = get_rank(), get_group_size()
    ms.set_auto_parallel_context(
        parallel_mode=ms.ParallelMode.DATA_PARALLEL, gradients_mean=True, device_num=num
    )
    return Device(
        target, rank, num, RankGroup(rank, num, _from_rank_0, reachable_host() if rank == 0 else None)
    )


def _from_rank_0(data):
    """Rank 0's bytes (at most 512, no zeros at their end), on every rank."""
    buffer = np.zeros(512, np.int32)
    if data is not None:
        buffer[: len(data)] = np.frombuffer(data, np.uint8)
    return ops.Broadcast(0)((Tensor(buffer),))[0].asnumpy().astype(np.uint8).tobytes().rstrip(b"\0")
