"""What `step_time.py` times: the network with drawn weights, its inputs, and each piece of work."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from benchmarks.inputs import MASK_SIDE, batch_of, paste_all, settings
from benchmarks.timing import summary, timed
from src.config import Config, values_with
from src.engine.inference.detections import detect
from src.engine.inference.loading import compile_inference
from src.engine.runtime import device  # noqa: I001  first: it sets the environment that MindSpore is loaded in
from src.engine.runtime.compile_cache import compile_cell
from src.engine.training.build_step import make_optimizer
from src.maskrcnn.build import build_network
from src.maskrcnn.fpn_neck import upsample_and_add
from src.maskrcnn.ops.nms import NMS
from src.maskrcnn.roi_align import KernelPool
from src.network_define import LossNet, TrainOneStep
from src.weights.torchvision import project_name
from tests.parity.stages import draw_weights


def drawn_network(config: Config, exported: bool = False) -> nn.Cell:
    """The network with the peer's weights, each drawn from its name in torchvision."""
    device.start_device(config.device_target)
    network = build_network(config, "CPU", loads_weights=True, exported=exported)
    draw_weights(network, torchvision_names(config), 1)
    return network


def torchvision_names(config: Config) -> list[str]:
    """The names of torchvision's state_dict of maskrcnn_resnet50_fpn."""
    norm = ("weight", "bias", "running_mean", "running_var")
    both = ("weight", "bias")
    names = ["backbone.body.conv1.weight"] + [f"backbone.body.bn1.{leaf}" for leaf in norm]
    for stage, blocks in enumerate(config.resnet_block, 1):
        for block in range(blocks):
            owner = f"backbone.body.layer{stage}.{block}"
            layers = [("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3")]
            if block == 0:
                layers.append(("downsample.0", "downsample.1"))
            for conv, bn in layers:
                names += [f"{owner}.{conv}.weight"] + [f"{owner}.{bn}.{leaf}" for leaf in norm]
    owners = [f"backbone.fpn.{kind}.{i}.0" for kind in ("inner_blocks", "layer_blocks") for i in range(4)]
    owners += ["rpn.head.conv.0.0", "rpn.head.cls_logits", "rpn.head.bbox_pred"]
    owners += [
        f"roi_heads.{name}"
        for name in ("box_head.fc6", "box_head.fc7", "box_predictor.cls_score", "box_predictor.bbox_pred")
    ]
    owners += [f"roi_heads.mask_head.{i}.0" for i in range(4)]
    owners += [f"roi_heads.mask_predictor.{name}" for name in ("conv5_mask", "mask_fcn_logits")]
    names += [f"{owner}.{leaf}" for owner in owners for leaf in both]
    assert all(project_name(name) for name in names)
    return names


class CountingSampler(nn.Cell):
    """A `RoISampler` that keeps in `counts` the proposals, RoIs and positive RoIs of its last call."""

    def __init__(self, sampler):
        super().__init__(auto_prefix=False)
        self.sampler = sampler
        self.counts = Parameter(Tensor(np.zeros(3, np.float32)), name="counts", requires_grad=False)

    def construct(self, proposals, proposal_valid, gt_boxes, gt_labels, gt_valid, key):
        rois, classes, matched_idxs, roi_valid = self.sampler(
            proposals, proposal_valid, gt_boxes, gt_labels, gt_valid, key
        )
        counts = [flags.astype(ms.float32).sum() for flags in (proposal_valid, roi_valid, classes > 0)]
        rois = ops.depend(rois, ops.assign(self.counts, ops.stack(counts)))
        return rois, classes, matched_idxs, roi_valid

    def positive_slots(self, count):
        return self.sampler.positive_slots(count)


class Compiled(NamedTuple):
    """Compiled work: a function of a batch, a function that draws batch i, the seconds of compiling."""

    call: Callable
    make: Callable
    compile_seconds: float


def training(args: argparse.Namespace) -> tuple[Compiled, CountingSampler]:
    """(a training step, the sampler that counts its RoIs)."""
    config = settings(args)
    network = drawn_network(config)
    sampler = CountingSampler(network.roi_sampler)
    network.roi_sampler = sampler
    network.set_train(True)
    step = TrainOneStep(LossNet(network), make_optimizer(config, network.trainable_params()))
    lr = Tensor(np.float32(1e-4))

    def make(i):
        image, image_meta, gt_boxes, gt_labels = batch_of(i, args, args.gts)
        sample_key = np.arange(args.batch, dtype=np.int32) + i
        gt_valid = np.ones(gt_labels.shape, bool)
        gt_masks = np.full((*gt_labels.shape, MASK_SIDE, MASK_SIDE), 255, np.uint8)
        arrays = (image, image_meta, sample_key, gt_boxes, gt_labels, gt_valid, gt_masks)
        return [Tensor(array) for array in arrays]

    start = time.perf_counter()
    compile_cell(
        step, (lr, *make(0)), device.Device("CPU"), config.compile_cache, values_with(config, "in_graph")
    )
    compile_seconds = time.perf_counter() - start
    return Compiled(lambda batch: step(lr, *batch).asnumpy(), make, compile_seconds), sampler


