"""Starting MindSpore: which device, how many processes, and this process's number among them."""

from __future__ import annotations

import atexit
import contextlib
import os
from dataclasses import dataclass, field
from typing import Optional

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops
from mindspore.communication import get_group_size, get_rank, init

from ...device_limits import is_ascend_910
from ...environment import card_is_here
from ...errors import ConfigError
from ...log import logger, set_log_rank
from ..distributed.rank_group import RankGroup, is_alone, reachable_host
from .cann import cann_problem, hccl_problem

TESTED_VERSION = "2.8.0"
# What MindSpore documents as its own number of threads that dispatch a graph's kernels.
_DISPATCH_THREADS = 5
# How deep calls may nest while a graph is compiled; MindSpore's own limit is 1000. Deep trunks (R152) come
# nearer to it than the recipes' R50.
_CALL_DEPTH = 4000
_BROADCAST_BYTES = 512


@dataclass(frozen=True)
class Device:
    """The device of this process.

    Attributes:
        target: "Ascend" or "CPU".
        rank: The number of this process.
        num: The number of processes, one for each device.
        group: How they wait for each other.
    """

    target: str
    rank: int = 0
    num: int = 1
    group: RankGroup = field(default_factory=RankGroup, compare=False)


def ascend_is_here() -> bool:
    """Whether this machine has an Ascend card that MindSpore can use."""
    # At a simulation level MindSpore compiles and launches for a card that is not there.
    if os.environ.get("MS_SIMULATION_LEVEL"):
        return ms.hal.is_available("Ascend")
    # Without the driver's device files MindSpore only prints pages of errors.
    if not card_is_here():
        return False
    try:
        return ms.hal.is_available("Ascend") and ms.hal.device_count("Ascend") > 0
    except (RuntimeError, ValueError) as error:  # a MindSpore without Ascend raises, too
        lines = [line for line in str(error).splitlines() if any(map(str.isalnum, line))]  # some are dashes
        logger.warning("MindSpore says of the Ascend card: %s", lines[0] if lines else type(error).__name__)
        return False


def start_device(device_target: str, jit_level: str = "auto") -> Device:
    """Set MindSpore up (graph mode) on a device and join the other processes, if there are any.

    Processes find each other by MindSpore's cluster (MS_ROLE, DEVICE_ID), which msrun starts, and
    run_distribute_train.sh for a rank table.

    Args:
        device_target: 'CPU', 'Ascend', or 'auto': Ascend where there is one.
        jit_level: The key of this name, which is for Ascend.

    Raises:
        ConfigError: The device is not there, its software is not whole, or it has no jit levels.
    """
    target = _available_target(device_target)
    if target == "CPU" and jit_level != "auto":
        raise ConfigError(f"jit_level={jit_level}: it is for Ascend, and this runs on the CPU; leave it out")
    if ms.__version__ != TESTED_VERSION:
        logger.warning(
            "MindSpore %s is installed; %s is what this project is tested with",
            ms.__version__,
            TESTED_VERSION,
        )
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device(target, _card_number() if target == "Ascend" else 0)
    if target == "Ascend":
        _set_precision_mode()
        _set_dispatch_threads()
        _plan_memory()
        ms.set_recursion_limit(_CALL_DEPTH)
        if jit_level != "auto":
            ms.set_context(jit_config={"jit_level": jit_level})
    # The scheduler process of msrun (MS_ROLE) runs this too, and must call init() even for a single worker.
    if is_alone():
        return Device(target)
    if "MS_ROLE" not in os.environ and os.environ.get("RANK_TABLE_FILE"):
        raise ConfigError(
            f"RANK_TABLE_FILE={os.environ['RANK_TABLE_FILE']}: MindSpore {ms.__version__} starts no "
            "rank from a table; bash scripts/run_distribute_train.sh RANK_TABLE_FILE starts them"
        )
    if target == "Ascend" and os.environ.get("MS_ROLE") != "MS_SCHED":
        problem = hccl_problem()
        if problem is not None:
            raise ConfigError(problem)
    init()
    atexit.register(_leave_the_cluster_slowly)
    rank = get_rank()
    num = get_group_size()
    set_log_rank(rank)
    ms.set_auto_parallel_context(
        parallel_mode=ms.ParallelMode.DATA_PARALLEL, gradients_mean=True, device_num=num
    )
    host = reachable_host() if rank == 0 else None
    return Device(target, rank, num, RankGroup(rank, num, _broadcast_from_rank_0, host))


