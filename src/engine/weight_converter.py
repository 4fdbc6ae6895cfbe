"""Weights of other projects to a checkpoint, and a checkpoint to torchvision."""

from __future__ import annotations

from pathlib import Path

from mindspore import Tensor

from ..errors import CheckpointError
from ..maskrcnn.build import build_network, norm_kind
from ..weights.checkpoint_file import write_checkpoint
from ..weights.checkpoint_settings import CAUTION, network_settings
from ..weights.convert import BACKBONE_KEYS, convert_weights
from ..weights.loading import load_backbone, load_network
from ..weights.writers import to_torchvision, write_state_dict

# What is worth showing of the settings that a converted file carries
SHOWN = (
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


def convert(config, source, out, scheme="auto", target="mindspore"):
    """Convert the file `source` to `out`, a .ckpt or torchvision's state_dict; returns the written Paths.

    scheme: whose names the file has, 'auto' to recognise them. The weights are loaded strictly into the
    network they claim to be of, so that nothing is written that could not be used. Raises CheckpointError,
    ConfigError.
    """
    if target == "mindspore" and Path(out).suffix != ".ckpt":
        raise CheckpointError(f"{out}: a name that ends in .ckpt expected")
    weights = convert_weights(source, config, scheme)
    if target == "mindspore" and weights.is_own_checkpoint:
        raise CheckpointError(
            f"{source}: is a checkpoint of this project already; --to torchvision turns it into torchvision's"
        )
    if target == "torchvision" and not weights.is_whole_model:
        raise CheckpointError(
            f"{source}: holds a backbone alone; torchvision's Mask R-CNN needs a whole model"
        )
    print(
        f"{source}: {weights.description}",
        *weights.remarks,
        *filter(None, [weights.caution]),
        sep="\n  ",
        flush=True,
    )
    config = weights.config
    network = build_network(config, loads_weights=True)
    (load_network if weights.is_whole_model else load_backbone)(
        network, weights.entries, source, weights.name_in_file
    )
    kind = norm_kind(config, True)
    settings = network_settings(config, kind)
    entries = {
        name: parameter
        for name, parameter in network.parameters_dict().items()
        if weights.is_whole_model or name in weights.entries
    }
    if target == "torchvision":
        state, lines = to_torchvision(
            {name: parameter.asnumpy() for name, parameter in entries.items()}, config, kind, source
        )
        written = write_state_dict(state, settings, out)
        print(*(f"wrote {path}" for path in written), *lines, sep="\n", flush=True)
        return written
    if not weights.is_whole_model:
        settings = {name: settings[name] for name in BACKBONE_KEYS}
    if weights.caution:
        settings[CAUTION] = weights.caution
    write_checkpoint(
        out, {name: Tensor(parameter.asnumpy()) for name, parameter in entries.items()}, settings
    )
    print(
        f"wrote {out}; it carries "
        + ", ".join(f"{name}={_shown(settings[name])}" for name in SHOWN if name in settings),
        flush=True,
    )
    return [Path(out)]


def _shown(value):
    return list(value) if isinstance(value, tuple) else value
