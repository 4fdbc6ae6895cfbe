"""Evaluate a checkpoint: COCO's bbox and segm tables, metrics.json, results_bbox.json and results_segm.json.

python eval.py checkpoint_path=train/checkpoint/mask_rcnn-12_58633.ckpt coco_root=/data/coco
python eval.py checkpoint_path=FILE.ckpt ann_file=/data/coco/annotations/instances_val2017.json
python eval.py results=FILE.json ann_file=/data/coco/annotations/instances_val2017.json eval_details=True
python eval.py checkpoint_path=FILE.ckpt coco_root=/data/coco --tta flip,scales --tiles 1024
"""

from src.engine.entry import run_main
from src.interpreter import INFERENCE_MODULES


def main() -> None:
    from src.engine.command import VIEW_OPTIONS, parse

    config, args = parse(__doc__, work_dir="eval", options=VIEW_OPTIONS)
    from src.engine.evaluator import evaluate

    evaluate(config, args.work_dir)


if __name__ == "__main__":
    run_main(main, INFERENCE_MODULES)
