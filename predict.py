"""Draw what a network finds in pictures and videos, and write it as JSON, CSV, cut-outs or labels.

    python predict.py checkpoint_path=FILE.ckpt picture1.jpg picture2.png --out predictions
    python predict.py checkpoint_path=FILE.onnx photos/ 'more/**/*.jpg' film.mp4 --json rle --csv
    python predict.py checkpoint_path=FILE.ckpt aerial.tif --tiles 1024 --overlap .2 --tta flip
    python predict.py checkpoint_path=FILE.ckpt --threshold 0.3 -- -picture.jpg frame_t=0.5.jpg

A word that names an existing file is a picture, also with "=" in it. After -- no word is an option. A folder
stands for all pictures and videos below it, a pattern (with *, ? or **) for those that match.

A picture NAME.jpg is drawn to OUT/NAME.png. Where another picture of the command, or a picture that is read,
has this name already, to NAME_2.png, NAME_3.png ... in the order of the command; each line "wrote FILE" then
names the picture too. A picture that is given twice is drawn once. Drawings are at most 4096 pixels wide and
high. A video NAME.mov is drawn to OUT/NAME.mp4.

A file that cannot be read is named and left out, and of a video that breaks off the frames before are taken;
the exit code is then 1.
"""

from src.engine.entry import run_main
from src.interpreter import INFERENCE_MODULES

OPTIONS = (
    (
        "--out",
        {
            "metavar": "DIR",
            "default": "predictions",
            "help": "folder for all that is written (default: predictions)",
        },
    ),
    (
        "--threshold",
        {
            "metavar": "SCORE",
            "type": float,
            "default": 0.5,
            "help": "lowest score that is drawn and written (default: 0.5)",
        },
    ),
    (
        "--json",
        {
            "choices": ("rle", "polygons"),
            "help": "write OUT/results.json, COCO results with masks in this form; of a video "
            "OUT/NAME_frames.json",
        },
    ),
    ("--csv", {"action": "store_true", "help": "write OUT/detections.csv, a line an object"}),
    ("--crops", {"action": "store_true", "help": "cut each object out: OUT/crops/NAME/NUMBER_CLASS.png"}),
    ("--labelme", {"action": "store_true", "help": "write OUT/labelme/NAME.json, which LabelMe opens"}),
    ("--coco", {"action": "store_true", "help": "write OUT/coco.json, which labelling tools import"}),
    (
        "--cvat",
        {
            "action": "store_const",
            "const": "polygons",
            "help": "write OUT/cvat.xml, CVAT for images 1.1, with polygons",
        },
    ),
    (
        "--cvat-masks",
        {
            "action": "store_const",
            "const": "masks",
            "dest": "cvat",
            "help": "write OUT/cvat.xml with masks instead",
        },
    ),
    (
        "--tolerance",
        {
            "metavar": "PIXELS",
            "type": float,
            "default": 1.0,
            "help": "how far outlines for labelling tools may lie off, for fewer points (default: 1)",
        },
    ),
    ("--overwrite", {"action": "store_true", "help": "replace labels for labelling tools that are there"}),
    ("--no-drawings", {"action": "store_true", "help": "draw nothing"}),
)


def main() -> int:
    from src.engine.command import VIEW_OPTIONS, parse

    config, args = parse(__doc__, takes_files=True, options=(*OPTIONS, *VIEW_OPTIONS))
    from src.engine.predict_files import predict_files
    from src.engine.prediction.outputs import PredictionSettings

    settings = PredictionSettings(
        out=args.out,
        threshold=args.threshold,
        drawings=not args.no_drawings,
        json=args.json,
        csv=args.csv,
        crops=args.crops,
        labelme=args.labelme,
        coco=args.coco,
        cvat=args.cvat,
        tolerance=args.tolerance,
        overwrite=args.overwrite,
    )
    return predict_files(config, args.files, settings)


if __name__ == "__main__":
    run_main(main, INFERENCE_MODULES)
