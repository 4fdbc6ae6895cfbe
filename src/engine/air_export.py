"""Export to AIR, the file of CANN's graph engine (ATC and MindX take it)."""

from __future__ import annotations

from pathlib import Path

import mindspore as ms
from mindspore import Tensor, nn

from ..errors import UserError
from ..maskrcnn.norms import compose_group_norms

AIR_REMARK = "; nothing here can load an AIR file, so it was not compared with the network"


def write_air(network: nn.Cell, image: Tensor, image_meta: Tensor, path: Path) -> None:
    """Write a network in evaluation mode to an AIR file. Afterwards this process compiles at jit_level O2.

    Args:
        network: The network, in its exported form.
        image, image_meta: An input of the shapes that the file will take.
        path: The file, in the current folder. MindSpore refuses names with other letters than ASCII's, spaces
            or brackets.

    Raises:
        UserError: MindSpore could not write it.
    """
    # Only the graph engine makes AIR. At another level, the default on Atlas A2, MindSpore builds no graph of
    # its kind, and misses the file in the end.
    ms.set_context(jit_config={"jit_level": "O2"})
    compose_group_norms(network)
    try:
        ms.export(network, image, image_meta, file_name=path.name, file_format="AIR")
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise UserError(
            f"--file-format AIR: MindSpore could not write the file ({type(error).__name__}: {reason}); its "
            "lines above may name the operators; the other way to an Ascend device is MINDIR with MindSpore "
            "Lite's converter (docs/export.md)"
        ) from None
