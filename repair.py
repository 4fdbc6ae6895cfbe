"""Repair labels: look at each suspected mistake of the annotations on one local page, and decide.

python repair.py eval
python repair.py RUN --port 9000 --out /data/cats/annotations/instances_val.corrected.json
python repair.py RUN --write
python repair.py RUN ann_file=/data/cats/annotations/instances_val.json coco_root=/data/cats val_data_type=val

RUN is the folder of an evaluation, or of a training with eval_interval. What is accepted goes to a corrected
file beside the annotations (NAME.repaired.json), every decision to its log (NAME.repaired.json.log.jsonl).
The annotations themselves stay as they are. The command goes on where it was stopped. It needs the packages
starlette and uvicorn of the extra `serve`.
"""

from src.engine.entry import run_main
from src.interpreter import INFERENCE_MODULES

OPTIONS = (
    (
        "--host",
        {"metavar": "ADDRESS", "default": "127.0.0.1", "help": "default: 127.0.0.1, this machine alone"},
    ),
    ("--port", {"metavar": "N", "type": int, "default": 8001, "help": "default: 8001; 0: any free one"}),
    (
        "--out",
        {"metavar": "FILE", "help": "the corrected file (default: NAME.repaired.json beside NAME.json)"},
    ),
    (
        "--write",
        {"action": "store_true", "help": "write the corrected file of the stored decisions, and end"},
    ),
)


def main() -> int:
    from src.engine.command import parse
    from src.repair.command import repair
    from src.web.settings import ServingSettings

    config, args = parse(__doc__, takes_files=True, options=OPTIONS)
    return repair(config, args.files, args.out, ServingSettings(host=args.host, port=args.port), args.write)


if __name__ == "__main__":
    run_main(main, INFERENCE_MODULES)
