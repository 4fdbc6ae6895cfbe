"""Ready for Ascend, as far as the CPU can show: the Ascend configuration compiled and run on the CPU.

They have static shapes, MindSpore's operators and float16 compute. Every operator is documented for Ascend,
no shape depends on the data, boxes and losses are float32, and the losses are those of the CPU configuration.
"""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, ops

from src.engine.display.loss_lines import LOSS_NAMES
from tests.ascend_form.graphs import GRAPHS, inference, nodes, training
from tests.ascend_form.walk import compiled_nodes, documented_platforms
from tests.maskrcnn import twins
from tests.small_network import CPU_FORM, gradient_step, small_batch, small_network

# Operators without a 'Supported Platforms' line of their own, and why they may be there.
STRUCTURE = {
    "MakeTuple": "a tuple in the graph, no kernel",
    "TupleGetItem": "a tuple's item, no kernel",
    "Return": "the graph's end, no kernel",
    "Load": "reads a parameter, no kernel",
    "UpdateState": "the order of reads and writes, no kernel",
}
# Gradient operators, which MindSpore puts in itself, have no documented platforms:
# {operator: what it is the gradient of}.
GRADIENT_OF = {
    "BatchNormGrad": "BatchNorm",
    "BiasAddGrad": "BiasAdd",
    "Conv2DBackpropFilter": "Conv2D",
    "Conv2DBackpropInput": "Conv2D",
    "GatherDGradV2": "GatherD",
    "GroupNormGrad": "GroupNorm",
    "LogSoftmaxGrad": "LogSoftmax",
    "MaxPoolGrad": "MaxPool",
    "ROIAlignGrad": "ROIAlign",
    "ReluGrad": "ReLU",
    "RsqrtGrad": "Rsqrt",
    "StridedSliceGrad": "StridedSlice",
}
# Operators behind a public function, of which only the function is documented: {operator: the function}.
BEHIND = {
    "AddExt": "mindspore.mint.add",
    "AddScalar": "mindspore.mint.add",
    "ClampScalar": "mindspore.mint.clamp",
    "Muls": "mindspore.mint.mul",
    "RemainderTensorScalar": "mindspore.mint.remainder",
    "SplitWithSize": "mindspore.mint.split",
    "SubScalar": "mindspore.mint.sub",
    "SumExt": "mindspore.mint.sum",
}

# Where half precision may go: convolutions, matrix products, their activations and pooling ...
HALF_COMPUTE = {"Conv2D", "Conv2DBackpropFilter", "Conv2DBackpropInput", "MatMul", "BatchMatMul"}
HALF = HALF_COMPUTE | {
    "BiasAdd",
    "BiasAddGrad",
    "ReLU",
    "ReluGrad",
    "MaxPool",
    "MaxPoolGrad",
    "Add",
    "AddN",
    "SumExt",  # shortcuts, the pyramid's sums, and their gradients
    "Cast",
    "Concat",
    "ExpandDims",
    "Reshape",
    "Slice",
    "SplitWithSize",
    "StridedSlice",
    "StridedSliceGrad",
    "Tile",
    "Transpose",
    "Depend",
}  # ... and what only moves or converts it
# Seen in the graph that the CPU's backend executes: these have no float16 kernel there, and run in float32
# between two casts.
FLOAT32_ON_CPU = (
    "BatchMatMul",
    "BiasAdd",
    "Conv2D",
    "Conv2DBackpropFilter",
    "Conv2DBackpropInput",
    "MatMul",
    "MaxPoolGrad",
    "SumExt",
)


@pytest.fixture(autouse=True, scope="module")
def graph_mode():
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")


ALL = pytest.mark.parametrize("graph", GRAPHS)
WHOLE = pytest.mark.parametrize("graph", ["training", "inference"])


@ALL
def test_every_operator_is_documented_for_ascend(graph):
    operators = {node.operator for node in nodes(graph)}
    assert len(operators) > 10
    undocumented = set()
    for name in operators - set(STRUCTURE):
        platforms = documented_platforms(GRADIENT_OF.get(name) or BEHIND.get(name) or name)
        if platforms is None or "Ascend" not in platforms:
            undocumented.add(f"{name}: {platforms}")
    assert not undocumented


def test_inference_is_free_of_operators_that_no_air_file_can_hold():
    """MindSpore 2.8 has no counterpart for these in CANN's graphs (tests/ascend/test_air.py converts all)."""
    operators = {node.operator for node in nodes("inference")}
    assert not operators & {"ClampScalar", "Muls", "RemainderTensorScalar"}


def test_the_lists_hold_only_what_has_no_line_of_its_own():
    """An operator that a later MindSpore documents leaves the list."""
    assert [name for name in (*STRUCTURE, *GRADIENT_OF, *BEHIND) if documented_platforms(name)] == []
    assert all("Ascend" in documented_platforms(name) for name in (*GRADIENT_OF.values(), *BEHIND.values()))
    assert documented_platforms("NMSWithMask") == ("Ascend", "GPU", "CPU")
    assert documented_platforms("Gather") == ("Ascend", "GPU", "CPU")
    assert documented_platforms("Fmax") == ("CPU",) and documented_platforms("Cholesky") == ("GPU", "CPU")


