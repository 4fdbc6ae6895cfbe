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

from src.engine.entry import run_main


def options(schemes):
    """The arguments of the command. They name the schemes, so they are made when these can be imported."""
    return (
        ("source", {"metavar": "SOURCE", "help": "the weights file to read"}),
        (
            "out",
            {
                "metavar": "OUT",
                "help": "file to write: .ckpt; with --to torchvision .safetensors, .pth, or no suffix: both",
            },
        ),
        (
            "--from",
            {
                "dest": "scheme",
                "choices": ("auto", *schemes),
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
    from src.engine.command import parse
    from src.weights.schemes import SCHEMES

    config, args = parse(__doc__, options=options(SCHEMES))
    from src.engine.weight_converter import convert

    convert(config, args.source, args.out, args.scheme, args.target)


if __name__ == "__main__":
    run_main(main)
