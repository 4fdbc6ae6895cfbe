"""Compare this network with torchvision's Mask R-CNN R50-FPN stage by stage, on the CPU in graph mode.

    python -m tests.parity                          # the file tests/reference/parity.npz
    python -m tests.parity FILE.npz                 # one that make_parity.py made with another seed or size
    python -m tests.parity FILE.npz fold_norms=True # settings over those of configs/torchvision.yaml

Weights and inputs are drawn again from the seed in the file, under torchvision's names, converted and loaded.
Each stage is fed the reference's own input where the file has it, and this project's otherwise. It prints a
table and ends with exit code 1 if any limit is passed, or 2 if the file cannot be used.

Gradients have kinks. Where a ReLU's input is 0 to within float32's rounding, one program lets a gradient
through and an equally right one does not, and one such place can pass the limits (docs/design.md). For the
parameters that pass theirs, the step is repeated with images perturbed by as little as rounding changes the
features, 16 times at most. A parameter that is within its limits in one of these counts as right, and a note
below the table says so.
"""

from __future__ import annotations

import argparse
import time
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import mindspore as ms
import numpy as np

from src.engine.entry import run_main
from tests.parity.stages import Arrays, ParityError, build, draw_weights, run_inference, run_training
from tests.parity.table import Row, compare, missing_entries, table
from tests.reference.make_parity import REFERENCE, draw_inputs


def load_reference(path: Path) -> Arrays:
    """{name: array} of a reference file.

    Raises:
        ParityError: The file is missing, damaged, or of an impossible size.
    """
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ValueError("it is one array")
        with file:
            reference = {name: file[name] for name in file.files}
    except OSError as error:
        raise ParityError(f"{path}: {error.strerror or error}") from None
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ParityError(
            f"{path}: not a reference file made by make_parity.py, or a damaged one ({error})"
        ) from None
    missing = [name for name in ("seed", "height", "width", "names") if name not in reference]
    missing = missing or missing_entries(reference)
    if missing:
        raise ParityError(f"{path}: has no '{missing[0]}'; a file made by make_parity.py expected")
    for name in ("height", "width"):
        size = int(reference[name])
        if size % 32 or size < 64:
            raise ParityError(
                f"{path}: {name} {size}: a multiple of 32, and at least 64, expected; "
                f"make the file again with --{name}"
            )
    return reference


def compute(reference: Arrays, words: Sequence[str] = ()) -> dict:
    """All that `compare` needs from this project for one reference.

    Args:
        reference: The arrays of a reference file.
        words: KEY=VALUE settings over those of configs/torchvision.yaml.
    """
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")
    seed = int(reference["seed"])
    height = int(reference["height"])
    width = int(reference["width"])
    data = draw_inputs(seed, height, width)
    network = build(height, width, data["boxes"].shape[1], words)
    draw_weights(network, reference["names"], seed)
    network.set_train(False)
    ours = run_inference(network, reference, data)
    network.set_train(True)
    ours.update(run_training(network, reference, data))
    return ours


def report(rows: Sequence[Row]) -> int:
    """Print the table; returns the exit code: 0, or 1 if a limit is passed."""
    print(table(rows))
    failed = [row.stage.strip() for row in rows if not row.ok]
    for row in rows:
        if row.note:
            print(f"{row.stage}: {row.note}")
    failures = f"; FAILED: {'; '.join(failed)}" if failed else ""
    print(f"{len(rows) - len(failed)} of {len(rows)} within their limits{failures}")
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.parity",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[FILE.npz] [KEY=VALUE ...]",
        help="the reference (default: tests/reference/parity.npz), and settings over those of "
        "configs/torchvision.yaml",
    )
    given = parser.parse_args().words
    files = [word for word in given if "=" not in word]
    words = [word for word in given if "=" in word]
    if len(files) > 1:
        parser.error(f"one FILE.npz expected, not {' and '.join(files)}")
    path = Path(files[0]) if files else REFERENCE
    reference = load_reference(path)
    start = time.perf_counter()
    print(
        f"{path}: seed {int(reference['seed'])}, {int(reference['height'])}x{int(reference['width'])}",
        flush=True,
    )
    code = report(compare(reference, compute(reference, words)))
    print(f"{time.perf_counter() - start:.0f} s")
    return code


if __name__ == "__main__":
    run_main(main)
