"""Download COCO 2017 into a folder, check it and unpack it.

    bash scripts/get_coco.sh FOLDER         pictures to train on and to evaluate on, and their annotations (20 GB)
    bash scripts/get_coco.sh FOLDER val     those to evaluate on alone, and the annotations (1 GB)

It leaves FOLDER/annotations, FOLDER/val2017 and FOLDER/train2017: coco_root=FOLDER. Room on the disk is checked first (twice the largest
archive at most is needed beside what stays). Interrupted, it goes on where it was when it is called again; what is there already is
left alone. Archives are deleted when they are unpacked.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import http.client
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from src.engine.entry import run_main
from src.errors import UserError  # noqa: E402

SOURCE = "http://images.cocodataset.org"
_BLOCK = 1 << 20


@dataclass
class Archive:
    """path: below the source; md5: as published; top: the folder it unpacks to; grows: bytes unpacked over bytes packed, rounded up."""

    path: str
    md5: str
    top: str
    grows: float

    @property
    def name(self):
        return self.path.rpartition("/")[2]


ANNOTATIONS = Archive(
    "annotations/annotations_trainval2017.zip", "f4bbac642086de4f52a3fdda2de5fa2c", "annotations", 3.5
)
VAL = Archive("zips/val2017.zip", "442b8da7639aecaf257c1dceb8ba8c80", "val2017", 1.02)
TRAIN = Archive("zips/train2017.zip", "cced6f7f71b7629ddf16f17bbcfab6b2", "train2017", 1.02)


class Meter:
    """How far a long work is, on standard error: on a terminal in place, else a line now and then."""

    def __init__(self, what, total, unit=1e6, name="MB"):
        self.what, self.total, self.unit, self.name = what, total, unit, name
        self.live = sys.stderr.isatty()
        self.start = self.shown = time.monotonic()
        self.begun = None

    def show(self, done, last=False):
        self.begun = done if self.begun is None else self.begun
        now = time.monotonic()
        if not last and now - self.shown < (0.5 if self.live else 60):
            return
        self.shown = now
        rate = (done - self.begun) / max(now - self.start, 1e-9)
        left = f", {(self.total - done) / rate:.0f} s left" if rate and self.total and not last else ""
        total = f" of {self.total / self.unit:.0f}" if self.total else ""
        print(
            f"{self.what}: {done / self.unit:.0f}{total} {self.name}{left}",
            end="\033[K\r" if self.live and not last else "\n",
            file=sys.stderr,
            flush=True,
        )


def size_on_server(url, timeout):
    """Bytes of a file on the server."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=timeout) as answer:
            return int(answer.headers["Content-Length"])
    except (OSError, http.client.HTTPException, TypeError, ValueError) as error:
        raise UserError(f"{url}: {_reason(error)}") from None


def download(url, file, size, timeout=60, tries=6):
    """Download to `file`, going on at what it holds already. Raises UserError when `tries` attempts in a row brought nothing."""
    meter, failed = Meter(f"downloading {url.rpartition('/')[2]}", size), 0
    while (there := file.stat().st_size if file.exists() else 0) != size:
        if there > size:
            file.unlink()
            continue
        try:
            _attempt(url, file, there, meter, timeout)
            reason = "the connection was cut"
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            reason = _reason(error)
        failed = failed + 1 if file.exists() and file.stat().st_size <= there or not file.exists() else 0
        if failed == tries:
            raise UserError(
                f"{url}: {reason}; call the command again to go on at {there / 1e6:.0f} of {size / 1e6:.0f} MB"
            )
        if failed:
            time.sleep(min(2**failed / 4, 8))
    meter.show(size, last=True)


def _attempt(url, file, there, meter, timeout):
    request = urllib.request.Request(url, headers={"Range": f"bytes={there}-"} if there else {})
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        goes_on = answer.status == 206
        with open(
            file, "ab" if goes_on else "wb"
        ) as out:  # a server that knows no ranges sends all of it again
            done = there if goes_on else 0
            while True:
                block = answer.read1(_BLOCK)
                if not block:
                    return
                try:
                    out.write(block)
                    out.flush()
                except OSError as error:
                    raise UserError(
                        f"cannot write {file}: {error.strerror}; what is there is kept: make room and call the command again"
                    ) from None
                done += len(block)
                meter.show(done)


def check(file, md5, url):
    """Raises UserError, and deletes the file, unless it is what was published."""
    digest, meter = hashlib.md5(), Meter(f"checking {file.name}", file.stat().st_size)
    with open(file, "rb") as data:
        for block in iter(lambda: data.read(_BLOCK), b""):
            digest.update(block)
            meter.show(data.tell())
    if digest.hexdigest() != md5:
        file.unlink()
        raise UserError(
            f"{url}: the file's md5 is {digest.hexdigest()} instead of {md5}, so it was damaged on its way; it is deleted: call the "
            "command again"
        )


