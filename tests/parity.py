"""Whether this network computes what torchvision's Mask R-CNN R50-FPN computes, stage by stage, on the CPU in graph mode.

    python -m tests.parity                     # the file of the shared folder: ../shared/reference/parity.npz
    python -m tests.parity FILE.npz            # one that reference/make_parity.py made with another seed or size
    python -m tests.parity FILE.npz fold_norms=True     # settings over those of configs/torchvision.yaml: here, with norms folded as in training

Weights and inputs are drawn again from the seed in the file, under torchvision's names, converted and loaded; each stage
is fed the reference's own input where the file has it, this project's otherwise. Prints a table and ends with exit code 1
if any limit is passed, 2 if the file cannot be used. MASKRCNN_SHARED names the shared folder (default ../shared), which holds make_parity.py.

Gradients have kinks: where a ReLU's input is 0 to within float32's rounding, one program lets a gradient through and an equally right one does not,
and one such place can pass the limits (docs/design.md). For the parameters that pass theirs the step is repeated with the pictures changed by as
little as rounding changes the features, NUDGES times at most; one that is then within its limits is, and a note below the table says so.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import time
import zipfile
import zlib
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops

from src.config import load_config
from src.engine.entry import run_main
from src.errors import UserError
from src.maskrcnn.build import build_network
from src.network_define import LossNet
from src.weights.loading import load_network
from src.weights.torchvision import from_torchvision, project_name
from tests.parity_table import (
    LEVELS,
    LOSSES,
    compare,
    gradient_errors,
    gradient_holds,
    missing_entries,
    table,
)

ROOT = Path(__file__).resolve().parent.parent
TAKE_ALL = 10**7  # more than there are anchors: nothing is sampled, everything with a label takes part
NUDGES, NUDGE = (
    16,
    2.0**-20,
)  # tries, and the largest relative change of a pixel: a millionth, as float32 rounds C4 and C5


class ParityError(UserError):
    """A reference file that cannot be used."""


def shared_folder():
    return Path(os.environ.get("MASKRCNN_SHARED") or ROOT.parent / "shared")


def load_reference(path):
    """{name: array} of a reference file; a ParityError for one that is missing, damaged or of an impossible size."""
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ValueError("it is one array")
        with file:
            reference = {name: file[name] for name in file.files}
    except OSError as error:
        raise ParityError(f"{path}: {error.strerror or error}") from None
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ParityError(
            f"{path}: not a reference file made by make_parity.py, or a damaged one ({error})"
        ) from None
    missing = [
        name for name in ("seed", "height", "width", "names") if name not in reference
    ] or missing_entries(reference)
    if missing:
        raise ParityError(f"{path}: has no '{missing[0]}'; a file made by make_parity.py expected")
    for name in ("height", "width"):
        size = int(reference[name])
        if size % 32 or size < 64:
            raise ParityError(
                f"{path}: {name} {size}: a multiple of 32, and at least 64, expected; make the file again with --{name}"
            )
    return reference


def drawing_functions():
    """The module make_parity.py of the shared folder: `draw_parameter` and `draw_inputs`."""
    path = shared_folder() / "reference" / "make_parity.py"
    if not path.is_file():
        raise ParityError(
            f"{path}: no such file; MASKRCNN_SHARED names the folder that has reference/make_parity.py"
        )
    spec = importlib.util.spec_from_file_location("make_parity", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(height, width, num_objects, words=()):
    """The network as configs/torchvision.yaml and `words` have it, for drawn pictures: already normalised, and no sampling."""
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


def draw_weights(network, names, seed, draw_parameter):
    """Draw torchvision's state_dict `names`, convert it and load it strictly. A shape is what the network's own parameter has."""
    shapes, state = {name: parameter.shape for name, parameter in network.parameters_and_names()}, {}
    for name in (str(name) for name in names):
        ours = project_name(name)
        if ours not in shapes:
            raise ParityError(f"'{name}' of the reference has no counterpart in the network")
        shape = tuple(shapes[ours]) + (
            (1, 1) if ours == "mask_head.logits_weight" else ()
        )  # there a 1x1 convolution
        state[name] = draw_parameter(name, shape, seed)
    load_network(
        network, {name: Tensor(array) for name, array in from_torchvision(state).items()}, "the drawn weights"
    )


def inference_graph(network):
    """A compiled function of all that inference computes, a stage at a time, and then the whole network."""

    @ms.jit
    def run(image, image_meta, rois, roi_labels, proposals, usable):
        features = network.features(image)
        maps = network.rpn(features)
        logits, deltas = network.propose(features)
        own_proposals = network.test_proposals(logits, deltas, network.anchors, image_meta)
        every = ops.ones(rois.shape[:2], ms.bool_)
        pooled = network.box_align(features[:4], rois, every)
        head = network.box_head(pooled)
        mask_pooled = network.mask_align(features[:4], rois, every)
        mask_logits = network.mask_head(mask_pooled, roi_labels)
        boxes, scores, labels, found = network.detect(features[:4], proposals, usable, image_meta)
        masks = network.masks(features[:4], boxes, labels, found)
        return (
            features,
            maps,
            own_proposals,
            (pooled, *head, mask_pooled, mask_logits),
            (boxes, scores, labels, found, masks),
            network(image, image_meta),
        )

    return run


def training_graph(network, names):
    """A compiled function: (five losses, gradients of their sum in the order of `names`), and the assignments."""
    parameters = network.parameters_dict()
    weights = ms.ParameterTuple([parameters[name] for name in names])
    normalize = LossNet(network).normalize

    def losses(image, rois, roi_labels, mask_targets, boxes, labels, valid, key, classes):
        features = network.features(image)
        logits, deltas = network.propose(features)
        rpn = network.rpn_losses(features, logits, deltas, boxes, valid, key, normalize)
        every = ops.ones(rois.shape[:2], ms.bool_)
        matched = network.roi_sampler.assign(rois, boxes, labels, valid)[1]
        rcnn = network.box_losses(features[:4], (rois, classes, matched, every), boxes, normalize)
        mask_pooled = network.mask_align(features[:4], rois, every)
        mask = network.mask_head.loss_of(mask_pooled, roi_labels, every.reshape(-1), mask_targets, normalize)
        return rpn[0] + rpn[1] + rcnn[0] + rcnn[1] + mask, (*rpn, *rcnn, mask)

    value_and_gradients = ms.value_and_grad(losses, None, weights, has_aux=True)

    @ms.jit
    def run(image, rois, roi_labels, mask_targets, boxes, labels, valid, key, classes):
        (_, five), gradients = value_and_gradients(
            image, rois, roi_labels, mask_targets, boxes, labels, valid, key, classes
        )
        positive, negative, _ = network.anchor_sampler.assign(ops.concat(network.anchors, 0), boxes, valid)
        return five, gradients, positive, negative, network.roi_sampler.assign(rois, boxes, labels, valid)[0]

    return run


def run_inference(network, reference, data):
    """The stages of inference under the reference's names; "whole.n" are the detections of the whole network."""
    count, _, height, width = data["images"].shape
    limit = network.test_proposals.max_num
    proposals, usable = np.zeros((count, limit, 4), np.float32), np.zeros((count, limit), bool)
    for n in range(count):
        kept = reference[f"proposals.{n}"]
        proposals[n, : len(kept)], usable[n, : len(kept)] = kept, True
    meta = np.tile(np.array([height, width, 1, 1, height, width], np.float32), (count, 1))
    arrays = (
        data["images"].transpose(0, 2, 3, 1),
        meta,
        data["rois"],
        data["roi_labels"].reshape(-1).astype(np.int32),
        proposals,
        usable,
    )
    features, (logits, deltas), own_proposals, heads, detections, whole = _numpy(
        inference_graph(network)(*(Tensor(array) for array in arrays))
    )
    ours = {"anchors": np.concatenate([anchors.asnumpy() for anchors in network.anchors])}
    for kind, levels in (("feature", features), ("rpn_logits", logits), ("rpn_deltas", deltas)):
        ours.update({f"{kind}.{level}": array for level, array in zip(LEVELS, levels)})
    ours.update(zip(("roi_align7", "class_logits", "box_deltas", "roi_align14", "mask_logits"), heads))
    ours["box_deltas"] = ours["box_deltas"].reshape(len(ours["box_deltas"]), -1)
    for n in range(count):
        ours[f"proposals.{n}"] = own_proposals[0][n][own_proposals[1][n]]
        for source, (boxes, scores, labels, found, masks) in (("detections", detections), ("whole", whole)):
            ours.update(
                {
                    f"{source}.{n}.{name}": array[n][found[n]]
                    for name, array in (
                        ("boxes", boxes),
                        ("scores", scores),
                        ("labels", labels),
                        ("masks28", masks),
                    )
                }
            )
    return ours


