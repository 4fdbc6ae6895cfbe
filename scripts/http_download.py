"""Downloads that continue where they were interrupted, and their progress. Standard library only."""

from __future__ import annotations

import hashlib
import http.client
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from src.errors import UserError

BLOCK = 1 << 20


class Meter:
    """How far a long job is, on standard error: in place on a terminal, else a line a minute.

    Args:
        what: What is being done.
        total: Its whole amount.
        unit: What of the amount is shown as 1.
        name: The name of that.
    """

    def __init__(self, what: str, total: int, unit: float = 1e6, name: str = "MB"):
        self.what = what
        self.total = total
        self.unit = unit
        self.name = name
        self.is_terminal = sys.stderr.isatty()
        self.started = time.monotonic()
        self.last_shown = self.started
        self.first_amount = None

    def show(self, amount: int, is_last: bool = False) -> None:
        if self.first_amount is None:
            self.first_amount = amount
        now = time.monotonic()
        if not is_last and now - self.last_shown < (0.5 if self.is_terminal else 60):
            return
        self.last_shown = now
        per_second = (amount - self.first_amount) / max(now - self.started, 1e-9)
        left = ""
        if per_second and self.total and not is_last:
            left = f", {(self.total - amount) / per_second:.0f} s left"
        total = f" of {self.total / self.unit:.0f}" if self.total else ""
        print(
            f"{self.what}: {amount / self.unit:.0f}{total} {self.name}{left}",
            end="\033[K\r" if self.is_terminal and not is_last else "\n",
            file=sys.stderr,
            flush=True,
        )


def size_on_server(url: str, timeout: float) -> int:
    """The size of a file on the server, in bytes."""
    request = urllib.request.Request(url, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return int(response.headers["Content-Length"])
    except (OSError, http.client.HTTPException, TypeError, ValueError) as error:
        raise UserError(f"{url}: {_reason(error)}") from None


def download(url: str, file: Path, size: int, timeout: float = 60, tries: int = 6) -> None:
    """Download to `file`, after what it holds already.

    Raises:
        UserError: `tries` attempts one after the other brought nothing.
    """
    meter = Meter(f"downloading {url.rpartition('/')[2]}", size)
    failures = 0
    while (present := _size_of(file)) != size:
        if present > size:
            file.unlink()
            continue
        try:
            _download_rest(url, file, present, meter, timeout)
            reason = "the connection was cut"
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            reason = _reason(error)
        failures = 0 if _size_of(file) > present else failures + 1
        if failures == tries:
            raise UserError(
                f"{url}: {reason}; call the command again to go on at "
                f"{present / 1e6:.0f} of {size / 1e6:.0f} MB"
            )
        if failures:
            time.sleep(min(2**failures / 4, 8))
    meter.show(size, is_last=True)


def _size_of(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _download_rest(url: str, file: Path, present: int, meter: Meter, timeout: float) -> None:
    headers = {"Range": f"bytes={present}-"} if present else {}
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=timeout) as response:
        continues = response.status == 206  # a server without ranges sends the whole file again
        done = present if continues else 0
        with open(file, "ab" if continues else "wb") as out:
            while True:
                block = response.read1(BLOCK)
                if not block:
                    return
                try:
                    out.write(block)
                    out.flush()
                except OSError as error:
                    raise UserError(
                        f"cannot write {file}: {error.strerror}; what is there is kept: "
                        "make room and call the command again"
                    ) from None
                done += len(block)
                meter.show(done)


def check_md5(file: Path, md5: str, url: str) -> None:
    """Compare a file's checksum with the published one.

    Raises:
        UserError: They differ; the file is deleted.
    """
    digest = hashlib.md5()
    meter = Meter(f"checking {file.name}", file.stat().st_size)
    with open(file, "rb") as data:
        for block in iter(lambda: data.read(BLOCK), b""):
            digest.update(block)
            meter.show(data.tell())
    if digest.hexdigest() != md5:
        file.unlink()
        raise UserError(
            f"{url}: the file's md5 is {digest.hexdigest()} instead of {md5}, so it was damaged on its way; "
            "it is deleted: call the command again"
        )


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"{error.code} {error.reason}"
    error = getattr(error, "reason", None) or error
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
