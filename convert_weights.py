"""Turn other projects' weights into a checkpoint of this one, and a checkpoint into torchvision's.

    python convert_weights.py maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth coco.ckpt
    python convert_weights.py resnet50.safetensors resnet50.ckpt
    python convert_weights.py model_final_f10217.pkl coco.ckpt --from detectron2
    python convert_weights.py mine.pth mine.ckpt coco_classes="[background, cat, dog]"
    python convert_weights.py train/checkpoint/mask_rcnn-12_58633.ckpt mine.safetensors --to torchvision

Reads .pth and .pt (where PyTorch is installed), .safetensors, .ckpt, and detectron2's .pkl. No code in a file
is run.

Whole models of torchvision, detectron2 and mmdetection; ResNet-50 backbones of torchvision, detectron2,
MindCV and MindSpore's model zoo. KEY=VALUE words replace the settings that the file or its project has.
"""

from src.engine.command import parse
from src.engine.entry import run_main
from src.weights.schemes import SCHEMES

OPTIONS = (
    ("source", {"metavar": "SOURCE", "help": "the weights file to read"}),
    (
        "out",
        {
            "metavar": "OUT",
            "help": "the file to write: .ckpt; with --to torchvision .safetensors, .pth, or no suffix: both",
        },
    ),
    (
        "--from",
        {
            "dest": "scheme",
            "choices": ("auto", *SCHEMES),
            "default": "auto",
            "help": "whose names SOURCE has (default: auto, recognised)",
        },
    ),
    (
        "--to",
        {
            "dest": "target",
            "choices": ("mindspore", "torchvision"),
            "default": "mindspore",
            "help": "what to write (default: mindspore)",
        },
    ),
)


def main() -> None:
    config, args = parse(__doc__, options=OPTIONS)
    from src.engine.weight_converter import convert

    convert(config, args.source, args.out, args.scheme, args.target)


if __name__ == "__main__":
    run_main(main)
