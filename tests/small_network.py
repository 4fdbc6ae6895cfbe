"""A network and a batch small enough to compile in seconds; compiled graphs are kept for the session.

The network has every part of the default one: four stages, five levels, both heads, and three classes with
the background.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Sequence

import mindspore as ms
import numpy as np
from mindspore import ParameterTuple, Tensor, nn

from src.config import Config, load_config
from src.maskrcnn.build import build_network
from src.network_define import LossNet

SIDE = 128  # of the canvas
OBJECTS = 8  # slots for ground truth of a picture
MASK_SIDE = 28
WORDS = (
    f"img_height={SIDE}",
    f"img_width={SIDE}",
    "resnet_block=[1, 1, 1, 1]",
    "resnet_in_channels=[8, 32, 64, 64]",
    "resnet_out_channels=[32, 64, 64, 64]",
    "fpn_out_channels=32",
    "rpn_feat_channels=32",
    "rcnn_fc_out_channels=64",
    "rcnn_mask_out_channels=16",
    f"max_instance_count={OBJECTS}",
    f"gt_mask_size={MASK_SIDE}",
    "norm=gn",
    "coco_classes=[background, square, disc, star]",
    "rpn_proposal_nms_pre=200",
    "rpn_proposal_nms_post=200",
    "rpn_proposal_max_num=200",
    "rpn_nms_pre=100",
    "rpn_nms_post=100",
    "rpn_max_num=100",
    "num_expected_pos=32",
    "num_expected_neg=64",
    "num_expected_pos_stage2=16",
    "num_expected_neg_stage2=48",
    "num_expected_total_stage2=48",
    "test_nms_pre=200",
    "test_max_per_img=20",
    "roi_align_finest_scale=10",
)
# The forms of a network on the CPU and on Ascend. The box head's convolution has a group norm over rows whose
# number depends on the data.
CPU_FORM = ("rcnn_num_convs=1", "rcnn_conv_out_channels=16", "fpn_norm=gn")
ASCEND_FORM = (*CPU_FORM, "shapes=static", "cpu_kernels=off")
BATCH_NAMES = ("image", "image_meta", "sample_key", "gt_boxes", "gt_labels", "gt_valid", "gt_masks")
FIGURES = (
    "rpn_loss",
    "rcnn_loss",
    "rpn_cls_loss",
    "rpn_reg_loss",
    "rcnn_cls_loss",
    "rcnn_reg_loss",
    "rcnn_mask_loss",
    "total_loss",
)


def small_config(*words: str) -> Config:
    return load_config([*WORDS, *words])


def draw_weights(network: nn.Cell) -> nn.Cell:
    """Set weights as large as a trained network's, each drawn from its name.

    Networks of different settings get the same values where they have the same parameters.
    """
    for name, parameter in network.parameters_and_names():
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        if name.endswith((".gamma", "moving_variance")):
            value = rng.uniform(0.8, 1.2, parameter.shape)
        elif len(parameter.shape) == 1:
            value = rng.normal(0, 0.05, parameter.shape)
        else:
            gain = 0.3 if name.startswith(("rpn.reg", "box_head.reg", "rpn.cls")) else 1.0
            fan_in = (
                parameter.shape[0] if name == "mask_head.up_weight" else int(np.prod(parameter.shape[1:]))
            )
            value = rng.normal(0, gain * np.sqrt(2.0 / fan_in), parameter.shape)
        parameter.set_data(Tensor(value.astype(np.float32)))
    return network


@functools.lru_cache(maxsize=None)
def small_network(*words: str) -> nn.Cell:
    """A network with drawn weights. `words` change the small configuration."""
    return draw_weights(build_network(small_config(*words)))


def small_batch(
    seed: int = 0, objects: Sequence[int] = (3, 5), key: Sequence[int] = (11, 12)
) -> dict[str, np.ndarray]:
    """{name: array} of a training batch of drawn ellipses, `objects` in each picture."""
    rng = np.random.default_rng(seed)
    count = len(objects)
    batch = {
        "image": rng.integers(0, 60, (count, SIDE, SIDE, 3), dtype=np.uint8),
        "image_meta": np.tile(np.array([SIDE, SIDE, 1, 1, SIDE, SIDE], np.float32), (count, 1)),
        "sample_key": np.array(key, np.int32),
        "gt_boxes": np.zeros((count, OBJECTS, 4), np.float32),
        "gt_labels": np.zeros((count, OBJECTS), np.int32),
        "gt_valid": np.zeros((count, OBJECTS), bool),
        "gt_masks": np.zeros((count, OBJECTS, MASK_SIDE, MASK_SIDE), np.uint8),
    }
    yy, xx = (np.mgrid[0:MASK_SIDE, 0:MASK_SIDE] + 0.5) / MASK_SIDE * 2 - 1
    for n, num_objects in enumerate(objects):
        for g in range(num_objects):
            sides = rng.uniform(20, 80, 2)
            corner = rng.uniform(0, 1, 2) * (SIDE - sides)
            batch["gt_boxes"][n, g] = (*corner, *(corner + sides))
            batch["gt_labels"][n, g] = rng.integers(1, 4)
            batch["gt_valid"][n, g] = True
            batch["gt_masks"][n, g] = 255 * (xx**2 + yy**2 <= 1)
            x1, y1, x2, y2 = batch["gt_boxes"][n, g].astype(int)
            batch["image"][n, y1:y2, x1:x2] = rng.integers(80, 256, 3)
    return batch


class GradientStep(nn.Cell):
    """(figures float32 [8], gradients) of a batch: what a training step computes before its update."""

    def __init__(self, network):
        super().__init__(auto_prefix=False)
        self.loss_net = LossNet(network)
        self.weights = ParameterTuple(network.trainable_params())
        self.value_and_gradients = ms.value_and_grad(self.loss_net, None, self.weights, has_aux=True)

    def construct(self, *batch):
        (_, figures), gradients = self.value_and_gradients(*batch)
        return figures, gradients


@functools.lru_cache(maxsize=None)
def gradient_step(*words: str) -> Callable:
    """A compiled function of a batch that returns ({figure: value}, {parameter: gradient})."""
    network = small_network(*words).set_train(True)
    step = GradientStep(network)

    def run(batch):
        figures, gradients = step(*(Tensor(batch[name]) for name in BATCH_NAMES))
        return (
            dict(zip(FIGURES, figures.asnumpy().tolist())),
            {weight.name: gradient.asnumpy() for weight, gradient in zip(step.weights, gradients)},
        )

    return run


def initial_weights(*words: str) -> dict[str, np.ndarray]:
    """{name: array} that a freshly built small network starts from."""
    network = build_network(small_config(*words))
    network.init_parameters_data()
    return {name: parameter.asnumpy() for name, parameter in network.parameters_and_names()}
