"""The options of export.py: those that do nothing are refused, those not given get their defaults."""

from __future__ import annotations

import argparse
from typing import Any, Dict

from ...errors import ConfigError

_CALIBRATED = "ONNX_INT8"
DEFAULTS: Dict[str, Any] = {"file_format": "MINDIR", "batch": 1, "ap_limit": 0.01, "calibration": 32}
_OF_A_PROOF = ("pictures", "ap_limit")
_OF_AN_EXPORT = ("file_format", "out", "batch", "picture", "prove", *_OF_A_PROOF, "calibration")


def complete_options(args: argparse.Namespace) -> None:
    """Fill in the defaults of the options that were not given, which are None.

    Raises:
        ConfigError: An option or a picture was given that does nothing without another option.
    """
    if args.show is not None:
        given = [name for name in _OF_AN_EXPORT if not _is_absent(getattr(args, name))]
        for word in (*map(_written, given), *args.files):
            raise ConfigError(
                f"{word}: --show prints what {args.show} holds, and exports nothing; leave it out"
            )
    for name in _OF_A_PROOF:
        if getattr(args, name) is not None and not args.prove:
            raise ConfigError(f"{_written(name)} is for --prove: add --prove, or leave it out")
    if args.calibration is not None and args.file_format != _CALIBRATED:
        file_format = args.file_format or DEFAULTS["file_format"]
        raise ConfigError(
            f"--calibration is for --file-format {_CALIBRATED}; {file_format} is not calibrated: leave it out"
        )
    if args.picture is not None and args.file_format == "AIR":
        raise ConfigError("--picture: nothing here can run an AIR file to check it; leave it out")
    for name, value in DEFAULTS.items():
        if getattr(args, name) is None:
            setattr(args, name, value)


def _is_absent(value: Any) -> bool:
    return value is None or value is False  # not 0, which was written


def _written(name: str) -> str:
    return f"--{name.replace('_', '-')}"
