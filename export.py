"""Export a checkpoint's inference network as one file: MINDIR or ONNX anywhere, AIR on a machine with Ascend.

    python export.py checkpoint_path=train/checkpoint/mask_rcnn-12_58633.ckpt --out mask_rcnn.mindir
    python export.py checkpoint_path=FILE.ckpt --file-format ONNX coco_root=/data/cats --prove
    python export.py checkpoint_path=FILE.ckpt --file-format ONNX_INT8 coco_root=/data/cats --prove
    python export.py checkpoint_path=FILE.ckpt --file-format ONNX photos/ --prove --pictures 50
    python export.py --show mask_rcnn.onnx

ONNX_FLOAT16 has its weights in float16, half the size. ONNX_INT8 computes convolutions and matrix products in
8 bits, for CPUs with VNNI; training pictures calibrate it, or those that are named.

--prove evaluates the checkpoint and the file on the validation split, or compares them on the pictures that
are named, prints AP, time and memory of both, and stores them in the file and in OUT.proof.json. A file whose
AP is lower by more than --ap-limit is not kept (exit code 2).

A suffix of --out that is no format's is part of the name: net_v1.5 gives net_v1.5.mindir.

The file takes image uint8 [batch, height, width, 3] (RGB, resized into the canvas) and image_meta
float32 [batch, 6].
"""

from src.engine.entry import run_main
from src.interpreter import INFERENCE_MODULES

OPTIONS = (
    (
        "--file-format",
        {
            "choices": ("MINDIR", "ONNX", "ONNX_FLOAT16", "ONNX_INT8", "AIR"),
            "type": str.upper,
            "help": "default: MINDIR",
        },
    ),
    ("--out", {"metavar": "FILE", "help": "file to write (default: mask_rcnn.mindir)"}),
    (
        "--batch",
        {"metavar": "N", "type": int, "help": "pictures a call (default: 1); an ONNX file takes any number"},
    ),
    (
        "--picture",
        {
            "metavar": "FILE",
            "help": "picture to check a MINDIR or ONNX file with (default: validation pictures where the "
            "data is named, else a drawn one)",
        },
    ),
    ("--prove", {"action": "store_true", "help": "evaluate the checkpoint and the file; see above"}),
    ("--pictures", {"metavar": "N", "type": int, "help": "prove with at most N pictures (default: all)"}),
    (
        "--ap-limit",
        {"metavar": "AP", "type": float, "help": "how much lower the file's AP may be (default: 0.01)"},
    ),
    (
        "--calibration",
        {
            "metavar": "N",
            "type": int,
            "help": "pictures that an ONNX_INT8 file is calibrated with (default: 32)",
        },
    ),
    ("--show", {"metavar": "FILE", "help": "print what an exported file holds, and its proof, and end"}),
)


def main() -> None:
    from src.engine.command import parse
    from src.engine.proof.options import complete_options

    config, args = parse(__doc__, options=OPTIONS, takes_files=True)
    complete_options(args)
    if args.show is not None:
        from src.engine.proof.stored import show

        show(args.show)
        return
    from src.engine.inference.opening import require_mindspore

    require_mindspore(config)
    from src.engine.exporter import ExportSettings, export
    from src.engine.proof.proof import ProofSettings

    proof = ProofSettings(args.pictures, args.ap_limit) if args.prove else None

    export(
        config,
        ExportSettings(
            args.file_format, args.out, args.batch, args.picture, args.calibration, tuple(args.files), proof
        ),
    )


if __name__ == "__main__":
    run_main(main, INFERENCE_MODULES)
