"""Draw what a checkpoint finds in pictures.

    python predict.py checkpoint_path=FILE.ckpt picture1.jpg picture2.png --out predictions
    python predict.py checkpoint_path=FILE.ckpt --threshold 0.3 -- -picture.jpg frame_t=0.5.jpg

A word that names an existing file is a picture, also with "=" in it. After -- no word is an option.

A picture NAME.jpg is drawn to OUT/NAME.png. Where another picture of the command, or a picture that is read,
has this name already, to NAME_2.png, NAME_3.png ... in the order of the command; each line "wrote FILE" then
names the picture too. A picture that is given twice is drawn once. Drawings are at most 4096 pixels wide and
high.
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
