"""What a run says before its first step: machine, versions, data, network, weights, schedule."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

import mindspore as ms

from ...lr_schedule import schedule

PACKAGES = ("numpy", "opencv-python-headless", "numba")


def describe(config, device, manifest, network, steps, loaded):
    """Print what is about to be trained; loaded: the lines that `load_start` gives, of which weights were loaded."""
    rate = schedule(config, steps, device.num)
    parameters = list(network.get_parameters())
    trained = sum(parameter.size for parameter in network.trainable_params())
    total = sum(parameter.size for parameter in parameters)
    batch = f"batch {config.batch_size} x {device.num}" + (
        f" x {config.accumulate_steps} accumulated" if config.accumulate_steps > 1 else ""
    )
    lines = [
        f"device: {device.num} x {device.target} ({processor() if device.target == 'CPU' else platform.node()}), MindSpore {ms.__version__}, "
        f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        f"data: {manifest.pictures} pictures, {manifest.objects} objects, {config.num_classes - 1} classes, from {manifest.source}",
        f"network: {total:,} parameters, {trained:,} of them trained, {total - trained:,} frozen or moving statistics, computed in "
        f"{str(network.dtype).lower()}, weights {loaded[0]}",
        *(f"weights: {line}" for line in loaded[1:]),
        f"schedule: {rate.steps} steps, {steps} an epoch, {batch}, canvas {config.img_height}x{config.img_width}",
        rate.words,
    ]
    if config.ema_decay is not None:
        lines.append(f"average of the weights: decay {config.ema_decay:g} an update")
    print("\n".join(lines), flush=True)


def processor():
    """The CPU's name and how many cores this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            name = next(
                (line.partition(":")[2].strip() for line in file if line.startswith("model name")), None
            )
    except OSError:
        name = None
    return f"{name or platform.processor() or platform.machine()}, {cores} cores"
