"""Measure what docs/scaling.md tells: what a step moves, what a checkpoint costs, how long ranks wait for each other.

    python benchmarks/scaling.py sizes [KEY=VALUE ...]      # parameters, all-reduce bytes, bytes a batch, a checkpoint's size and time
    python benchmarks/scaling.py meet [RANKS ...]           # the time of a meeting of so many ranks on this machine (no MindSpore in them)
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MEETINGS = 200
_RANK = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from src.engine.team import Team
rank, num, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])

def exchange(data):
    if data is not None:
        (folder / "part").write_bytes(data)
        os.rename(folder / "part", folder / "where")
        return data
    while not (folder / "where").exists():
        time.sleep(0.05)
    return (folder / "where").read_bytes()

with Team(rank, num, exchange) as team:
    team.meet()
    for _ in range({meetings}):
        started = time.perf_counter()
        team.meet([7, 0], max)
        if rank == 0:
            print(time.perf_counter() - started)
"""


def sizes(words):
    """Print the figures of the network that `words` configure, on the CPU."""
    import src.engine.device  # noqa: F401  sets what has to be set before MindSpore is loaded
    from src.config import load_config
    from src.data.examples import batch_layout
    from src.engine.checkpoint import save_checkpoint
    from src.engine.optimizer import make_optimizer
    from src.engine.resume import rest_of
    from src.maskrcnn.build import build_network, norm_kind
    from src.network_define import LossNet, TrainOneStep
    config = load_config(words)
    for loads in (False, True):
        network = build_network(config, "CPU", loads_weights=loads).set_train(True)
        trained = network.trainable_params()
        everything = network.parameters_dict().values()
        total, moved = sum(value.size for value in everything), sum(value.size for value in trained)
        print(f"{'from weights' if loads else 'from scratch'}: {total:,} numbers in {len(everything)} arrays, {moved:,} of them trained in "
              f"{len(trained)}: {4 * moved / 1e6:.1f} MB of gradients a step")
    layout = batch_layout(config, 1)
    bytes_a_picture = {name: int(kind.itemsize * _product(shape)) for name, (kind, shape) in layout.items()}
    print(f"a picture on its way to the device: {sum(bytes_a_picture.values()) / 1e6:.2f} MB, "
          + ", ".join(f"{name} {size / 1e6:.2f}" for name, size in bytes_a_picture.items() if size > 1e5))
    network.init_parameters_data()
    cell = TrainOneStep(LossNet(network), make_optimizer(config, network.trainable_params()))
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path, times = Path(folder) / "mask_rcnn-1_1.ckpt", []
        for _ in range(5):
            started = time.perf_counter()
            save_checkpoint(path, network, config, norm_kind(config, True), 1, 1, cell, {})
            times.append(time.perf_counter() - started)
        print(f"a checkpoint: {path.stat().st_size / 1e6:.0f} MB with {len(rest_of(cell, network))} arrays of the optimiser, written in "
              f"{statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f}, with fsync)")


def _product(shape):
    count = 1
    for side in shape:
        count *= side
    return count


def meet(counts):
    """Print the median time of a meeting for each number of ranks."""
    for num in counts:
        with tempfile.TemporaryDirectory() as folder:
            ranks = [subprocess.Popen([sys.executable, "-c", _RANK.format(meetings=MEETINGS), str(rank), str(num), folder, str(ROOT)],
                                      stdout=subprocess.PIPE, text=True) for rank in range(num)]
            times = [float(line) for line in ranks[0].communicate()[0].split()]
            assert all(rank.wait() == 0 for rank in ranks) and len(times) == MEETINGS
        print(f"{num} ranks on {os.cpu_count()} cores: a meeting takes {1000 * statistics.median(times):.2f} ms", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("sizes", "meet"))
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE | RANKS")
    args = parser.parse_args()
    if args.command == "sizes":
        sizes(args.words)
    else:
        meet([int(word) for word in args.words] or [2, 8, 32])


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from src.errors import run_main
    run_main(main)
