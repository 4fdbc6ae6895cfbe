"""Makes docs/configuration.md from the keys.

python -m src.settings.documentation > docs/configuration.md
"""

from __future__ import annotations

from typing import List

from .keys import GROUPS
from .keys.coco_classes import COCO_CLASSES
from .keys.key import Key, describe_kind, describe_range

HEAD = """# Configuration

This page is made from `src/settings/keys/` by `python -m src.settings.documentation`; a test holds the two
equal. `python train.py --keys` prints the same list.

Every command takes `--config FILE` (YAML) and `KEY=VALUE` words:

    python train.py --config configs/nuclei.yaml coco_root=/data/nuclei roi_layer="{sample_num: 2}"

The file overrides the defaults, and the words override the file. A value after `=` is read as YAML; `none`
unsets a key whose default is none. An unknown key is an error that names the nearest one.

- *derived*: the key follows from others. It may be written, but only with the value that follows.
- *in checkpoints*: the value travels with the weights, and whoever loads them takes it from there. Another
  value is an error, except for the canvas.
- *exported*: an exported ONNX file fixes the value.
"""


def configuration_page() -> str:
    """The whole page as Markdown."""
    parts = [HEAD]
    for group in GROUPS:
        title, _, rest = group.__doc__.partition(".")
        parts.append(f"\n## {title.strip()}\n")
        parts.append("\n| Key | Default | Values | Meaning |\n|---|---|---|---|\n")
        parts.extend(_row(key) for key in group.KEYS)
    return "".join(parts)


def _row(key: Key) -> str:
    cells = [f"`{key.name}`", _default(key), _values(key), "; ".join(_remarks(key))]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _default(key: Key) -> str:
    if key.default is None:
        return "none"
    if key.default == COCO_CLASSES:
        return "COCO's 80"
    if isinstance(key.default, float) and 0 < key.default < 1:
        inverse = round(1 / key.default)
        if len(str(key.default)) > 8 and key.default == 1 / inverse:
            return f"1/{inverse}"
    return f"`{_plain(key.default)}`"


def _plain(value):
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value


def _values(key: Key) -> str:
    if key.choices:
        return ", ".join(f"`{choice}`" for choice in key.choices)
    return ", ".join(filter(None, (describe_kind(key.type), describe_range(key))))


def _remarks(key: Key) -> List[str]:
    remarks = [key.meaning]
    if key.derived is not None:
        origin = key.derived_from.partition("=")[0]
        remarks.append(f"*derived* from {origin}")
    if key.alias is not None:
        remarks.append(f"same as `{key.alias}`")
    if key.network or key.canvas:
        remarks.append("*in checkpoints*")
    if key.exported:
        remarks.append("*exported*")
    return remarks


if __name__ == "__main__":
    print(configuration_page(), end="")
