"""What a run prints before its first step: machine, versions, data, network, weights, schedule."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import Sequence

import mindspore as ms

from ...config import Config
from ...lr_schedule import schedule

PACKAGES = ("numpy", "opencv-python-headless", "numba")


def print_summary(
    config: Config, device, manifest, network, steps_per_epoch: int, weights_lines: Sequence[str]
) -> None:
    """Print what is about to be trained.

    Args:
        config: The run's settings.
        device: The `Device` of this process.
        manifest: The manifest of the converted data.
        network: The network, with its weights.
        steps_per_epoch: Steps of an epoch over all devices.
        weights_lines: Where the weights come from, then further remarks (see `load_pretrained`).
    """
    lr_schedule = schedule(config, steps_per_epoch, device.num)
    trained = sum(parameter.size for parameter in network.trainable_params())
    total = sum(parameter.size for parameter in network.get_parameters())
    machine = processor_name() if device.target == "CPU" else platform.node()
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    batch = f"batch {config.batch_size} x {device.num}"
    if config.accumulate_steps > 1:
        batch += f" x {config.accumulate_steps} accumulated"
    lines = [
        f"device: {device.num} x {device.target} ({machine}), MindSpore {ms.__version__}, "
        f"Python {platform.python_version()}, {packages}",
        f"data: {manifest.pictures} pictures, {manifest.objects} objects, {config.num_classes - 1} classes, "
        f"from {manifest.source}",
        f"network: {total:,} parameters, {trained:,} of them trained, {total - trained:,} frozen or moving "
        f"statistics, computed in {str(network.dtype).lower()}, weights {weights_lines[0]}",
        *(f"weights: {line}" for line in weights_lines[1:]),
        f"schedule: {lr_schedule.steps} steps, {steps_per_epoch} an epoch, {batch}, "
        f"canvas {config.img_height}x{config.img_width}",
        lr_schedule.description,
    ]
    if config.ema_decay is not None:
        lines.append(f"average of the weights: decay {config.ema_decay:g} an update")
    print("\n".join(lines), flush=True)


def processor_name() -> str:
    """The CPU's name and how many cores this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    name = None
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    name = line.partition(":")[2].strip()
                    break
    except OSError:
        pass  # not Linux: the platform module names it below
    return f"{name or platform.processor() or platform.machine()}, {cores} cores"
