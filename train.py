r"""Train Mask R-CNN.

    python train.py coco_root=/data/coco pre_trained=resnet50.ckpt
    python train.py --config configs/nuclei.yaml coco_root=/data/nuclei
    python train.py dataset=other IMAGE_DIR=/data/pictures ANNO_PATH=/data/boxes.txt \
        coco_classes="[background, cat, dog]"

Writes loss_{rank}.log and checkpoint/mask_rcnn-{epoch}_{step}.ckpt into the work folder. `{rank}` in the
folder's name is replaced by the number of this process.
"""

from src.engine.entry import run_main


def main() -> None:
    from src.engine.command import parse

    config, args = parse(__doc__, work_dir="train")
    # MindSpore takes seconds to load; a wrong setting is reported before.
    from src.engine.trainer import train

    checkpoint = train(config, args.work_dir)
    if checkpoint is not None:
        print(f"trained; the last checkpoint is {checkpoint}", flush=True)


if __name__ == "__main__":
    run_main(main)
