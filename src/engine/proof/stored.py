"""What an exported file holds: read for `export.py --show`, and the proof that is stored in an ONNX file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Union

from ...errors import ConfigError
from ...interpreter import TRAINING_MODULES, modules_problem
from ...onnx_graph.runtime import ORIGIN_ENTRY, PROOF_ENTRY, OnnxNetwork, is_onnx
from ...weights.checkpoint_settings import SETTINGS_ENTRY
from ..inference.exported_files import is_mindir, read_mindir_text
from .proof_lines import proof_lines, read_proof

_INDENT = "  "


def store_in_onnx(path: Path, proof: Mapping[str, Any]) -> None:
    """Add a proof (`Proof.as_dict`) to an ONNX file's metadata."""
    import onnx  # not at the top: who only reads a file need not have it

    model = onnx.load(str(path))
    entries = {entry.key: entry.value for entry in model.metadata_props}
    entries[PROOF_ENTRY] = json.dumps(dict(proof))
    onnx.helper.set_model_props(model, entries)
    onnx.save_model(model, str(path))


def show(path: Union[str, Path]) -> None:
    """Print what an exported file holds.

    Raises:
        ConfigError: It is no ONNX or MINDIR file, or a MINDIR file and MindSpore is not installed.
        CheckpointError: It cannot be read, or is not of this project.
        DataError: The proof beside it is of another file.
    """
    path = Path(path)
    if is_onnx(path):
        lines, proof = _onnx_lines(path)
    elif is_mindir(path):
        problem = modules_problem(TRAINING_MODULES)
        if problem is not None:
            raise ConfigError(f"--show {path}: reading a MINDIR file needs MindSpore, and {problem}")
        lines, proof = _mindir_lines(path)
    else:
        raise ConfigError(f"--show {path}: an ONNX or MINDIR file of export.py expected (.onnx, .mindir)")
    print("\n".join([f"{path}: {path.stat().st_size / 2**20:.1f} MiB", *lines]))
    if proof is None:
        print("proof: none (export.py --prove makes one)")
    else:
        print("\n".join(["proof:", *(_INDENT + line for line in proof_lines(proof))]), flush=True)


def _onnx_lines(path: Path):
    network = OnnxNetwork(path)
    session = network.session
    lines = ["format: ONNX"]
    for title, values in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
        lines.append(f"{title}:")
        lines += [f"{_INDENT}{value.name}: {value.type} {value.shape}" for value in values]
    lines += _origin_lines(json.loads(network.metadata.get(ORIGIN_ENTRY, "{}")))
    lines += _settings_lines(network.settings)
    stored = network.metadata.get(PROOF_ENTRY)
    return lines, read_proof(path) if stored is None else json.loads(stored)


def _mindir_lines(path: Path):
    text = read_mindir_text(path)
    settings = dict(text[SETTINGS_ENTRY])
    batch = settings.pop("batch")
    size = f"{settings['img_height']}, {settings['img_width']}"
    lines = ["format: MINDIR", "inputs:"]
    lines += [f"{_INDENT}image: uint8 [{batch}, {size}, 3]", f"{_INDENT}image_meta: float32 [{batch}, 6]"]
    lines += _origin_lines(text.get(ORIGIN_ENTRY, {}))
    return lines + _settings_lines(settings), read_proof(path)


def _origin_lines(origin: Mapping[str, str]) -> List[str]:
    return ["made of and with:", *(f"{_INDENT}{name}: {value}" for name, value in origin.items())]


def _settings_lines(settings: Mapping[str, Any]) -> List[str]:
    names: Optional[List[str]] = settings.get("coco_classes")
    lines = ["classes:"]
    lines.append(_INDENT + (", ".join(names[1:]) if isinstance(names, list) else str(names)))
    rest: Dict[str, Any] = {name: value for name, value in settings.items() if name != "coco_classes"}
    return [*lines, "settings:", *(f"{_INDENT}{name}: {json.dumps(value)}" for name, value in rest.items())]
