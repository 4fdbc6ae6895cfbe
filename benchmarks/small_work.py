"""The network of configs/demo.yaml for `step_time.py`: a training step, and inference to pasted masks.

The inputs are those of benchmarks/peer/peer_small.py. Weights are drawn as for a training from scratch.
"""

from __future__ import annotations

import argparse
import time

import mindspore as ms
import numpy as np
from mindspore import Tensor

from benchmarks.inputs import paste_all
from benchmarks.peer.drawn import draw_small_batch
from benchmarks.timing import ROOT, summary, timed
from src.config import Config, load_config, values_with
from src.engine.inference.detections import detect
from src.engine.inference.loading import compile_inference
from src.engine.runtime import device  # noqa: I001  first: it sets the environment that MindSpore is loaded in
from src.engine.runtime.compile_cache import compile_cell
from src.engine.training.build_step import make_step
from src.maskrcnn.build import build_network

CLASSES = "coco_classes=[background,a,b,c,d]"
NUM_GTS = 6  # objects a picture
# The numbers of RoIs, proposals and detections of benchmarks/peer/peer_small.py.
SAME_WORK = [
    "num_expected_pos_stage2=24",
    "num_expected_neg_stage2=72",
    "num_expected_total_stage2=72",
    "rpn_max_num=200",
    "test_nms_pre=500",
    "test_max_per_img=100",
]
WARM_UP = 5  # calls that are not counted, as of the peer


def small_settings(args: argparse.Namespace) -> Config:
    """The demo's settings; the arguments that are printed are set to its sizes."""
    words = [CLASSES, "device_target=CPU", "compile_cache=off", *SAME_WORK, *args.words]
    config = load_config(words, ROOT / "configs" / "demo.yaml")
    args.height = config.img_height
    args.width = config.img_width
    args.batch = config.batch_size
    args.gts = NUM_GTS
    return config


def inputs_of(seed: int, config: Config) -> dict:
    """A batch by the names of the training step's inputs, its objects in the first slots."""
    images, boxes, labels, _ = draw_small_batch(seed, config.batch_size, config.img_height, NUM_GTS)
    batch, count = labels.shape
    slots = config.max_instance_count
    side = config.img_height
    gt_boxes = np.zeros((batch, slots, 4), np.float32)
    gt_labels = np.zeros((batch, slots), np.int32)
    gt_boxes[:, :count] = boxes
    gt_labels[:, :count] = labels
    meta = np.array([side, side, 1, 1, side, side], np.float32)
    return dict(
        image=np.ascontiguousarray(images.transpose(0, 2, 3, 1)) * np.float32(255),
        image_meta=np.tile(meta, (batch, 1)),
        sample_key=np.arange(batch, dtype=np.int32) + seed,
        gt_boxes=gt_boxes,
        gt_labels=gt_labels,
        gt_valid=np.tile(np.arange(slots) < count, (batch, 1)),
        gt_masks=np.full((batch, slots, config.gt_mask_size, config.gt_mask_size), 255, np.uint8),
    )


def train(args: argparse.Namespace) -> dict:
    """The figures of a training step with the demo's clipping and optimiser."""
    config = small_settings(args)
    device.start_device(config.device_target)
    ms.set_seed(config.seed)
    network = build_network(config, "CPU", loads_weights=False).set_train(True)
    step = make_step(config, network)
    rate = Tensor(np.float32(config.base_lr))

    def make(i):
        return [rate, *(Tensor(array) for array in inputs_of(i, config).values())]

    start = time.perf_counter()
    compile_cell(step, make(0), device.Device("CPU"), config.compile_cache, values_with(config, "in_graph"))
    compile_seconds = time.perf_counter() - start
    seconds, _ = timed(lambda batch: step(*batch).asnumpy(), args.repeats, make, WARM_UP)
    parameters = sum(parameter.size for parameter in network.trainable_params())
    return dict(summary(seconds, 4), compile_seconds=round(compile_seconds, 1), parameters=parameters)


def infer(args: argparse.Namespace) -> dict:
    """The figures of an inference call, to masks pasted at the picture's size."""
    config = small_settings(args)
    device.start_device(config.device_target)
    ms.set_seed(config.seed)
    network = build_network(config, "CPU", loads_weights=False).set_train(False)

    def make(i):
        inputs = inputs_of(i, config)
        return dict(image=inputs["image"], image_meta=inputs["image_meta"], count=args.batch)

    start = time.perf_counter()
    compile_inference(network, config, device.Device("CPU"), args.batch)
    compile_seconds = time.perf_counter() - start
    seconds, masks = timed(lambda batch: paste_all(detect(network, batch), args), args.repeats, make, WARM_UP)
    return dict(
        summary(seconds, 4), compile_seconds=round(compile_seconds, 1), detections=sum(map(len, masks))
    )
