"""What the command line of serve.py asks for."""

from __future__ import annotations

import argparse

from ..config import Config, changed
from ..errors import ConfigError
from ..predictor import Predictor
from ..web.settings import ServingSettings, read_token, require_packages


def serve_model(config: Config, args: argparse.Namespace) -> int:
    """Serve the network that a command line names, until a signal ends it; returns the exit code.

    Args:
        config: The settings.
        args: `files` names the network, unless `checkpoint_path` does; the rest is in ServingSettings.

    Raises:
        ConfigError: No file or several are named, an option has a wrong value, or the address is in use.
        UserError: Packages are missing, or the network cannot be opened.
    """
    words = [config.checkpoint_path] if config.checkpoint_path else []
    words += args.files
    if len(words) != 1:
        raise ConfigError(
            f"{len(words) or 'no'} files are named: serve.py MODEL, one .onnx, .ckpt or .mindir"
        )
    config = changed(config, checkpoint_path=words[0])
    settings = ServingSettings(
        host=args.host,
        port=args.port,
        token=read_token(args.token_file),
        max_batch=args.max_batch,
        batch_wait=args.batch_wait,
        queue=args.queue,
        max_bytes=args.max_bytes,
        max_pixels=args.max_pixels,
        read_timeout=args.read_timeout,
        timeout=args.timeout,
    )
    require_packages()
    from .server import serve

    return serve(lambda: Predictor.from_config(config), words[0], settings)
