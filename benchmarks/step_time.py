"""Time one training step, one inference call or single operators on the CPU, to compare with torchvision.

    python -m benchmarks.step_time train --height 768 --width 1280 --gts 8
    python -m benchmarks.step_time infer --height 256 --width 256
    python -m benchmarks.step_time onnx --height 256 --width 256
    python -m benchmarks.step_time ops
    python -m benchmarks.step_time small-train

Run it from the project's folder. Weights, inputs, batch size and work are those of
benchmarks/peer/peer_torchvision.py:

    train        forward pass, losses, gradients and update with configs/torchvision.yaml and freeze_at=2
    infer        to masks pasted at the picture's size
    onnx         the same in ONNX Runtime, from the exported file; writing it is not timed, compile_seconds
                 is to open it
    ops          single operators
    small-train  a training step of configs/demo.yaml at its own size, as benchmarks/peer/peer_small.py
    small-infer  its inference to pasted masks

Prints one JSON line. Drawing the inputs is not timed. Compiling the graph is not part of a step; it has a
figure of its own.
"""

from __future__ import annotations

import json

from benchmarks.timing import parse, peak_rss_mb


def main() -> None:
    args = parse("step_time", __doc__, ("train", "infer", "onnx", "ops", "small-train", "small-infer"))
    if args.what == "onnx":  # imported after the threads are limited: both load libraries that start threads
        from benchmarks import onnx_work

        result = onnx_work.infer(args)
    elif args.what.startswith("small"):
        from benchmarks import small_work

        result = {"small-train": small_work.train, "small-infer": small_work.infer}[args.what](args)
    else:
        from benchmarks import work

        result = {"train": work.train, "infer": work.infer, "ops": work.operators}[args.what](args)
    figures = dict(
        project="onnxruntime" if args.what == "onnx" else "mindspore",
        what=args.what,
        height=args.height,
        width=args.width,
        batch=args.batch,
        gts=args.gts,
        threads=args.threads,
        peak_rss_mb=peak_rss_mb(),
        **result,
    )
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
