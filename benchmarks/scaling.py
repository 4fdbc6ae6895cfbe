"""Measure what docs/scaling.md tells: what a step moves, what a checkpoint costs, how long ranks wait for each other.

python benchmarks/scaling.py sizes [KEY=VALUE ...]      # parameters, all-reduce bytes, bytes a batch; what a checkpoint and a checksum cost
python benchmarks/scaling.py compile [KEY=VALUE ...]    # the time of the training graph's compilation
python benchmarks/scaling.py meet [RANKS ...]           # the time of a meeting of so many ranks on this machine (no MindSpore in them)
"""

import argparse
import math
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MEETINGS = 200


def sizes(words):
    """Print the figures of the network that `words` configure, on the CPU."""
    import src.engine.runtime.device  # noqa: F401  sets what has to be set before MindSpore is loaded
    from src.config import load_config
    from src.data.pipeline.examples import batch_layout
    from src.engine.hooks.sync_check import checksums
    from src.engine.training.optimizer import make_optimizer
    from src.engine.training.resume import step_state_of
    from src.maskrcnn.build import build_network, norm_kind
    from src.network_define import LossNet, TrainOneStep
    from src.weights.checkpoint_file import save_checkpoint

    config = load_config(words)
    for loads in (False, True):
        network = build_network(config, "CPU", loads_weights=loads).set_train(True)
        trained = network.trainable_params()
        everything = network.parameters_dict().values()
        total, moved = sum(value.size for value in everything), sum(value.size for value in trained)
        print(
            f"{'from weights' if loads else 'from scratch'}: {total:,} numbers in {len(everything)} arrays, {moved:,} of them trained in "
            f"{len(trained)}: {4 * moved / 1e6:.1f} MB of gradients a step"
        )
    layout = batch_layout(config, 1)
    bytes_a_picture = {name: int(kind.itemsize * math.prod(shape)) for name, (kind, shape) in layout.items()}
    print(
        f"a picture on its way to the device: {sum(bytes_a_picture.values()) / 1e6:.2f} MB, "
        + ", ".join(f"{name} {size / 1e6:.2f}" for name, size in bytes_a_picture.items() if size > 1e5)
    )
    network.init_parameters_data()
    cell = TrainOneStep(LossNet(network), make_optimizer(config, network.trainable_params()))
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path, times = Path(folder) / "mask_rcnn-1_1.ckpt", []
        for _ in range(5):
            started = time.perf_counter()
            save_checkpoint(path, network, config, norm_kind(config, True), 1, 1, cell, {})
            times.append(time.perf_counter() - started)
        print(
            f"a checkpoint: {path.stat().st_size / 1e6:.0f} MB with {len(step_state_of(cell, network))} arrays of the optimiser, written in "
            f"{statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f}, with fsync)"
        )
    times = []
    for _ in range(5):
        started = time.perf_counter()
        checksums(cell, own_statistics=False)
        times.append(time.perf_counter() - started)
    print(
        f"checksums of all weights and of the optimiser's arrays (check_sync_steps): {statistics.median(times):.3f} s ({min(times):.3f} to "
        f"{max(times):.3f})"
    )


def meet(counts):
    """Print the median time of a meeting for each number of ranks."""
    from tests.engine.distributed.ranks import Job

    body = f"""
group.barrier()
for _ in range({MEETINGS}):
    started = time.perf_counter()
    group.barrier([7, 0], max)
    if rank == 0:
        print(time.perf_counter() - started)
"""
    for num in counts:
        with tempfile.TemporaryDirectory() as folder:
            results = Job(Path(folder), num, body).end()
        times = [float(line) for line in results[0][1].split()]
        assert not any(code for code, *_ in results) and len(times) == MEETINGS, results
        print(
            f"{num} ranks on {os.cpu_count()} cores: a meeting takes {1000 * statistics.median(times):.2f} ms",
            flush=True,
        )


def compile_graph(words):
    """Print how long the training step's graph takes to be compiled, for the network that `words` configure, in this process."""
    import numpy as np
    from mindspore import Tensor

    from src.config import load_config
    from src.data.pipeline.examples import batch_layout
    from src.engine.runtime.device import start_device
    from src.engine.train_setup import BATCH_NAMES
    from src.engine.training.build_step import make_step
    from src.maskrcnn.build import build_network

    config = load_config([*words, "device_target=CPU"])
    start_device(config)
    layout = batch_layout(config, config.batch_size)
    inputs = [Tensor(np.zeros(layout[name][1], layout[name][0])) for name in BATCH_NAMES]
    for loads in (False, True):
        cell = make_step(config, build_network(config, "CPU", loads).set_train(True))
        started = time.perf_counter()
        cell.compile(Tensor(np.float32(0)), *inputs)
        print(
            f"{'from weights' if loads else 'from scratch'}: the graph was compiled in {time.perf_counter() - started:.1f} s",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("sizes", "compile", "meet"))
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE | RANKS")
    args = parser.parse_args()
    if args.command == "meet":
        meet([int(word) for word in args.words] or [2, 8, 32])
    else:
        {"sizes": sizes, "compile": compile_graph}[args.command](args.words)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from src.engine.entry import run_main

    run_main(main)