def _leave_the_cluster_slowly() -> None:
    """Have this thread not push aside the one that receives for MindSpore's cluster, at the process's end.

    When the scheduler has confirmed that a rank leaves, MindSpore's main thread removes the connection, which
    the receiving thread still reads once more. Where the main thread, woken, takes that thread's core, the
    process ends in a segmentation fault after a whole training: 4 of 20 jobs of two ranks with a core each,
    on a busy machine. Woken, a thread of this policy does not push the running one aside: 0 of 40 jobs. The
    fault stays possible where the two have cores of their own. Has to be registered after MindSpore's own
    function at the end, before which it then runs.
    """
    if hasattr(os, "SCHED_BATCH"):
        # Some containers do not allow it: there the fault stays as likely as it was.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _card_number() -> int:
    """DEVICE_ID, or 0.

    Raises:
        ConfigError: There is no such card.
    """
    number = int(os.environ.get("DEVICE_ID") or "0")
    # At a simulation level there is none.
    count = 0 if os.environ.get("MS_SIMULATION_LEVEL") else ms.hal.device_count("Ascend")
    if count and number >= count:
        raise ConfigError(
            f"DEVICE_ID={number}: MindSpore finds {count} Ascend card{'s' if count > 1 else ''} here, "
            f"so 0{f' to {count - 1}' if count > 1 else ''} expected"
        )
    return number


def _set_precision_mode() -> None:
    """Have operators compute in the graph's types where the chip has them, unless the user chose a mode.

    On Ascend 910 MindSpore's own choice, force_fp16, would take float16 wherever there is a choice. The mode
    set here takes it where there is none: matrix products, and what `is_ascend_910` names. Has to be set
    before the device is initialised.
    """
    from mindspore._c_expression import AscendOpPrecisionConf  # not in a MindSpore without Ascend

    if not AscendOpPrecisionConf.get_instance().is_precision_mode_configured():
        mode = "allow_fp32_to_fp16" if is_ascend_910() else "must_keep_origin_dtype"
        ms.device_context.ascend.op_precision.precision_mode(mode)


def _set_dispatch_threads() -> None:
    """Have a graph's kernels dispatched by more than one thread, unless a number was chosen in this process.

    MindSpore itself takes 0.18 threads a core (of 30 at most), which is one thread on fewer than 12 cores.
    With one, the Ascend backend cannot build a graph with a condition, which `loss_scale=dynamic` needs: "Can
    not build a sub graph which contains ConditionSwitch".
    """
    if ms.get_context("inter_op_parallel_num"):  # the older way to choose
        return
    try:
        ms.runtime.dispatch_threads_num(_DISPATCH_THREADS)
    except RuntimeError as error:  # it takes one number a process, and has one
        logger.debug("%s", error)


def _plan_memory() -> None:
    """Have the place of every array in the card's memory decided once, when the graph is compiled.

    MindSpore would look for it at every launch. That takes the host a quarter of a launch's time, and leaves
    gaps: on Ascend 910, where memory cannot be mapped, a third of it lay idle when 60 pictures did not fit
    (docs/scaling.md). What was chosen in this process by `mindspore.runtime.set_memory` stays.
    """
    try:
        ms.runtime.set_memory(optimize_level="O1")
    except RuntimeError as error:
        if "repeatedly" not in str(error):  # it takes one choice a process, and has one
            raise


def _available_target(device_target: str) -> str:
    if device_target == "CPU":
        return "CPU"
    has_card = card_is_here()
    problem = cann_problem() if has_card else None
    if ascend_is_here():
        if problem is not None:
            logger.warning("%s", problem)  # many operators need no compilation by CANN's Python side
        return "Ascend"
    if device_target == "Ascend":
        raise ConfigError(
            f"device_target=Ascend: {problem}"
            if problem is not None
            else "device_target=Ascend: no Ascend card (or no MindSpore for it) on this machine; "
            "device_target=CPU runs here"
        )
    if has_card:
        reason = problem or "MindSpore cannot use it; its messages are above"
        logger.warning("the Ascend card is not used, but the CPU: %s", reason)
    return "CPU"


def _broadcast_from_rank_0(data: Optional[bytes]) -> bytes:
    """Rank 0's bytes (at most 512, no zeros at their end), on every rank."""
    buffer = np.zeros(_BROADCAST_BYTES, np.int32)
    if data is not None:
        buffer[: len(data)] = np.frombuffer(data, np.uint8)
    received = ops.Broadcast(0)((Tensor(buffer),))[0].asnumpy()
    return received.astype(np.uint8).tobytes().rstrip(b"\0")