def run_training(network, reference, data, calls=2):
    """The assignments, and the losses and gradients of `calls` calls (MindSpore has had a gradient that was wrong from the second on)."""
    theirs = [
        name[len("grad.") : -len(".norm")]
        for name in reference
        if name.startswith("grad.") and name.endswith(".norm")
    ]
    trained = {parameter.name for parameter in network.trainable_params()}
    names = {
        project_name(str(name)): str(name)
        for name in reference["names"]
        if project_name(str(name)) in trained
    }
    if len(names) != len(trained) or set(theirs) - set(names.values()):
        raise ParityError("the reference has gradients of other parameters than the network trains")
    count, objects = data["labels"].shape
    integers = {name: data[name].astype(np.int32) for name in ("labels", "roi_labels")}
    arrays = (
        data["images"].transpose(0, 2, 3, 1),
        data["rois"],
        integers["roi_labels"].reshape(-1),
        data["mask_targets"],
        data["boxes"],
        integers["labels"],
        np.ones((count, objects), bool),
        np.arange(count, dtype=np.int32),
        reference["roi_assigned_labels"].astype(np.int32),
    )
    run, fixed = training_graph(network, list(names)), [Tensor(array) for array in arrays[1:]]

    def step(image):
        losses, gradients, *assigned = _numpy(run(Tensor(image), *fixed))
        return dict(zip(LOSSES, losses)), dict(zip(names.values(), gradients)), assigned

    steps = [step(arrays[0]) for _ in range(calls)]
    positive, negative, roi_classes = steps[-1][2]
    ours = {
        "losses": [losses for losses, _, _ in steps],
        "gradients": [gradients for _, gradients, _ in steps],
        "rpn_labels": np.where(positive, 1, np.where(negative, 0, -1)),
        "roi_assigned_labels": roi_classes,
    }
    ours["nudged"] = nudged_gradients(
        reference, lambda image: step(image)[1], arrays[0], ours["gradients"][-1]
    )
    return ours