def unpack(file, top, folder):
    """Unpack an archive's folder `top` into `folder`: beside it first, so that half an archive never looks like a whole one."""
    beside = folder / f".{top}.unpacking"
    shutil.rmtree(beside, ignore_errors=True)
    try:
        with zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if member.filename.startswith(f"{top}/")]
            if not members:
                raise UserError(f"{file}: holds no folder {top}")
            meter = Meter(f"unpacking {top}", len(members), 1, "files")
            for number, member in enumerate(members):
                archive.extract(member, beside)
                meter.show(number + 1, last=number + 1 == len(members))
        if not (folder / top).exists():
            os.rename(beside / top, folder / top)
        else:
            for path in sorted((beside / top).iterdir()):
                os.replace(path, folder / top / path.name)
    except zipfile.BadZipFile as error:
        raise UserError(f"{file}: {error}") from None
    except OSError as error:
        raise UserError(
            f"cannot unpack {file.name} to {folder}: {error.strerror or error}; the archive is kept: make room and call the command "
            "again"
        ) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def get(folder, archives, source, timeout=60):
    """Bring the archives' folders below `folder`; one process at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".get_coco.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another get_coco.sh works in {folder}") from None
        missing = [archive for archive in archives if not _is_there(folder, archive)]
        for archive in archives:
            if archive not in missing:
                print(f"{archive.top}: is there already")
        sizes = {archive.name: size_on_server(f"{source}/{archive.path}", timeout) for archive in missing}
        _check_space(folder, missing, sizes)
        for archive in missing:
            url, file = f"{source}/{archive.path}", folder / f"{archive.name}.part"
            download(url, file, sizes[archive.name], timeout)
            check(file, archive.md5, url)
            unpack(file, archive.top, folder)
            _mark(folder, archive).write_text(archive.md5 + "\n", encoding="ascii")
            file.unlink()
            print(f"{archive.top}: {sum(1 for _ in (folder / archive.top).iterdir())} files", flush=True)


def _mark(folder, archive):
    return folder / f".{archive.top}.md5"


def _is_there(folder, archive):
    with contextlib.suppress(OSError):
        return (folder / archive.top).is_dir() and _mark(folder, archive).read_text().strip() == archive.md5
    return False


def _check_space(folder, archives, sizes):
    """UserError where the disk has less room than archive after archive is going to need."""
    stays, most = 0, 0
    for archive in archives:
        size, part = sizes[archive.name], folder / f"{archive.name}.part"
        there = part.stat().st_size if part.exists() else 0
        most = max(most, stays + size + size * archive.grows - there)
        stays += size * archive.grows - there
    free = shutil.disk_usage(folder).free
    if most > free:
        raise UserError(
            f"{folder}: {most / 1e9:.1f} GB are needed while archives are unpacked, {free / 1e9:.1f} GB are free; make room, or name a "
            "folder on another disk"
        )


def _reason(error):
    if isinstance(error, urllib.error.HTTPError):
        return f"{error.code} {error.reason}"
    error = getattr(error, "reason", None) or error
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__


def main():
    parser = argparse.ArgumentParser(
        prog="get_coco.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("what", nargs="?", choices=("val", "all"), default="all")
    parser.add_argument(
        "--source", default=SOURCE, metavar="URL", help="a server with the same paths (default: %(default)s)"
    )
    parser.add_argument(
        "--md5",
        action="append",
        default=[],
        metavar="NAME=MD5",
        help="another checksum, for a server that packs otherwise",
    )
    args = parser.parse_args()
    archives = [ANNOTATIONS, VAL] + [TRAIN] * (args.what == "all")
    for word in args.md5:
        name, _, md5 = word.partition("=")
        chosen = [archive for archive in (ANNOTATIONS, VAL, TRAIN) if archive.name == name]
        if not chosen or len(md5) != 32:
            raise UserError(
                f"--md5 {word}: NAME=MD5 expected, NAME being one of annotations_trainval2017.zip, val2017.zip, train2017.zip"
            )
        chosen[0].md5 = md5
    try:
        get(args.folder, archives, args.source.rstrip("/"))
    except KeyboardInterrupt:
        print("stopped; call the command again to go on", file=sys.stderr)
        return 130
    except OSError as error:
        raise UserError(f"{args.folder}: {error.strerror or error}") from None
    return 0


if __name__ == "__main__":
    run_main(main)
