"""Draw what a checkpoint finds in pictures.

python predict.py checkpoint_path=FILE.ckpt picture1.jpg picture2.png --out predictions
"""

from src.engine.entry import run_main

OPTIONS = (
    (
        "--out",
        {
            "metavar": "DIR",
            "default": "predictions",
            "help": "folder for the drawn pictures (default: predictions)",
        },
    ),
    (
        "--threshold",
        {
            "metavar": "SCORE",
            "type": float,
            "default": 0.5,
            "help": "lowest score that is drawn (default: 0.5)",
        },
    ),
)


def main() -> None:
    from src.engine.command import parse

    config, args = parse(__doc__, takes_files=True, options=OPTIONS)
    from src.engine.predict_files import predict_files

    predict_files(config, args.files, args.out, args.threshold)


if __name__ == "__main__":
    run_main(main)
