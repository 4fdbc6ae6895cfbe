"""Measure the figures of docs/scaling.md: sizes, compilation, checkpoints, and the time of a barrier.

    python -m benchmarks.scaling sizes [KEY=VALUE ...]      # parameters, bytes of a batch, a checkpoint, a
    checksum python -m benchmarks.scaling compile [KEY=VALUE ...]    # the time to compile the training graph
    python -m benchmarks.scaling barrier [RANKS ...]        # the time of a barrier of so many ranks on this
    machine

Run it from the project's folder. The ranks of `barrier` have no MindSpore in them.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from src.data_settings import example_settings
from src.engine.entry import run_main

NUM_BARRIERS = 200


def sizes(words: Sequence[str]) -> None:
    """Print the figures of the network that `words` configure, on the CPU."""
    import src.engine.runtime.device  # noqa: F401  sets what has to be set before MindSpore is loaded
    from src.config import load_config
    from src.data.pipeline.training_example import batch_layout
    from src.engine.hooks.sync_check import checksums
    from src.engine.training.build_step import make_optimizer
    from src.engine.training.resume import step_state_of
    from src.maskrcnn.build import build_network, norm_kind
    from src.network_define import LossNet, TrainOneStep
    from src.weights.checkpoint_file import save_checkpoint
    from src.weights.checkpoint_settings import network_settings

    config = load_config(words)
    for loads in (False, True):
        network = build_network(config, "CPU", loads_weights=loads).set_train(True)
        trained = network.trainable_params()
        parameters = network.parameters_dict().values()
        total = sum(value.size for value in parameters)
        num_trained = sum(value.size for value in trained)
        print(
            f"{'from weights' if loads else 'from scratch'}: {total:,} numbers in {len(parameters)} arrays, "
            f"{num_trained:,} of them trained in {len(trained)}: {4 * num_trained / 1e6:.1f} MB of gradients "
            "a step"
        )
    layout = batch_layout(example_settings(config), 1)
    bytes_a_picture = {
        name: int(dtype.itemsize * math.prod(shape)) for name, (dtype, shape) in layout.items()
    }
    print(
        f"a picture on its way to the device: {sum(bytes_a_picture.values()) / 1e6:.2f} MB, "
        + ", ".join(f"{name} {size / 1e6:.2f}" for name, size in bytes_a_picture.items() if size > 1e5)
    )
    network.init_parameters_data()
    cell = TrainOneStep(LossNet(network), make_optimizer(config, network.trainable_params()))
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder) / "mask_rcnn-1_1.ckpt"
        settings = network_settings(config, norm_kind(config, True))
        times = timings(lambda: save_checkpoint(path, network, settings, 1, 1, cell, {}))
        print(
            f"a checkpoint: {path.stat().st_size / 1e6:.0f} MB with {len(step_state_of(cell, network))} "
            f"arrays of the optimiser, written in {statistics.median(times):.2f} s ({min(times):.2f} to "
            f"{max(times):.2f}, with fsync)"
        )
    times = timings(lambda: checksums(cell, without_statistics=False))
    print(
        "checksums of all weights and of the optimiser's arrays (check_sync_steps): "
        f"{statistics.median(times):.3f} s ({min(times):.3f} to {max(times):.3f})"
    )


def timings(call: Callable[[], object], repeats: int = 5) -> list[float]:
    """Seconds of each of some calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def barrier(counts: Sequence[int]) -> None:
    """Print the median time of a barrier for each number of ranks."""
    from tests.engine.distributed.ranks import Job

    body = f"""
group.barrier()
for _ in range({NUM_BARRIERS}):
    started = time.perf_counter()
    group.barrier([7, 0], max)
    if rank == 0:
        print(time.perf_counter() - started)
"""
    for num in counts:
        with tempfile.TemporaryDirectory() as folder:
            results = Job(Path(folder), num, body).end()
        times = [float(line) for line in results[0][1].split()]
        assert not any(code for code, *_ in results) and len(times) == NUM_BARRIERS, results
        median = 1000 * statistics.median(times)
        print(f"{num} ranks on {os.cpu_count()} cores: a barrier takes {median:.2f} ms", flush=True)


def compile_graph(words: Sequence[str]) -> None:
    """Print how long it takes to compile the training step's graph of the network that `words` configure."""
    import numpy as np
    from mindspore import Tensor

    from src.config import load_config
    from src.data.pipeline.training_example import batch_layout
    from src.engine.runtime.device import start_device
    from src.engine.train_setup import BATCH_NAMES
    from src.engine.training.build_step import make_step
    from src.maskrcnn.build import build_network

    config = load_config([*words, "device_target=CPU"])
    start_device(config.device_target)
    layout = batch_layout(example_settings(config), config.batch_size)
    inputs = [Tensor(np.zeros(layout[name].shape, layout[name].dtype)) for name in BATCH_NAMES]
    for loads in (False, True):
        cell = make_step(config, build_network(config, "CPU", loads).set_train(True))
        start = time.perf_counter()
        cell.compile(Tensor(np.float32(0)), *inputs)
        seconds = time.perf_counter() - start
        kind = "from weights" if loads else "from scratch"
        print(f"{kind}: the graph was compiled in {seconds:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.scaling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("sizes", "compile", "barrier"))
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE | RANKS")
    args = parser.parse_args()
    if args.command == "barrier":
        barrier([int(word) for word in args.words] or [2, 8, 32])
    else:
        {"sizes": sizes, "compile": compile_graph}[args.command](args.words)


if __name__ == "__main__":
    run_main(main)
