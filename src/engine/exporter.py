"""Export: the inference network as one file, checked by loading it again and running it on real pictures."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple, Union

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from ..config import Config
from ..data.images.placement import place_picture, place_plainly
from ..data_settings import canvas_settings
from ..environment import card_is_here
from ..errors import ConfigError, UserError
from ..maskrcnn.build import norm_kind
from ..onnx_graph.runtime import EXPORTED_KEYS, FLOAT16_WEIGHTS, FLOAT32, INT8, OUTPUTS, is_onnx
from ..weights.checkpoint_settings import network_settings
from . import onnx_export
from .air_export import AIR_REMARK, write_air
from .inference.exported_files import is_mindir, mindir_text
from .inference.loading import load_for_inference
from .output_folder import prepare_output_file
from .proof.origin import file_origin
from .proof.pictures import calibration_pictures, check_pictures, names_data
from .proof.proof import ProofSettings, prove, refuse_fall
from .proof.proof_lines import proof_lines, proof_path, write_proof
from .proof.stored import store_in_onnx
from .runtime.device import start_device

# The largest difference between an exported file's outputs and the network's.
BOX_TOLERANCE = 1e-2  # canvas pixels
TOLERANCE = 1e-4
_SUFFIXES = (".mindir", ".onnx", ".air")
# The precision of the formats that are ONNX files.
_PRECISIONS = {"ONNX": FLOAT32, "ONNX_FLOAT16": FLOAT16_WEIGHTS, "ONNX_INT8": INT8}
# The formats, with the suffixes of their files and what is added to the default name.
FORMATS = {
    "MINDIR": (".mindir", ""),
    "ONNX": (".onnx", ""),
    "ONNX_FLOAT16": (".onnx", "_float16"),
    "ONNX_INT8": (".onnx", "_int8"),
    "AIR": (".air", ""),
}


@dataclass(frozen=True)
class ExportSettings:
    """What is exported, and how it is checked.

    Attributes:
        file_format: A key of FORMATS.
        out: The file; see `output_file`.
        batch: Pictures a call. An ONNX file takes any number and is checked with this one.
        picture: A picture file to check with; None: validation pictures where the configuration names some,
            else a drawn one.
        calibration: How many pictures an int8 file is calibrated with.
        files: Pictures, folders and patterns to calibrate and prove with, instead of the data set.
        proof: How the file is proved; None: it is checked only.
    """

    file_format: str
    out: Union[str, Path]
    batch: int = 1
    picture: Optional[Union[str, Path]] = None
    calibration: int = 32
    files: Sequence[str] = ()
    proof: Optional[ProofSettings] = None


def export(config: Config, settings: ExportSettings) -> Path:
    """Write `checkpoint_path`'s network to a file and check it. An earlier file is replaced by a whole one.

    The file takes image uint8 [batch, img_height, img_width, 3] and image_meta float32 [batch, 6] and gives
    boxes, scores, labels, found and masks as `MaskRcnn` does.

    Returns:
        The path of the file.

    Raises:
        UserError: The file's outputs are not the network's, or its AP is too low.
        ConfigError: The file cannot be written here, or with these settings.
    """
    file_format = settings.file_format
    _refuse_contradictions(config, settings)
    out = prepare_output_file(output_file(settings.out, file_format), "--out")
    precision = _PRECISIONS.get(file_format)
    if precision is not None:
        config = onnx_export.prepare(config, precision)
    device = start_device("Ascend" if file_format == "AIR" else config.device_target, config.jit_level)
    network, config = load_for_inference(config, device.target, exported=precision is None)
    inputs = [
        sample_input(config, settings.batch, pixels)
        for pixels in check_pictures(config, settings.picture, settings.files)
    ]
    # MindSpore refuses names with letters other than ASCII's, spaces, brackets ...
    temporary = out.with_name(f"export_{os.getpid()}.partial{out.suffix}")
    proof = None
    try:
        if precision is not None:
            calibration = ()
            if precision == INT8:
                pictures = calibration_pictures(config, settings.files, settings.calibration)
                calibration = (_named(sample_input(config, 1, pixels)) for pixels in pictures)
            remark = onnx_export.write_onnx(network, config, temporary, precision, calibration)
            expected = [_as_arrays(network(*map(Tensor, batch))) for batch in inputs]
            remark += onnx_export.check_onnx(temporary, inputs, expected, out, precision)
        else:
            origin = file_origin(config.checkpoint_path)  # its path may be relative
            with _working_folder(out.parent):
                remark = _write_mindspores_own(network, config, origin, file_format, inputs, temporary.name)
            if file_format == "MINDIR":
                exported = load_exported(temporary)
                for batch in inputs:
                    tensors = [Tensor(array) for array in batch]
                    check_outputs(network(*tensors), exported(*tensors), out)
        if settings.proof is not None:
            proof = prove(config, temporary, settings.proof, settings.files)
            print("\n".join(proof_lines(proof.as_dict())), flush=True)
            refuse_fall(proof, out)
            if precision is not None:
                store_in_onnx(temporary, proof.as_dict())
        os.chmod(temporary, 0o644)  # MindSpore makes it readable by its owner only
        proof_path(out).unlink(missing_ok=True)  # of an earlier file
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)
    print(f"wrote {out} ({out.stat().st_size / 2**20:.1f} MiB){remark}", flush=True)
    if proof is not None:
        print(f"wrote {write_proof(out, proof.as_dict())}", flush=True)
    return out


def _refuse_contradictions(config: Config, settings: ExportSettings) -> None:
    """Raises ConfigError for what cannot be exported, before anything long starts."""
    counts = {"--batch": settings.batch, "--calibration": settings.calibration}
    if settings.proof is not None and settings.proof.pictures is not None:
        counts["--pictures"] = settings.proof.pictures
    for name, value in counts.items():
        if value < 1:
            raise ConfigError(f"{name} {value}: a number of pictures from 1 expected")
    if settings.proof is not None and not 0 <= settings.proof.limit <= 1:
        raise ConfigError(f"--ap-limit {settings.proof.limit:g}: an AP from 0 to 1 expected")
    if settings.picture is not None and not Path(settings.picture).is_file():
        raise ConfigError(f"--picture {settings.picture}: no such file")
    if is_onnx(config.checkpoint_path) or is_mindir(config.checkpoint_path):
        raise ConfigError(
            f"checkpoint_path={config.checkpoint_path}: an exported file already; "
            "the .ckpt that it was made of is needed"
        )
    file_format = settings.file_format
    if file_format == "AIR" and not card_is_here():
        raise ConfigError(
            "--file-format AIR: MindSpore writes AIR on a machine with Ascend only; "
            "MINDIR can be written here"
        )
    if file_format == "AIR" and config.jit_level not in ("auto", "O2"):
        raise ConfigError(f"jit_level={config.jit_level}: CANN's graph engine writes AIR files, which is O2")
    if file_format == "AIR" and settings.proof is not None:
        raise ConfigError("--prove: nothing here can run an AIR file; prove a MINDIR file of the checkpoint")
    if (
        settings.proof is not None
        and file_format in _PRECISIONS
        and not importlib.util.find_spec("onnxruntime")
    ):
        raise ConfigError("--prove runs the file, which needs ONNX Runtime: pip install onnxruntime")
    if file_format == "ONNX_INT8" and not settings.files and not names_data(config):
        raise ConfigError(
            "--file-format ONNX_INT8 is calibrated with pictures like those that the network will see: "
            "write coco_root=FOLDER, or name pictures or folders of pictures"
        )
    if settings.files and settings.proof is None and file_format != "ONNX_INT8":
        raise ConfigError(f"{settings.files[0]}: pictures are for --prove and ONNX_INT8; --picture checks")


def _write_mindspores_own(
    network: nn.Cell,
    config: Config,
    origin: Dict[str, str],
    file_format: str,
    inputs: Sequence[Tuple[np.ndarray, np.ndarray]],
    name: str,
) -> str:
    """Write a MINDIR or AIR file into the current folder; returns a remark for the user."""
    image, image_meta = (Tensor(array) for array in inputs[0])
    if file_format == "AIR":
        write_air(network, image, image_meta, Path(name))
        return AIR_REMARK
    _export_mindir(network, config, origin, image, image_meta, name)
    return ", which gives what the network gives"


def _named(batch: Tuple[np.ndarray, np.ndarray]) -> Dict[str, np.ndarray]:
    return dict(zip(("image", "image_meta"), batch))


def _as_arrays(outputs: Sequence[Tensor]) -> List[np.ndarray]:
    return [output.asnumpy() for output in outputs]


def _export_mindir(
    network: nn.Cell, config: Config, origin: Dict[str, str], image: Tensor, image_meta: Tensor, name: str
) -> None:
    """Write a MINDIR file that carries the settings, for whoever runs it."""
    settings = network_settings(config, norm_kind(config, loads_weights=True))
    settings.update({key: config[key] for key in EXPORTED_KEYS})

    def add_settings(model):
        model.doc_string = mindir_text(settings, len(image), origin)

    ms.export(network, image, image_meta, file_name=name, file_format="MINDIR", custom_func=add_settings)


def output_file(out: Optional[Union[str, Path]], file_format: str) -> Path:
    """The file to write for `--out`; None: mask_rcnn, with what tells its format apart.

    The suffix of a format (.mindir, .onnx, .air) is replaced; any other ending, as in net_v1.5, is part of
    the name. A folder, written with a slash at its end, gets the file mask_rcnn.
    """
    suffix, addition = FORMATS[file_format]
    path = Path("" if out is None else out)
    if out is None or str(out).endswith(("/", os.sep)) or path.name in ("", ".."):
        path = path / f"mask_rcnn{addition}"
    if path.suffix.lower() in _SUFFIXES:
        path = path.with_suffix("")
    return path.with_name(f"{path.name}{suffix}")


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


def sample_input(config: Config, batch: int, pixels: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """image uint8 [batch, H, W, 3] and image_meta float32 [batch, 6] of one picture, repeated."""
    canvas = canvas_settings(config)
    placement = place_plainly(*pixels.shape[:2], canvas)
    image = place_picture(pixels, placement, canvas)
    image_meta = np.asarray(placement.meta, np.float32)
    return np.repeat(image[None], batch, 0), np.repeat(image_meta[None], batch, 0)


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
