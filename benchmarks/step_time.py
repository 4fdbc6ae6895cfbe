"""One training step, one inference call or single operators, timed on the CPU: the project's side of the comparison with torchvision.

    python benchmarks/step_time.py train --height 768 --width 1280 --gts 8
    python benchmarks/step_time.py infer --height 256 --width 256
    python benchmarks/step_time.py onnx --height 256 --width 256
    python benchmarks/step_time.py ops

The same drawn weights and inputs, batch size and work as ../shared/bench/peer_torchvision.py: a step is forward pass, losses, gradients and
update with configs/torchvision.yaml and freeze_at 2; inference goes to masks pasted at the picture's size; `onnx` is the same in ONNX Runtime,
from the exported file (writing it is not timed; compile_seconds is what opening it takes). Prints one JSON line.
Drawing the inputs is not timed, nor is compiling the graph, which has a figure of its own.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.timing import parse, peak_rss_mb  # noqa: E402  after the path


def main():
    args = parse(__doc__, ("train", "infer", "onnx", "ops"))
    if args.what == "onnx":  # imported after the limits: both load libraries that start threads
        from benchmarks import onnx_work

        result = onnx_work.infer(args)
    else:
        from benchmarks import work

        result = {"train": work.train, "infer": work.infer, "ops": work.operators}[args.what](args)
    project = "onnxruntime" if args.what == "onnx" else "mindspore"
    print(
        json.dumps(
            dict(
                project=project,
                what=args.what,
                height=args.height,
                width=args.width,
                batch=args.batch,
                gts=args.gts,
                threads=args.threads,
                peak_rss_mb=peak_rss_mb(),
                **result,
            )
        )
    )


if __name__ == "__main__":
    main()
