"""Export: the inference network as one file, checked by loading it again and running it on a real picture."""

from __future__ import annotations

import os
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from ..data.images.decode import read_picture
from ..data.images.placement import place_picture, place_plainly
from ..data.shapes.drawn_data import draw_picture
from ..errors import ConfigError, UserError
from ..onnx_graph.runtime import OUTPUTS, is_onnx
from . import onnx_export
from .inference.predictor import load_for_inference
from .runtime.device import ascend_is_here, start_device


def export(config, file_format, out, batch=1, picture=None):
    """Write `checkpoint_path`'s network to `out` and check it; returns the file's Path.

    The file takes image uint8 [batch, img_height, img_width, 3] and image_meta float32 [batch, 6] and gives boxes, scores, labels, found
    and masks as `MaskRcnn` does; an ONNX file takes any number of pictures and is checked with `batch`. picture: a picture file to check with;
    a drawn one if None. Raises UserError where the file's answer is not the network's.
    """
    if is_onnx(config.checkpoint_path):
        raise ConfigError(
            f"checkpoint_path={config.checkpoint_path}: an exported file already; the .ckpt that it was made of is needed"
        )
    if file_format == "ONNX":
        config = onnx_export.prepare(config)
    if file_format == "AIR" and not ascend_is_here():
        raise ConfigError(
            "--file-format AIR: MindSpore writes AIR on a machine with Ascend only; MINDIR can be written here"
        )
    device = start_device(config)
    network, config = load_for_inference(config, device.target, exported=file_format != "ONNX")
    image, meta = sample_input(config, batch, picture)
    out = Path(out).with_suffix(f".{file_format.lower()}")
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f"{out.stem}.partial{out.suffix}")
    remark = ""
    try:
        if file_format == "ONNX":
            remark = onnx_export.write_onnx(network, config, image, meta, temporary)
        else:
            ms.export(network, image, meta, file_name=str(temporary), file_format=file_format)
        if file_format == "MINDIR":
            compare(network(image, meta), load_exported(temporary)(image, meta), out)
            remark = ", which gives what the network gives"
        os.chmod(temporary, 0o644)  # MindSpore leaves it readable by its owner alone
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)
    print(f"wrote {out} ({out.stat().st_size / 2**20:.1f} MiB){remark}", flush=True)
    return out


def load_exported(path):
    """A MINDIR file as a callable network."""
    return nn.GraphCell(ms.load(str(path)))


def sample_input(config, batch, picture=None):
    """(image, image_meta) Tensors of one picture, repeated."""
    pixels = read_picture(picture) if picture is not None else draw_picture((320, 240), "hidden", 1)[0]
    placement = place_plainly(*pixels.shape[:2], config)
    image = place_picture(pixels, placement, config)
    return Tensor(np.repeat(image[None], batch, 0)), Tensor(
        np.repeat(np.asarray(placement.meta, np.float32)[None], batch, 0)
    )


def compare(wanted, given, name):
    """Raise UserError unless an exported file's outputs are the network's, to 1e-4 (boxes in pixels: 1e-2)."""
    for label, a, b in zip(OUTPUTS, wanted, given):
        worst = np.abs(a.asnumpy().astype(np.float64) - b.asnumpy().astype(np.float64)).max()
        if worst > (1e-2 if label == "boxes" else 1e-4):
            raise UserError(
                f"{name}: the exported file's {label} differ from the network's by {worst:.2g}; the file was not kept"
            )
