"""The ONNX file in ONNX Runtime against the network in MindSpore, for all branches of the writer."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from mindspore import Tensor

from src.maskrcnn.build import build_network, norm_kind
from src.onnx_graph.runtime import OnnxNetwork
from src.weights.checkpoint_settings import SETTINGS_ENTRY, network_settings
from tests.small_network import CPU_FORM, draw_weights, small_batch, small_config

# Group norms, aligned RoIs, sigmoid scores; a score threshold that leaves few detections.
PLAIN = (*CPU_FORM, "test_score_thr=0.45", "test_max_per_img=60")
# Folded norms in the heads and the other branch of every setting. There are more slots than candidates, and
# the canvas is not a multiple of P6's stride.
OTHER = (
    "norm_eps=0.001",
    "fpn_norm=bn",
    "rcnn_norm=sync_bn",
    "rcnn_mask_norm=bn",
    "rcnn_num_convs=2",
    "rcnn_conv_out_channels=16",
    "rcnn_num_layers=1",
    "roi_align_aligned=False",
    "anchor_round=True",
    "stride_in_1x1=True",
    "channel_order=BGR",
    "use_sigmoid_cls=False",
    "rpn_nms_across_levels=True",
    "rpn_target_means=[0.1, 0, -0.1, 0]",
    "rpn_target_stds=[0.5, 0.6, 0.7, 0.8]",
    "img_mean=[100, 110, 120]",
    "rcnn_target_means=[0, 0.1, 0, 0.05]",
    "img_height=96",
    "img_width=160",
    "rpn_min_bbox_min_size=6",
    "test_min_bbox_size=5",
    "test_nms_pre=90",
    "test_max_per_img=100",
    "anchor_scales=[4, 8]",
    "anchor_ratios=[0.5, 2]",
    "img_std=[50, 60, 70]",
    "test_score_thr=0.1",
)
# Folded norms in the backbone, adaptive sampling, other pooled sizes, heads without norms,
# and more proposals asked for than there are.
ADAPTIVE = (
    "roi_layer={type: RoIAlign, out_size: 5, mask_out_size: 8, sample_num: 0}",
    "norm=frozen",
    "norm_eps=0",
    "fpn_norm=gn",
    "rpn_nms_post=40",
    "rpn_max_num=1000",
    "rpn_nms_thr=0.5",
    "test_iou_thr=0.3",
    "roi_align_finest_scale=20",
    "resnet_block=[2, 1, 2, 1]",
)


@functools.lru_cache(maxsize=None)
def run_both(words, sizes):
    """(MindSpore's five outputs, ONNX Runtime's) for pictures of these (height, width) on the canvas.

    A picture of height 0 has nothing in it, so no detection is possible.
    """
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    network, model = network_and_file(words)
    image, meta = pictures(small_config(*words), sizes)
    return [part.asnumpy() for part in network(Tensor(image), Tensor(meta))], model(image, meta)


@functools.lru_cache(maxsize=None)
def network_and_file(words):
    """(a network with drawn weights in evaluation mode, the OnnxNetwork of its file)."""
    import tempfile
    from pathlib import Path

    import onnx

    from src.onnx_graph.network import onnx_model

    config = small_config(*words)
    network = draw_weights(build_network(config, loads_weights=True)).set_train(False)
    norm = norm_kind(config, loads_weights=True)
    weights = {name: parameter.asnumpy() for name, parameter in network.parameters_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.onnx"
        onnx.save_model(
            onnx_model(config, norm, weights, {SETTINGS_ENTRY: network_settings(config, norm)}), str(path)
        )
        return network, OnnxNetwork(path, threads=1)


def pictures(config, sizes):
    """(image uint8 [B, H, W, 3], image_meta) of drawn pictures."""
    batch = small_batch(4, (3,) * len(sizes))
    image = np.zeros((len(sizes), config.img_height, config.img_width, 3), np.uint8)
    meta = np.zeros((len(sizes), 6), np.float32)
    for n, (height, width) in enumerate(sizes):
        tiled = np.tile(batch["image"][n], (2, 2, 1))
        image[n, :height, :width] = tiled[:height, :width]
        meta[n] = height, width, 0.5, 0.5, 2 * height, 2 * width
    return image, meta


@pytest.mark.parametrize(
    ("words", "sizes"),
    [
        (PLAIN, ((128, 128), (80, 100))),
        (PLAIN, ((128, 100),)),
        (PLAIN, ((0, 0), (128, 128), (0, 0))),
        (PLAIN, ((0, 0),)),
        (OTHER, ((96, 160), (70, 60))),
        (ADAPTIVE, ((128, 128), (50, 100))),
    ],
    ids=["plain", "one picture", "among empty ones", "nothing at all", "other settings", "adaptive"],
)
def test_the_file_gives_what_the_network_gives(words, sizes):
    expected, outputs = run_both(words, sizes)
    counts = expected[3].sum(1)
    assert all((count > 0) == (height > 0) for count, (height, _) in zip(counts, sizes))
    # drawn weights amplify rounding: up to 3e-3 pixels, 1e-4 and 1.4e-3 were seen, and much less on average
    for name, want, got, limit in zip(
        ("boxes", "scores", "labels", "found", "masks"), expected, outputs, (1e-2, 5e-4, 0, 0, 5e-3)
    ):
        assert want.shape == got.shape and want.dtype == got.dtype, name
        assert np.abs(want.astype(np.float64) - got).mean() <= limit / 50, name
        np.testing.assert_allclose(
            got.astype(np.float64), want.astype(np.float64), atol=limit, rtol=0, err_msg=name
        )


def test_the_settings_reach_other_branches():
    """The comparison covers outputs with empty slots and with several classes."""
    plain = run_both(PLAIN, ((128, 128), (80, 100)))[0]
    other = run_both(OTHER, ((96, 160), (70, 60)))[0]
    assert 0 < plain[3].sum() < plain[3].size and 0 < other[3].sum() < other[3].size
    assert len(set(plain[2][plain[3]])) > 1 and len(set(other[2][other[3]])) > 1