def train(args: argparse.Namespace) -> dict:
    """The figures of a training step."""
    work, sampler = training(args)
    seconds, figures = timed(work.call, args.repeats, work.make)
    proposals, rois, positive = (int(count) for count in sampler.counts.asnumpy())
    return dict(
        summary(seconds),
        compile_seconds=round(work.compile_seconds, 1),
        proposals=proposals,
        rois=rois,
        positive_rois=positive,
        losses=[round(float(value), 5) for value in figures[:8]],
    )


def inference(args: argparse.Namespace) -> Compiled:
    """Inference from a batch to pasted masks."""
    config = settings(args)
    network = drawn_network(config).set_train(False)

    def make(i):
        image, image_meta, _, _ = batch_of(i, args, 1)
        return dict(image=image, image_meta=image_meta, count=args.batch)

    start = time.perf_counter()
    compile_inference(network, config, device.Device("CPU"), args.batch)
    compile_seconds = time.perf_counter() - start
    return Compiled(lambda batch: paste_all(detect(network, batch), args), make, compile_seconds)


def infer(args: argparse.Namespace) -> dict:
    """The figures of an inference call."""
    work = inference(args)
    seconds, _ = timed(work.call, args.repeats, work.make)
    return dict(summary(seconds), compile_seconds=round(work.compile_seconds, 1))


def operators(args: argparse.Namespace) -> dict:
    """The peer's operators inside compiled graphs: medians in milliseconds under the peer's names."""
    device.start_device(settings(args).device_target)
    rng = np.random.default_rng(0)
    shapes = [(192, 320), (96, 160), (48, 80), (24, 40)]
    features = [Tensor(rng.normal(0, 1, (2, 256, *shape)).astype(np.float32)) for shape in shapes]
    width = rng.uniform(5, 256, 1024)
    height = rng.uniform(5, 154, 1024)
    x = rng.uniform(0, 1024, 1024)
    y = rng.uniform(0, 614, 1024)
    boxes = np.stack([x, y, x + width, y + height], 1).astype(np.float32)
    rois = boxes.reshape(2, 512, 4)
    levels = np.zeros((2, 512), np.int32)  # all on the finest level, as the peer has them
    rois256 = np.stack([boxes[:256], boxes[:256]])
    levels256 = np.stack([np.zeros(256, np.int32), np.full(256, -1, np.int32)])
    boxes2000 = np.tile(boxes, (2, 1))[:2000] + rng.random((2000, 1), np.float32)
    pool7 = KernelPool(7, 2, False, (4, 8, 16, 32), shapes)
    pool14 = KernelPool(14, 2, False, (4, 8, 16, 32), shapes)
    nms = NMS(0.7, kernel=True)

    def pooled_sum(p2, p3, p4, p5, rois, levels):
        return pool7(p2, p3, p4, p5, rois, levels).sum()

    def run_nms(boxes):
        return nms(boxes, ops.ones(boxes.shape[:2], ms.bool_), ops.zeros(boxes.shape[:2], ms.float32))

    milliseconds = {}
    for name, work, inputs in (
        ("roi_align_1024x7x7_fwd", pool7, (*features, rois, levels)),
        ("roi_align_1024x7x7_fwd_bwd", ms.value_and_grad(pooled_sum), (*features, rois, levels)),
        ("roi_align_256x14x14_fwd", pool14, (*features, rois256, levels256)),
        ("nms_2000", ms.jit(run_nms), (boxes2000[None],)),
        ("upsample_2x256x96x160", ms.jit(upsample_and_add), (features[1], features[0])),
    ):
        inputs = [one if isinstance(one, Tensor) else Tensor(one) for one in inputs]
        seconds, _ = timed(lambda _, work=work, inputs=inputs: wait_for(work(*inputs)), args.repeats)
        milliseconds[name] = round(statistics.median(seconds) * 1e3, 2)
    return milliseconds


def wait_for(result):
    """Wait until a result, or the first of a nested one, is there; its copy to NumPy is part of the time."""
    while isinstance(result, (tuple, list)):
        result = result[0]
    return result.asnumpy()
