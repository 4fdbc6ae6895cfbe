"""The stages of Mask R-CNN as this project computes them, under the names that a reference file has for them.

Each stage is fed the reference's own input where the file has it, and this project's otherwise.
tests/reference/README.md says what each name holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from src.config import load_config
from src.errors import UserError
from src.maskrcnn.build import build_network
from src.network_define import LossNet
from src.weights.loading import load_network
from src.weights.torchvision import from_torchvision, project_name
from tests.parity.table import LEVELS, LOSSES, gradient_errors, gradient_holds, gradient_names
from tests.reference.make_parity import draw_parameter

ROOT = Path(__file__).resolve().parents[2]
TAKE_ALL = 10**7  # more than there are anchors: nothing is sampled, everything with a label takes part
MAX_PERTURBATIONS = 16  # how often a step is repeated with perturbed images, at most
# The largest relative change of a pixel: about a millionth, which is how float32 rounds C4 and C5.
PERTURBATION = 2.0**-20

Arrays = dict[str, np.ndarray]


class ParityError(UserError):
    """A reference file that cannot be used."""


def build(height: int, width: int, num_objects: int, words: Sequence[str] = ()) -> nn.Cell:
    """The network of configs/torchvision.yaml for drawn images, which are normalised, and without sampling.

    Args:
        height: Of the images, in pixels.
        width: Of the images, in pixels.
        num_objects: Ground-truth objects of an image.
        words: KEY=VALUE settings over those of configs/torchvision.yaml.
    """
    words = [
        f"img_height={height}",
        f"img_width={width}",
        "img_mean=[0, 0, 0]",
        "img_std=[1, 1, 1]",
        f"max_instance_count={num_objects}",
        f"num_expected_pos={TAKE_ALL}",
        f"num_expected_neg={TAKE_ALL}",
        *words,
    ]
    return build_network(load_config(words, ROOT / "configs" / "torchvision.yaml"), loads_weights=True)


def draw_weights(network: nn.Cell, names: Sequence[str], seed: int) -> None:
    """Draw the entries `names` of torchvision's state_dict, convert them and load them strictly.

    The shapes are those of the network's own parameters.
    """
    shapes = {name: parameter.shape for name, parameter in network.parameters_and_names()}
    state = {}
    for name in (str(name) for name in names):
        ours = project_name(name)
        if ours not in shapes:
            raise ParityError(f"'{name}' of the reference has no counterpart in the network")
        shape = tuple(shapes[ours])
        if ours == "mask_head.logits_weight":  # in torchvision a 1x1 convolution
            shape += (1, 1)
        state[name] = draw_parameter(name, shape, seed)
    entries = {name: Tensor(array) for name, array in from_torchvision(state).items()}
    load_network(network, entries, "the drawn weights")


def inference_graph(network: nn.Cell) -> Callable:
    """A compiled function of all that inference computes, stage by stage, and then the whole network."""

    @ms.jit
    def run(image, image_meta, rois, roi_labels, proposals, proposal_valid):
        features = network.features(image)
        rpn_outputs = network.rpn(features)
        logits, deltas = network.predict_anchors(features)
        own_proposals = network.test_proposals(logits, deltas, network.anchors, image_meta)
        roi_valid = ops.ones(rois.shape[:2], ms.bool_)
        pooled = network.box_align(features[:4], rois, roi_valid)
        box_outputs = network.box_head(pooled)
        mask_pooled = network.mask_align(features[:4], rois, roi_valid)
        mask_logits = network.mask_head(mask_pooled, roi_labels)
        boxes, scores, labels, det_valid = network.detect(features[:4], proposals, proposal_valid, image_meta)
        masks = network.predict_masks(features[:4], boxes, labels, det_valid)
        return (
            features,
            rpn_outputs,
            own_proposals,
            (pooled, *box_outputs, mask_pooled, mask_logits),
            (boxes, scores, labels, det_valid, masks),
            network(image, image_meta),
        )

    return run


def training_graph(network: nn.Cell, names: Sequence[str]) -> Callable:
    """A compiled function: five losses, gradients of their sum in the order of `names`, and the labels."""
    parameters = network.parameters_dict()
    weights = ms.ParameterTuple([parameters[name] for name in names])
    normalize = LossNet(network).normalize

    def losses(image, rois, roi_labels, mask_targets, gt_boxes, gt_labels, gt_valid, key, classes):
        features = network.features(image)
        logits, deltas = network.predict_anchors(features)
        rpn = network.rpn_losses(features, logits, deltas, gt_boxes, gt_valid, key, normalize)
        roi_valid = ops.ones(rois.shape[:2], ms.bool_)
        matched_idxs = network.roi_sampler.assign(rois, gt_boxes, gt_labels, gt_valid)[1]
        rcnn = network.box_losses(features[:4], (rois, classes, matched_idxs, roi_valid), gt_boxes, normalize)
        mask_pooled = network.mask_align(features[:4], rois, roi_valid)
        mask = network.mask_head.loss(mask_pooled, roi_labels, roi_valid.reshape(-1), mask_targets, normalize)
        return rpn[0] + rpn[1] + rcnn[0] + rcnn[1] + mask, (*rpn, *rcnn, mask)

    value_and_gradients = ms.value_and_grad(losses, None, weights, has_aux=True)

    @ms.jit
    def run(image, rois, roi_labels, mask_targets, gt_boxes, gt_labels, gt_valid, key, classes):
        (_, five), gradients = value_and_gradients(
            image, rois, roi_labels, mask_targets, gt_boxes, gt_labels, gt_valid, key, classes
        )
        anchors = ops.concat(network.anchors, 0)
        positive, negative, _ = network.anchor_sampler.assign(anchors, gt_boxes, gt_valid)
        roi_classes = network.roi_sampler.assign(rois, gt_boxes, gt_labels, gt_valid)[0]
        return five, gradients, positive, negative, roi_classes

    return run


def run_inference(network: nn.Cell, reference: Arrays, data: Arrays) -> Arrays:
    """The stages of inference under the reference's names; "whole.n" are detections of the whole network."""
    count, _, height, width = data["images"].shape
    limit = network.test_proposals.max_num
    proposals = np.zeros((count, limit, 4), np.float32)
    proposal_valid = np.zeros((count, limit), bool)
    for n in range(count):
        boxes = reference[f"proposals.{n}"]
        proposals[n, : len(boxes)] = boxes
        proposal_valid[n, : len(boxes)] = True
    image_meta = np.tile(np.array([height, width, 1, 1, height, width], np.float32), (count, 1))
    arrays = (
        data["images"].transpose(0, 2, 3, 1),
        image_meta,
        data["rois"],
        data["roi_labels"].reshape(-1).astype(np.int32),
        proposals,
        proposal_valid,
    )
    outputs = inference_graph(network)(*(Tensor(array) for array in arrays))
    features, (logits, deltas), own_proposals, heads, detections, whole = _to_numpy(outputs)

    ours = {"anchors": np.concatenate([anchors.asnumpy() for anchors in network.anchors])}
    for kind, levels in (("feature", features), ("rpn_logits", logits), ("rpn_deltas", deltas)):
        ours.update({f"{kind}.{level}": array for level, array in zip(LEVELS, levels)})
    ours.update(zip(("roi_align7", "class_logits", "box_deltas", "roi_align14", "mask_logits"), heads))
    ours["box_deltas"] = ours["box_deltas"].reshape(len(ours["box_deltas"]), -1)
    for n in range(count):
        ours[f"proposals.{n}"] = own_proposals[0][n][own_proposals[1][n]]
        for source, (boxes, scores, labels, det_valid, masks) in (
            ("detections", detections),
            ("whole", whole),
        ):
            valid = det_valid[n]
            ours[f"{source}.{n}.boxes"] = boxes[n][valid]
            ours[f"{source}.{n}.scores"] = scores[n][valid]
            ours[f"{source}.{n}.labels"] = labels[n][valid]
            ours[f"{source}.{n}.masks28"] = masks[n][valid]
    return ours


