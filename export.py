"""Export a checkpoint's inference network as one file: MINDIR or ONNX anywhere, AIR on a machine with Ascend.

    python export.py checkpoint_path=train/checkpoint/mask_rcnn-12_58633.ckpt --out mask_rcnn.mindir
    python export.py checkpoint_path=FILE.ckpt --file-format ONNX

A suffix of --out that is no format's is part of the name: net_v1.5 gives net_v1.5.mindir.

The file takes image uint8 [batch, height, width, 3] (RGB, resized into the canvas) and image_meta
float32 [batch, 6].
"""

from src.engine.entry import run_main

OPTIONS = (
    (
        "--file-format",
        {
            "choices": ("MINDIR", "ONNX", "AIR"),
            "default": "MINDIR",
            "type": str.upper,
            "help": "default: MINDIR",
        },
    ),
    (
        "--out",
        {"metavar": "FILE", "default": "mask_rcnn", "help": "file to write (default: mask_rcnn.mindir)"},
    ),
    (
        "--batch",
        {
            "metavar": "N",
            "type": int,
            "default": 1,
            "help": "pictures a call (default: 1); an ONNX file takes any number",
        },
    ),
    ("--picture", {"metavar": "FILE", "help": "picture to check the file with (default: a drawn one)"}),
)


def main() -> None:
    from src.engine.command import parse

    config, args = parse(__doc__, options=OPTIONS)
    from src.engine.exporter import export

    export(config, args.file_format, args.out, args.batch, args.picture)


if __name__ == "__main__":
    run_main(main)