def test_the_walk_sees_what_it_is_there_to_see():
    """The graph has gradients and update; the walk finds in the CPU's form what Ascend's must not have."""
    counts = {
        name: sum(node.operator == name for node in nodes("training"))
        for name in (
            "Conv2D",
            "Conv2DBackpropFilter",
            "ROIAlign",
            "ROIAlignGrad",
            "NMSWithMask",
            "ApplyMomentum",
        )
    }
    network = training()[0].loss_net.network
    weights = [parameter for parameter in network.get_parameters() if len(parameter.shape) == 4]
    assert counts["Conv2D"] >= len(weights) and counts["Conv2DBackpropFilter"] >= len(weights)
    assert counts["ROIAlign"] == counts["ROIAlignGrad"] == 2 and counts["NMSWithMask"] == 2 * 5
    assert (
        counts["ApplyMomentum"] == len(training()[0].optimizer.weights) < len(network.trainable_params()) / 3
    )
    on_cpu = small_network(*CPU_FORM, "rcnn_mask_norm=gn").set_train(
        False
    )  # masks of as many rows as there are detections
    batch = small_batch(4)
    on_cpu(Tensor(batch["image"]), Tensor(batch["image_meta"]))
    on_cpu.set_train(True)
    found = compiled_nodes(on_cpu)
    assert any(node.operator == "Custom" for node in found) and any(
        min(shape, default=0) < 0 for node in found for _, shape in node.outputs
    )


@ALL
def test_no_shape_depends_on_the_data_and_no_kernel_is_the_cpus(graph):
    for node in nodes(graph):
        assert node.operator != "Custom"
        assert all(side >= 0 for _, shape in (*node.inputs, *node.outputs) for side in shape), node


@WHOLE
def test_convolutions_and_products_are_half_and_nothing_else_computes_in_it(graph):
    """Box arithmetic, IoU, NMS, RoIAlign, softmax, norms, losses and the optimiser have float32 only."""
    halves = {
        node.operator
        for node in nodes(graph)
        if any(kind == "FLOAT16" for kind, _ in (*node.inputs, *node.outputs))
    }
    assert halves - set(STRUCTURE) <= HALF
    computing = [node for node in nodes(graph) if node.operator in HALF_COMPUTE]
    assert len(computing) > 25 and all(kind == "FLOAT16" for node in computing for kind, _ in node.outputs)
    kinds = {kind for node in nodes(graph) for kind, _ in node.outputs}
    assert not kinds & {"DOUBLE", "BFLOAT16"}


def relative(ours, theirs, names):
    return {name: abs(ours[name] - theirs[name]) / abs(theirs[name]) for name in names}


def test_half_precision_gives_the_losses_of_the_cpu_configuration():
    """Where the samples are the same, losses are.

    The first stage's samples always are. The second stage's come from proposals, which change with rounding,
    and with them what is sampled. Here the picture's filled part is so small that each level's proposals are
    that part itself, the background, and the objects are the other RoIs.
    """
    batch = small_batch(0)
    ours, theirs = training()[1](batch), gradient_step(*CPU_FORM)(batch)[0]
    assert max(relative(ours, theirs, ("rpn_cls_loss", "rpn_reg_loss")).values()) < 2e-2
    batch["image_meta"][:, :2] = 0.01
    ours, theirs = training()[1](batch), gradient_step(*CPU_FORM)(batch)[0]
    assert max(relative(ours, theirs, LOSS_NAMES).values()) < 2e-2
    assert all(theirs[name] > 0 for name in LOSS_NAMES)
    batch["image_meta"][:, :2] = 0  # no proposals at all: the objects alone
    alone = gradient_step(*CPU_FORM)(batch)[0]
    assert max(relative(training()[1](batch), alone, LOSS_NAMES).values()) < 2e-2
    assert abs(alone["rcnn_cls_loss"] - theirs["rcnn_cls_loss"]) > 0.1 * alone["rcnn_cls_loss"]


@pytest.mark.parametrize("operator", ["Conv2D", "MatMul", "BatchMatMul"])
def test_what_has_no_half_kernel_on_the_cpu_computes_in_float32_there(operator):
    """The result is float32's, rounded once; sums of 2,048 products in half precision would differ."""
    assert operator in FLOAT32_ON_CPU
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, (4, 2048)).astype(np.float16)
    weight = rng.normal(0, 0.05, (2048, 8)).astype(np.float16)
    if operator == "Conv2D":
        got = ops.conv2d(
            Tensor(x[:, :, None, None]), Tensor(np.ascontiguousarray(weight.T)[:, :, None, None])
        ).asnumpy()[:, :, 0, 0]
    elif operator == "MatMul":
        got = ops.MatMul()(Tensor(x), Tensor(weight)).asnumpy()
    else:
        got = ops.BatchMatMul()(Tensor(x[None]), Tensor(weight[None])).asnumpy()[0]
    assert got.dtype == np.float16
    want = x.astype(np.float64) @ weight.astype(np.float64)
    assert np.abs(got - want).max() <= np.abs(want).max() * 2.0**-11 + 1e-4


def test_inference_finds_what_the_cpu_configuration_finds():
    """In half precision boxes move by part of a pixel, and some near a threshold go: most have a partner."""
    boxes, scores, labels, det_valid, masks = inference()[1]
    network = small_network(*CPU_FORM).set_train(False)
    batch = small_batch(4)
    theirs = [part.asnumpy() for part in network(Tensor(batch["image"]), Tensor(batch["image_meta"]))]
    network.set_train(True)
    assert np.isfinite(masks).all() and boxes.shape == theirs[0].shape
    for n in range(2):
        overlap = twins.iou(theirs[0][n][theirs[3][n]], boxes[n][det_valid[n]]) * (
            theirs[2][n][theirs[3][n]][:, None] == labels[n][det_valid[n]]
        )
        assert (overlap.max(1) > 0.9).mean() >= 0.8 and np.isfinite(scores[n]).all()