def nudged_gradients(reference, step, image, gradients):
    """Gradients {name: array} of nudged pictures, each of the parameters that no earlier one, nor `gradients`, had within the limits.

    step: a function of the pictures that gives the gradients. As long as the losses and the other gradients are right and float32 rounds, noise
    of this size cannot hide a mistake: it moves the gradients that have no kink by a millionth too.
    """
    rng, found = np.random.default_rng(int(reference["seed"])), []
    failing = [name for name in gradients if f"grad.{name}.norm" in reference]
    while True:
        failing = [
            name for name in failing if not gradient_holds(gradient_errors(reference, name, gradients[name]))
        ]
        if not failing or len(found) == NUDGES:
            return found
        gradients = step((image * (1 + rng.uniform(-NUDGE, NUDGE, image.shape))).astype(np.float32))
        found.append({name: gradients[name] for name in failing})


def compute(reference, words=()):
    """All that `parity_table.compare` wants of this project, for one reference, with KEY=VALUE `words` over configs/torchvision.yaml."""
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")
    drawing, seed = drawing_functions(), int(reference["seed"])
    data = drawing.draw_inputs(seed, int(reference["height"]), int(reference["width"]))
    network = build(int(reference["height"]), int(reference["width"]), data["boxes"].shape[1], words)
    draw_weights(network, reference["names"], seed, drawing.draw_parameter)
    network.set_train(False)
    ours = run_inference(network, reference, data)
    network.set_train(True)
    ours.update(run_training(network, reference, data))
    return ours


def report(rows):
    """Print the table; exit code 0, or 1 if a limit is passed."""
    print(table(rows))
    failed = [row.stage.strip() for row in rows if not row.ok]
    for row in rows:
        if row.note:
            print(f"{row.stage}: {row.note}")
    print(
        f"{len(rows) - len(failed)} of {len(rows)} within their limits"
        + (f"; FAILED: {'; '.join(failed)}" if failed else "")
    )
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(
        prog="python -m tests.parity",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[FILE.npz] [KEY=VALUE ...]",
        help="the reference (default: the shared folder's), and settings over "
        "those of configs/torchvision.yaml",
    )
    given = parser.parse_args().words
    files, words = [word for word in given if "=" not in word], [word for word in given if "=" in word]
    if len(files) > 1:
        parser.error(f"one FILE.npz expected, not {' and '.join(files)}")
    path = Path(files[0]) if files else shared_folder() / "reference" / "parity.npz"
    reference, start = load_reference(path), time.perf_counter()
    print(
        f"{path}: seed {int(reference['seed'])}, {int(reference['height'])}x{int(reference['width'])}",
        flush=True,
    )
    code = report(compare(reference, compute(reference, words)))
    print(f"{time.perf_counter() - start:.0f} s")
    return code


def _numpy(value):
    return tuple(_numpy(item) for item in value) if isinstance(value, (tuple, list)) else value.asnumpy()


if __name__ == "__main__":
    run_main(main)
