"""Weights of other projects to a checkpoint, and a checkpoint to torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, Mapping, Union

from mindspore import Parameter, Tensor

from ..config import Config
from ..errors import CheckpointError
from ..maskrcnn.build import build_network, norm_kind
from ..weights.checkpoint_file import write_checkpoint
from ..weights.checkpoint_settings import CAUTION, network_settings
from ..weights.convert import BACKBONE_KEYS, convert_weights
from ..weights.loading import load_backbone, load_network
from ..weights.writers import to_torchvision, write_state_dict
from .output_folder import prepare_output_file, prepare_output_folder

# The settings of a converted file that are printed.
SHOWN_KEYS = (
    "channel_order",
    "img_mean",
    "img_std",
    "norm_eps",
    "stride_in_1x1",
    "roi_align_aligned",
    "anchor_round",
    "resize",
    "img_height",
    "img_width",
)


def convert(
    config: Config,
    source: Union[str, Path],
    out: Union[str, Path],
    scheme: str = "auto",
    target: str = "mindspore",
) -> List[Path]:
    """Convert a weights file to a checkpoint, or to torchvision's state_dict.

    All weights are loaded into the network that they are for before anything is written, so that a written
    file can be used.

    Args:
        config: Settings that the user wrote; they replace those of the file or of its project.
        source: The file to read.
        out: The file to write.
        scheme: Whose names the file has (a name of SCHEMES); 'auto': recognise them.
        target: "mindspore" or "torchvision".

    Returns:
        The paths of the written files.

    Raises:
        CheckpointError: The file cannot be read, is not complete, or `out` has a wrong suffix.
        ConfigError: The settings contradict the file, or `out` cannot be written.
    """
    if target == "mindspore" and Path(out).suffix != ".ckpt":
        raise CheckpointError(f"{out}: a name that ends in .ckpt expected")
    if target == "mindspore":
        prepare_output_file(out)
    else:
        prepare_output_folder(Path(out).parent)  # a suffix is added to the name, or two
    weights = convert_weights(source, config, scheme)
    if target == "mindspore" and weights.is_own_checkpoint:
        raise CheckpointError(
            f"{source}: is a checkpoint of this project already; --to torchvision turns it into torchvision's"
        )
    if target == "torchvision" and not weights.is_whole_model:
        raise CheckpointError(
            f"{source}: holds a backbone alone; torchvision's Mask R-CNN needs a whole model"
        )
    lines = [f"{source}: {weights.description}", *weights.remarks]
    if weights.caution:
        lines.append(weights.caution)
    print("\n  ".join(lines), flush=True)
    config = weights.config
    network = build_network(config, loads_weights=True)
    load = load_network if weights.is_whole_model else load_backbone
    load(network, weights.entries, source, weights.name_in_file)
    kind = norm_kind(config, True)
    settings = network_settings(config, kind)
    entries = {
        name: parameter
        for name, parameter in network.parameters_dict().items()
        if weights.is_whole_model or name in weights.entries
    }
    if target == "torchvision":
        arrays = {name: parameter.asnumpy() for name, parameter in entries.items()}
        state_dict, lines = to_torchvision(arrays, config, kind, source)
        written = write_state_dict(state_dict, settings, out)
        print("\n".join([*(f"wrote {path}" for path in written), *lines]), flush=True)
        return written
    if not weights.is_whole_model:
        settings = {name: settings[name] for name in BACKBONE_KEYS}
    if weights.caution:
        settings[CAUTION] = weights.caution
    return [_write_converted(out, entries, settings)]


def _write_converted(
    out: Union[str, Path], entries: Mapping[str, Parameter], settings: Mapping[str, Any]
) -> Path:
    write_checkpoint(
        out, {name: Tensor(parameter.asnumpy()) for name, parameter in entries.items()}, settings
    )
    shown = [f"{name}={_as_list(settings[name])}" for name in SHOWN_KEYS if name in settings]
    print(f"wrote {out}; it carries {', '.join(shown)}", flush=True)
    return Path(out)


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
