"""What `step_time.py` times: the network with drawn weights, its inputs, and each piece of work as a function of the command's arguments."""

from __future__ import annotations

import statistics
import time

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from benchmarks.inputs import MASK_SIDE, batch_of, draw_batch, paste_all, settings
from benchmarks.timing import summary, timed
from src.engine.inference.predictor import detect
from src.engine.runtime import device  # noqa: I001  first: it sets the environment that MindSpore is loaded in
from src.engine.runtime.compile_cache import compile_cell
from src.engine.training.optimizer import make_optimizer
from src.maskrcnn.build import build_network
from src.maskrcnn.fpn_neck import upsample_and_add
from src.maskrcnn.ops.nms import NMS
from src.maskrcnn.roi_align import KernelPool
from src.network_define import LossNet, TrainOneStep
from src.weights.torchvision import project_name
from tests.parity_stages import draw_weights


def drawn_network(config, exported=False):
    """The network with the peer's weights: each drawn from its torchvision name."""
    device.start_device(config)
    network = build_network(config, "CPU", loads_weights=True, exported=exported)
    draw_weights(network, torchvision_names(config), 1)
    return network


def torchvision_names(config):
    """The names of torchvision's state_dict of maskrcnn_resnet50_fpn."""
    norm, both = ("weight", "bias", "running_mean", "running_var"), ("weight", "bias")
    names = ["backbone.body.conv1.weight"] + [f"backbone.body.bn1.{leaf}" for leaf in norm]
    for stage, blocks in enumerate(config.resnet_block, 1):
        for block in range(blocks):
            owner = f"backbone.body.layer{stage}.{block}"
            pairs = [("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3")] + (
                [("downsample.0", "downsample.1")] if block == 0 else []
            )
            for conv, bn in pairs:
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


class Counted(nn.Cell):
    """A `RoISampler` that leaves in `counts` (proposals, RoIs, positive RoIs) of its last call."""

    def __init__(self, sampler):
        super().__init__(auto_prefix=False)
        self.sampler = sampler
        self.counts = Parameter(Tensor(np.zeros(3, np.float32)), name="counts", requires_grad=False)

    def construct(self, proposals, proposal_valid, truth, labels, valid, key):
        rois, classes, objects, chosen = self.sampler(proposals, proposal_valid, truth, labels, valid, key)
        found = [flags.astype(ms.float32).sum() for flags in (proposal_valid, chosen, classes > 0)]
        return ops.depend(rois, ops.assign(self.counts, ops.stack(found))), classes, objects, chosen

    def positive_slots(self, count):
        return self.sampler.positive_slots(count)


def training(args):
    """(a step on a batch or on the batch of that number, what draws a batch, the seconds of compiling, the cell that counts RoIs)."""
    config, draw = settings(args), draw_batch()
    network = drawn_network(config)
    network.roi_sampler = counted = Counted(network.roi_sampler)
    network.set_train(True)
    step = TrainOneStep(LossNet(network), make_optimizer(config, network.trainable_params()))
    rate = Tensor(np.float32(1e-4))

    def make(i):
        image, meta, boxes, labels = batch_of(draw, i, args, args.gts)
        masks = np.full((*labels.shape, MASK_SIDE, MASK_SIDE), 255, np.uint8)
        return [
            Tensor(a)
            for a in (
                image,
                meta,
                np.arange(args.batch, dtype=np.int32) + i,
                boxes,
                labels,
                np.ones(labels.shape, bool),
                masks,
            )
        ]

    start = time.perf_counter()
    compile_cell(step, (rate, *make(0)), config, device.Device("CPU"))
    compiled = time.perf_counter() - start

    def call(given):
        return step(rate, *(make(given) if isinstance(given, int) else given)).asnumpy()

    return call, make, compiled, counted


