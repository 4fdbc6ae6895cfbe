"""How a network is served: address, token, limits. Standard library only."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Optional

from ..errors import ConfigError, UserError

# Module and package of the extra `serve`.
_PACKAGES = {
    "starlette": "starlette",
    "uvicorn": "uvicorn",
    "python_multipart": "python-multipart",
    "prometheus_client": "prometheus-client",
}
_SHORTEST_TOKEN = 16  # characters


@dataclass(frozen=True)
class ServingSettings:
    """How a network is served. Times are in seconds.

    Attributes:
        host: The address that is listened on.
        port: The port; 0: any free one.
        token: What a caller has to send as bearer token; None: nothing.
        max_batch: The largest number of pictures in a call of the network.
        batch_wait: How long a picture waits for others to join its batch.
        queue: How many requests may wait for the network; further ones are refused.
        max_bytes: The largest body of a request.
        max_pixels: The largest picture, in pixels.
        read_timeout: How long a request's headers, then its body, and at the end its answer may take.
        timeout: How long a request may wait and be worked on once it has arrived.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: Optional[str] = None
    max_batch: int = 8
    batch_wait: float = 0.005
    queue: int = 64
    max_bytes: int = 20_000_000
    max_pixels: int = 25_000_000
    read_timeout: float = 20.0
    timeout: float = 30.0

    def __post_init__(self):
        for name, lowest, highest in (
            ("port", 0, 65535),
            ("max_batch", 1, 256),
            ("batch_wait", 0, 10),
            ("queue", 1, 100_000),
            ("max_bytes", 1, 1 << 31),
            ("max_pixels", 1, 1 << 30),
            ("read_timeout", 0.1, 3600),
            ("timeout", 0.1, 3600),
        ):
            value = getattr(self, name)
            if not lowest <= value <= highest:
                option = "--" + name.replace("_", "-")
                raise ConfigError(f"{option} {value:g}: a number from {lowest:g} to {highest:g} expected")

    @property
    def slots(self) -> int:
        """How many pictures are decoded at a time: a batch in work, and the next one."""
        return 2 * self.max_batch

    @property
    def waiting_bytes(self) -> int:
        """How many bytes the bodies of all requests may hold together."""
        return 16 * self.max_bytes

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the server."""
        return self.host in ("127.0.0.1", "localhost", "::1")


def read_token(path: Optional[str]) -> Optional[str]:
    """The bearer token in a file, without the spaces and line ends around it; None where no file is named.

    Raises:
        ConfigError: The file cannot be read, or holds no token that can be sent.
    """
    if path is None:
        return None
    try:
        token = Path(path).read_text(encoding="ascii").strip()
    except OSError as error:
        raise ConfigError(f"--token-file {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"--token-file {path}: letters, digits and signs of ASCII expected") from None
    if len(token) < _SHORTEST_TOKEN or not token.isprintable() or " " in token:
        raise ConfigError(
            f"--token-file {path}: one word of at least {_SHORTEST_TOKEN} characters expected, "
            "such as `openssl rand -hex 32` writes"
        )
    return token


def require_packages(command: str = "serve.py", modules: Iterable[str] = tuple(_PACKAGES)) -> None:
    """Raise UserError naming the packages of the extra `serve` that a command needs and that are missing."""
    missing = [_PACKAGES[module] for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise UserError(f"{command} needs further packages: pip install {' '.join(missing)}")
