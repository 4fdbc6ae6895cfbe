"""What `step_time.py` times: the network with drawn weights, its inputs, and each piece of work as a function of the command's arguments."""
from __future__ import annotations

import importlib.util
import time

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from benchmarks.step_time import ROOT, summary, timed
from src.config import load_config
from src.data.masks import paste_mask
from src.engine import device  # noqa: I001  first: it sets the environment that MindSpore is loaded in
from src.engine.optimizer import make_optimizer
from src.engine.predictor import detect
from src.maskrcnn.build import build_network
from src.network_define import LossNet, TrainOneStep
from src.weights.torchvision import project_name
from tests.parity import draw_weights, drawing_functions, shared_folder

MASK_SIDE = 28              # the drawn objects are filled boxes: their masks in their own frames are full at any size


def settings(args):
    """configs/torchvision.yaml for drawn pictures of 0 to 1, stem and first stage fixed, and the command's own words."""
    words = [f"img_height={args.height}", f"img_width={args.width}", f"max_instance_count={max(args.gts, 1)}", f"batch_size={args.batch}",
             "freeze_at=2", "device_target=CPU", f"gt_mask_size={MASK_SIDE}", "momentum=0.9", "weight_decay=1e-4", *args.words]
    return load_config(words, ROOT / "configs" / "torchvision.yaml")


def drawn_network(config, exported=False):
    """The network with the peer's weights: each drawn from its torchvision name."""
    device.start_device(config)
    network = build_network(config, "CPU", loads_weights=True, exported=exported)
    draw_weights(network, torchvision_names(config), 1, drawing_functions().draw_parameter)
    return network


def torchvision_names(config):
    """The names of torchvision's state_dict of maskrcnn_resnet50_fpn."""
    norm, both = ("weight", "bias", "running_mean", "running_var"), ("weight", "bias")
    names = ["backbone.body.conv1.weight"] + [f"backbone.body.bn1.{leaf}" for leaf in norm]
    for stage, blocks in enumerate(config.resnet_block, 1):
        for block in range(blocks):
            owner = f"backbone.body.layer{stage}.{block}"
            pairs = [("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3")] + ([("downsample.0", "downsample.1")] if block == 0 else [])
            for conv, bn in pairs:
                names += [f"{owner}.{conv}.weight"] + [f"{owner}.{bn}.{leaf}" for leaf in norm]
    owners = [f"backbone.fpn.{kind}.{i}.0" for kind in ("inner_blocks", "layer_blocks") for i in range(4)]
    owners += ["rpn.head.conv.0.0", "rpn.head.cls_logits", "rpn.head.bbox_pred"]
    owners += [f"roi_heads.{name}" for name in ("box_head.fc6", "box_head.fc7", "box_predictor.cls_score", "box_predictor.bbox_pred")]
    owners += [f"roi_heads.mask_head.{i}.0" for i in range(4)]
    owners += [f"roi_heads.mask_predictor.{name}" for name in ("conv5_mask", "mask_fcn_logits")]
    names += [f"{owner}.{leaf}" for owner in owners for leaf in both]
    assert all(project_name(name) for name in names)
    return names


def draw_batch():
    path = shared_folder() / "bench" / "drawn.py"
    spec = importlib.util.spec_from_file_location("drawn", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.draw_batch


def batch_of(draw, seed, args, num_gts):
    """(image float32 [B, H, W, 3] of 0 to 255, image_meta, boxes, labels) as NumPy arrays."""
    images, boxes, labels, _ = draw(seed, args.batch, args.height, args.width, num_gts)
    meta = np.tile(np.array([args.height, args.width, 1, 1, args.height, args.width], np.float32), (args.batch, 1))
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1)) * np.float32(255), meta, boxes, labels.astype(np.int32)


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


def train(args):
    config, draw = settings(args), draw_batch()
    network = drawn_network(config)
    network.roi_sampler = counted = Counted(network.roi_sampler)
    network.set_train(True)
    step = TrainOneStep(LossNet(network), make_optimizer(config, network.trainable_params()))
    rate = Tensor(np.float32(1e-4))

    def make(i):
        image, meta, boxes, labels = batch_of(draw, i, args, args.gts)
        masks = np.full((*labels.shape, MASK_SIDE, MASK_SIDE), 255, np.uint8)
        return [Tensor(a) for a in (image, meta, np.arange(args.batch, dtype=np.int32) + i, boxes, labels, np.ones(labels.shape, bool), masks)]
    start = time.perf_counter()
    step.compile(rate, *make(0))
    compiled = time.perf_counter() - start
    seconds, figures = timed(lambda given: step(rate, *given).asnumpy(), args.repeats, make)
    proposals, rois, positive = (int(count) for count in counted.counts.asnumpy())
    return dict(summary(seconds), compile_seconds=round(compiled, 1), proposals=proposals, rois=rois, positive_rois=positive,
                losses=[round(float(value), 5) for value in figures])


def paste_all(found, args):
    """Masks uint8 [100, H, W] of each picture; every one has its 100 detections, so the mask branch has its full work."""
    counts = [len(one["boxes"]) for one in found]
    assert counts == [100] * args.batch, counts
    return [np.stack([paste_mask(mask, box, args.height, args.width) for mask, box in zip(one["masks"], one["boxes"])]) for one in found]


def infer(args):
    config, draw = settings(args), draw_batch()
    network = drawn_network(config).set_train(False)

    def make(i):
        image, meta, _, _ = batch_of(draw, i, args, 1)
        return dict(image=image, image_meta=meta, count=args.batch)
    start, first = time.perf_counter(), make(0)
    network.compile(Tensor(first["image"]), Tensor(first["image_meta"]))
    compiled = time.perf_counter() - start
    seconds, _ = timed(lambda given: paste_all(detect(network, given), args), args.repeats, make)
    return dict(summary(seconds), compile_seconds=round(compiled, 1))