def train(args):
    call, make, compiled, counted = training(args)
    seconds, figures = timed(call, args.repeats, make)
    proposals, rois, positive = (int(count) for count in counted.counts.asnumpy())
    return dict(
        summary(seconds),
        compile_seconds=round(compiled, 1),
        proposals=proposals,
        rois=rois,
        positive_rois=positive,
        losses=[round(float(value), 5) for value in figures[:8]],
    )


def inference(args):
    """(inference on a batch or the batch of that number, to pasted masks; what draws a batch; the seconds of compiling it)."""
    config, draw = settings(args), draw_batch()
    network = drawn_network(config).set_train(False)

    def make(i):
        image, meta, _, _ = batch_of(draw, i, args, 1)
        return dict(image=image, image_meta=meta, count=args.batch)

    start, first = time.perf_counter(), make(0)
    compile_cell(network, (Tensor(first["image"]), Tensor(first["image_meta"])), config, device.Device("CPU"))
    compiled = time.perf_counter() - start

    def call(given):
        return paste_all(detect(network, make(given) if isinstance(given, int) else given), args)

    return call, make, compiled


def infer(args):
    call, make, compiled = inference(args)
    seconds, _ = timed(call, args.repeats, make)
    return dict(summary(seconds), compile_seconds=round(compiled, 1))


def operators(args):
    """The operators the peer times, inside compiled graphs: medians in milliseconds under the peer's names."""
    device.start_device(settings(args))
    rng = np.random.default_rng(0)
    shapes = [(192, 320), (96, 160), (48, 80), (24, 40)]
    maps = [Tensor(rng.normal(0, 1, (2, 256, *shape)).astype(np.float32)) for shape in shapes]
    width, height = rng.uniform(5, 256, 1024), rng.uniform(5, 154, 1024)
    x, y = rng.uniform(0, 1024, 1024), rng.uniform(0, 614, 1024)
    boxes = np.stack([x, y, x + width, y + height], 1).astype(np.float32)
    rois, finest = (
        boxes.reshape(2, 512, 4),
        np.zeros((2, 512), np.int32),
    )  # all on the finest level, as the peer has them
    few, few_levels = (
        np.stack([boxes[:256], boxes[:256]]),
        np.stack([np.zeros(256, np.int32), np.full(256, -1, np.int32)]),
    )
    many = np.tile(boxes, (2, 1))[:2000] + rng.random((2000, 1), np.float32)
    pool7, pool14 = (
        KernelPool(7, 2, False, (4, 8, 16, 32), shapes),
        KernelPool(14, 2, False, (4, 8, 16, 32), shapes),
    )
    suppress = NMS(0.7, kernel=True)

    def pooled_sum(p2, p3, p4, p5, rois, levels):
        return pool7(p2, p3, p4, p5, rois, levels).sum()

    total = ms.value_and_grad(pooled_sum)

    def run_nms(found):
        return suppress(found, ops.ones(found.shape[:2], ms.bool_))

    coarse, fine = maps[1], maps[0]
    row = {}
    for name, work, given in (
        ("roi_align_1024x7x7_fwd", pool7, (*maps, rois, finest)),
        ("roi_align_1024x7x7_fwd_bwd", total, (*maps, rois, finest)),
        ("roi_align_256x14x14_fwd", pool14, (*maps, few, few_levels)),
        ("nms_2000", ms.jit(run_nms), (many[None],)),
        ("upsample_2x256x96x160", ms.jit(upsample_and_add), (coarse, fine)),
    ):
        given = [one if isinstance(one, Tensor) else Tensor(one) for one in given]
        seconds, _ = timed(lambda _, work=work, given=given: settle(work(*given)), args.repeats)
        row[name] = round(statistics.median(seconds) * 1e3, 2)
    return row


def settle(answer):
    """Wait until an answer, or the first of a nested one, is there; its copy to NumPy is part of the time."""
    while isinstance(answer, (tuple, list)):
        answer = answer[0]
    return answer.asnumpy()