def run_training(network: nn.Cell, reference: Arrays, data: Arrays, calls: int = 2) -> dict:
    """The labels of anchors and RoIs, and the losses and gradients of `calls` calls of one compiled step.

    One call is not enough: MindSpore has had a gradient that was wrong from the second call on.
    """
    trained = {parameter.name for parameter in network.trainable_params()}
    names = {project_name(str(name)): str(name) for name in reference["names"]}
    names = {ours: theirs for ours, theirs in names.items() if ours in trained}
    if len(names) != len(trained) or set(gradient_names(reference)) - set(names.values()):
        raise ParityError("the reference has gradients of other parameters than the network trains")
    count, num_objects = data["labels"].shape
    arrays = (
        data["rois"],
        data["roi_labels"].astype(np.int32).reshape(-1),
        data["mask_targets"],
        data["boxes"],
        data["labels"].astype(np.int32),
        np.ones((count, num_objects), bool),
        np.arange(count, dtype=np.int32),
        reference["roi_assigned_labels"].astype(np.int32),
    )
    run = training_graph(network, list(names))
    fixed = [Tensor(array) for array in arrays]
    image = data["images"].transpose(0, 2, 3, 1)

    def step(image):
        losses, gradients, *assigned = _to_numpy(run(Tensor(image), *fixed))
        return dict(zip(LOSSES, losses)), dict(zip(names.values(), gradients)), assigned

    steps = [step(image) for _ in range(calls)]
    positive, negative, roi_classes = steps[-1][2]
    gradients = [gradients for _, gradients, _ in steps]
    return {
        "losses": [losses for losses, _, _ in steps],
        "gradients": gradients,
        "rpn_labels": np.where(positive, 1, np.where(negative, 0, -1)),
        "roi_assigned_labels": roi_classes,
        "perturbed": perturbed_gradients(reference, lambda image: step(image)[1], image, gradients[-1]),
    }


def perturbed_gradients(
    reference: Arrays, step: Callable[[np.ndarray], Arrays], image: np.ndarray, gradients: Arrays
) -> list[Arrays]:
    """Repeat the step with slightly perturbed images for the parameters whose gradient passes its limits.

    As long as the losses and the other gradients are right and float32 rounds, noise of this size cannot hide
    a mistake: it changes the gradients that have no kink by a millionth too.

    Args:
        reference: The arrays of a reference file.
        step: A function of the images that returns the gradients.
        image: float32 [B, H, W, 3].
        gradients: {torchvision's name: gradient} of the images as they are.

    Returns:
        For each repetition {torchvision's name: gradient} of the parameters that nothing before had within
        limits.
    """
    rng = np.random.default_rng(int(reference["seed"]))
    repetitions = []
    failing = [name for name in gradients if f"grad.{name}.norm" in reference]
    while True:
        failing = [
            name for name in failing if not gradient_holds(gradient_errors(reference, name, gradients[name]))
        ]
        if not failing or len(repetitions) == MAX_PERTURBATIONS:
            return repetitions
        noise = rng.uniform(-PERTURBATION, PERTURBATION, image.shape)
        gradients = step((image * (1 + noise)).astype(np.float32))
        repetitions.append({name: gradients[name] for name in failing})


def _to_numpy(value):
    if isinstance(value, (tuple, list)):
        return tuple(_to_numpy(item) for item in value)
    return value.asnumpy()
