"""Download COCO 2017 into a folder, check it and unpack it.

    bash scripts/get_coco.sh FOLDER         pictures to train and to evaluate on, annotations (20 GB)
    bash scripts/get_coco.sh FOLDER val     only the pictures to evaluate on, annotations (1 GB)

It makes FOLDER/annotations, FOLDER/val2017 and FOLDER/train2017: coco_root=FOLDER. The space on the disk is
checked first: besides what stays, at most twice the largest archive is needed. After an interruption call it
again: it goes on where it was, and leaves alone what is there already. Archives are deleted when they are
unpacked.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Sequence

from scripts.http_download import Meter, check_md5, download, size_on_server
from src.engine.entry import run_main
from src.errors import UserError

SOURCE = "http://images.cocodataset.org"


@dataclass
class Archive:
    """One of COCO's archives.

    Attributes:
        path: Its path on the server.
        md5: Its checksum, as published.
        top: The folder that it unpacks to.
        growth: The size unpacked, divided by the size packed, rounded up.
    """

    path: str
    md5: str
    top: str
    growth: float

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


ANNOTATIONS = Archive(
    "annotations/annotations_trainval2017.zip", "f4bbac642086de4f52a3fdda2de5fa2c", "annotations", 3.5
)
VAL = Archive("zips/val2017.zip", "442b8da7639aecaf257c1dceb8ba8c80", "val2017", 1.02)
TRAIN = Archive("zips/train2017.zip", "cced6f7f71b7629ddf16f17bbcfab6b2", "train2017", 1.02)


def get(folder: Path, archives: Sequence[Archive], source: str, timeout: float = 60) -> None:
    """Download and unpack archives into `folder`; one process at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".get_coco.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another get_coco.sh works in {folder}") from None
        missing = []
        for archive in archives:
            if _is_there(folder, archive):
                print(f"{archive.top}: is there already")
            else:
                missing.append(archive)
        sizes = {archive.name: size_on_server(f"{source}/{archive.path}", timeout) for archive in missing}
        _check_space(folder, missing, sizes)
        for archive in missing:
            url = f"{source}/{archive.path}"
            file = folder / f"{archive.name}.part"
            download(url, file, sizes[archive.name], timeout)
            check_md5(file, archive.md5, url)
            unpack(file, archive.top, folder)
            _mark(folder, archive).write_text(archive.md5 + "\n", encoding="ascii")
            file.unlink()
            print(f"{archive.top}: {sum(1 for _ in (folder / archive.top).iterdir())} files", flush=True)


def unpack(file: Path, top: str, folder: Path) -> None:
    """Unpack an archive's folder `top` into `folder`.

    It is unpacked into a hidden folder first and moved then, so that a part of an archive never looks like
    all of it.
    """
    unpacked = folder / f".{top}.unpacking"
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        with zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if member.filename.startswith(f"{top}/")]
            if not members:
                raise UserError(f"{file}: holds no folder {top}")
            meter = Meter(f"unpacking {top}", len(members), 1, "files")
            for number, member in enumerate(members, 1):
                archive.extract(member, unpacked)
                meter.show(number, is_last=number == len(members))
        if not (folder / top).exists():
            os.rename(unpacked / top, folder / top)
        else:
            for path in sorted((unpacked / top).iterdir()):
                os.replace(path, folder / top / path.name)
    except zipfile.BadZipFile as error:
        raise UserError(f"{file}: {error}") from None
    except OSError as error:
        raise UserError(
            f"cannot unpack {file.name} to {folder}: {error.strerror or error}; the archive is kept: "
            "make room and call the command again"
        ) from None
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _mark(folder: Path, archive: Archive) -> Path:
    """The file that says that an archive is unpacked."""
    return folder / f".{archive.top}.md5"


def _is_there(folder: Path, archive: Archive) -> bool:
    with contextlib.suppress(OSError):
        return (folder / archive.top).is_dir() and _mark(folder, archive).read_text().strip() == archive.md5
    return False


def _check_space(folder: Path, archives: Sequence[Archive], sizes: Mapping[str, int]) -> None:
    """UserError where the disk is too small for downloading and unpacking one archive after the other."""
    kept = 0
    needed = 0
    for archive in archives:
        size = sizes[archive.name]
        part = folder / f"{archive.name}.part"
        present = part.stat().st_size if part.exists() else 0
        needed = max(needed, kept + size + size * archive.growth - present)
        kept += size * archive.growth - present
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"{folder}: {needed / 1e9:.1f} GB are needed while archives are unpacked, "
            f"{free / 1e9:.1f} GB are free; make room, or name a folder on another disk"
        )


def parse() -> argparse.Namespace:
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
        help="another checksum, for a server whose archives differ",
    )
    return parser.parse_args()


def _set_md5(word: str) -> None:
    """Take a NAME=MD5 word."""
    name, _, md5 = word.partition("=")
    named = [archive for archive in (ANNOTATIONS, VAL, TRAIN) if archive.name == name]
    if not named or len(md5) != 32:
        names = ", ".join(archive.name for archive in (ANNOTATIONS, VAL, TRAIN))
        raise UserError(f"--md5 {word}: NAME=MD5 expected, NAME being one of {names}")
    named[0].md5 = md5


def main() -> int:
    args = parse()
    archives = [ANNOTATIONS, VAL]
    if args.what == "all":
        archives.append(TRAIN)
    for word in args.md5:
        _set_md5(word)
    try:
        get(args.folder, archives, args.source.rstrip("/"))
    except KeyboardInterrupt:
        print("stopped; call the command again to go on", file=sys.stderr)
        return 130
    except OSError as error:
        raise UserError(f"{args.folder}: {error.strerror or error}") from None
    return 0


if __name__ == "__main__":
    run_main(main, modules=())
