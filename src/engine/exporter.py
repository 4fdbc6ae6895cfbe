"""Export: the inference network as one file, checked by loading it again and running it on a real picture."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Iterator, Optional, Sequence, Tuple, Union

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from ..config import Config
from ..data.images.decode import read_picture
from ..data.images.placement import place_picture, place_plainly
from ..data.shapes.picture import draw_picture
from ..data_settings import canvas_settings
from ..errors import ConfigError, UserError
from ..maskrcnn.build import norm_kind
from ..onnx_graph.runtime import EXPORTED_KEYS, OUTPUTS, is_onnx
from ..weights.checkpoint_settings import network_settings
from . import onnx_export
from .air_export import AIR_REMARK, write_air
from .inference.exported_files import is_mindir, mindir_text
from .inference.loading import load_for_inference
from .output_folder import prepare_output_file
from .runtime.device import card_is_here, start_device

# The largest difference between an exported file's outputs and the network's.
BOX_TOLERANCE = 1e-2  # canvas pixels
TOLERANCE = 1e-4
_SUFFIXES = (".mindir", ".onnx", ".air")


def export(
    config: Config,
    file_format: str,
    out: Union[str, Path],
    batch: int = 1,
    picture: Optional[Union[str, Path]] = None,
) -> Path:
    """Write `checkpoint_path`'s network to a file and check it.

    The file takes image uint8 [batch, img_height, img_width, 3] and image_meta float32 [batch, 6] and gives
    boxes, scores, labels, found and masks as `MaskRcnn` does.

    Args:
        config: The settings.
        file_format: "MINDIR", "ONNX" or "AIR".
        out: The file; see `output_file`.
        batch: Pictures a call. An ONNX file takes any number and is checked with this one.
        picture: A picture file to check with; None: a drawn one.

    Returns:
        The path of the file.

    Raises:
        UserError: The file's outputs are not the network's.
        ConfigError: The file cannot be written here, or with these settings.
    """
    if batch < 1:
        raise ConfigError(f"--batch {batch}: a number of pictures from 1 expected")
    out = prepare_output_file(output_file(out, file_format), "--out")
    if is_onnx(config.checkpoint_path) or is_mindir(config.checkpoint_path):
        raise ConfigError(
            f"checkpoint_path={config.checkpoint_path}: an exported file already; "
            "the .ckpt that it was made of is needed"
        )
    if file_format == "ONNX":
        config = onnx_export.prepare(config)
    if file_format == "AIR" and not card_is_here():
        raise ConfigError(
            "--file-format AIR: MindSpore writes AIR on a machine with Ascend only; "
            "MINDIR can be written here"
        )
    pixels = draw_picture((320, 240), "plain", 1).image if picture is None else read_picture(picture)
    device = start_device("Ascend" if file_format == "AIR" else config.device_target)
    network, config = load_for_inference(config, device.target, exported=file_format != "ONNX")
    image, image_meta = sample_input(config, batch, pixels)
    temporary = out.with_name(f"{out.stem}.partial{out.suffix}")
    remark = ""
    try:
        if file_format == "ONNX":
            remark = onnx_export.write_onnx(network, config, image, image_meta, temporary)
        else:
            # MindSpore refuses names with letters other than ASCII's, spaces, brackets ...
            temporary = out.with_name(f"export_{os.getpid()}.partial{out.suffix}")
            with _working_folder(out.parent):
                if file_format == "AIR":
                    write_air(network, image, image_meta, temporary)
                    remark = AIR_REMARK
                else:
                    _export_mindir(network, config, image, image_meta, temporary.name)
        if file_format == "MINDIR":
            check_outputs(network(image, image_meta), load_exported(temporary)(image, image_meta), out)
            remark = ", which gives what the network gives"
        os.chmod(temporary, 0o644)  # MindSpore makes it readable by its owner only
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)
    print(f"wrote {out} ({out.stat().st_size / 2**20:.1f} MiB){remark}", flush=True)
    return out


def _export_mindir(network: nn.Cell, config: Config, image: Tensor, image_meta: Tensor, name: str) -> None:
    """Write a MINDIR file that carries the settings, for whoever runs it."""
    settings = network_settings(config, norm_kind(config, loads_weights=True))
    settings.update({key: config[key] for key in EXPORTED_KEYS})

    def add_settings(model):
        model.doc_string = mindir_text(settings, len(image))

    ms.export(network, image, image_meta, file_name=name, file_format="MINDIR", custom_func=add_settings)


def output_file(out: Union[str, Path], file_format: str) -> Path:
    """The file to write for `--out`.

    The suffix of a format (.mindir, .onnx, .air) is replaced; any other ending, as in net_v1.5, is part of
    the name. A folder, written with a slash at its end, gets the file mask_rcnn.
    """
    path = Path(out)
    if str(out).endswith(("/", os.sep)) or path.name in ("", ".."):
        path = path / "mask_rcnn"
    if path.suffix.lower() in _SUFFIXES:
        path = path.with_suffix("")
    return path.with_name(f"{path.name}.{file_format.lower()}")


@contextlib.contextmanager
def _working_folder(folder: Path) -> Iterator[None]:
    """Be in a folder for a while: a file in it can be named without the folder's name."""
    previous = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(previous)


def load_exported(path: Union[str, Path]) -> nn.Cell:
    """A MINDIR file as a network that can be called."""
    return nn.GraphCell(ms.load(str(path)))


def sample_input(config: Config, batch: int, pixels: np.ndarray) -> Tuple[Tensor, Tensor]:
    """image uint8 [batch, H, W, 3] and image_meta float32 [batch, 6] of one picture, repeated."""
    canvas = canvas_settings(config)
    placement = place_plainly(*pixels.shape[:2], canvas)
    image = place_picture(pixels, placement, canvas)
    image_meta = np.asarray(placement.meta, np.float32)
    return Tensor(np.repeat(image[None], batch, 0)), Tensor(np.repeat(image_meta[None], batch, 0))


def check_outputs(expected: Sequence[Tensor], outputs: Sequence[Tensor], name: Union[str, Path]) -> None:
    """Compare an exported file's outputs with the network's.

    Raises:
        UserError: They differ by more than the tolerance.
    """
    for label, expected_output, output in zip(OUTPUTS, expected, outputs):
        difference = expected_output.asnumpy().astype(np.float64) - output.asnumpy().astype(np.float64)
        largest = np.abs(difference).max()
        if largest > (BOX_TOLERANCE if label == "boxes" else TOLERANCE):
            raise UserError(
                f"{name}: the exported file's {label} differ from the network's by {largest:.2g}; "
                "the file was not kept"
            )
