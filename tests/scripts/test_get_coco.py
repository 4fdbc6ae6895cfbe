"""get_coco.sh against a server on this machine: whole, cut off, damaged, without room."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time

import pytest

from scripts import http_download
from src.errors import UserError
from tests.conftest import ROOT
from tests.scripts.coco_server import PATHS, Server

pytestmark = pytest.mark.usefixtures("bare_python")


@pytest.fixture
def server():
    with Server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def words_of(server, folder, *words):
    sums = [
        word for path, md5 in server.md5.items() for word in ("--md5", f"{path.rpartition('/')[2]}={md5}")
    ]
    return [str(folder), *words, "--source", server.url, *sums]


def get(server, folder, *words):
    return subprocess.run(
        ["bash", ROOT / "scripts/get_coco.sh", *words_of(server, folder, *words)],
        capture_output=True,
        text=True,
        timeout=100,
        stdin=subprocess.DEVNULL,
    )


def found(folder):
    return {
        top: {path.name: path.read_bytes() for path in (folder / top).iterdir()}
        for top in PATHS
        if (folder / top).exists()
    }


def test_everything_in_the_layout_of_the_readme_and_once(server, tmp_path):
    folder = tmp_path / "my coco"
    run = get(server, folder)
    assert run.returncode == 0, run.stderr
    assert found(folder) == server.content and not [
        name for name in os.listdir(folder) if "zip" in name or "unpacking" in name
    ]
    assert "train2017: 30 files" in run.stdout and "downloading val2017.zip" in run.stderr
    before = len(server.seen)
    again = get(server, folder)
    assert (
        again.returncode == 0 and again.stdout.count("is there already") == 3 and len(server.seen) == before
    )


def test_val_alone(server, tmp_path):
    assert get(server, tmp_path / "coco", "val").returncode == 0
    assert set(found(tmp_path / "coco")) == {"annotations", "val2017"}


def test_a_download_that_is_cut_goes_on_where_it_was(server, tmp_path):
    server.cuts = [10**9, 250_000, 100_000]  # the annotations whole, then two cuts
    run = get(server, tmp_path / "coco", "val")
    assert run.returncode == 0, run.stderr
    assert found(tmp_path / "coco")["val2017"] == server.content["val2017"]
    assert [wanted for path, wanted in server.seen if path == PATHS["val2017"]] == [
        None,
        "bytes=250000-",
        "bytes=350000-",
    ]


@pytest.mark.parametrize("ranges", [True, False])
def test_killed_in_the_middle_and_called_again(server, tmp_path, ranges):
    """It goes on, or begins the file anew where the server knows no ranges."""
    folder = tmp_path / "coco"
    part = folder / "val2017.zip.part"
    server.cuts = [10**9, 250_000]
    server.hold = threading.Event()
    process = subprocess.Popen(
        ["bash", ROOT / "scripts/get_coco.sh", *words_of(server, folder, "val")], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    try:
        while not part.exists() or part.stat().st_size < 250_000:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
        server.hold.set()
    assert not (folder / "val2017").exists()
    server.ranges = ranges
    assert get(server, folder, "val").returncode == 0
    assert (
        server.seen[-1] == (PATHS["val2017"], "bytes=250000-")
        and found(folder)["val2017"] == server.content["val2017"]
    )
    assert sum(path == PATHS["annotations"] for path, _ in server.seen) == 1


def test_the_download_fails_when_the_server_sends_nothing_any_more(server, tmp_path):
    server.cuts = [250_000, 0, 0]
    with pytest.raises(
        UserError, match="the connection was cut; call the command again to go on at 0 of 1 MB"
    ):
        http_download.download(
            server.url + PATHS["val2017"], tmp_path / "f", len(server.files[PATHS["val2017"]]), tries=2
        )
    assert (tmp_path / "f").stat().st_size == 250_000


def test_a_wrong_checksum_is_reported_and_the_file_deleted(server, tmp_path):
    folder = tmp_path / "coco"
    whole = server.files[PATHS["val2017"]]
    server.files[PATHS["val2017"]] = whole[:1000] + b"X" + whole[1001:]
    run = get(server, folder, "val")
    assert (
        run.returncode == 2
        and run.stderr.count("error:") == 1
        and f"instead of {server.md5[PATHS['val2017']]}" in run.stderr
    )
    assert (
        not (folder / "val2017").exists()
        and not list(folder.glob("*.part"))
        and (folder / "annotations").is_dir()
    )
    server.files[PATHS["val2017"]] = whole
    assert (
        get(server, folder, "val").returncode == 0 and found(folder)["val2017"] == server.content["val2017"]
    )


def test_too_small_a_disk_is_reported_before_anything_is_downloaded(server, tmp_path):
    server.claimed[PATHS["train2017"]] = 10**15
    run = get(server, tmp_path / "coco")
    assert run.returncode == 2 and "GB are needed" in run.stderr and not server.seen
    assert not [name for name in os.listdir(tmp_path / "coco") if not name.startswith(".get_coco")]


def test_a_disk_that_fills_up_keeps_what_is_there(server, tmp_path):
    """On a real file system of 1 MB, in a name space of its own: something else fills it after the check."""
    if (
        shutil.which("unshare") is None
        or subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode
    ):
        pytest.skip("no user name spaces here")
    disk = tmp_path / "disk"
    disk.mkdir()
    # 2.6 MB hold what the check asks for; 2.2 MB of them are taken when the annotations are there
    code = (
        "from scripts import get_coco\n"
        "from src.engine.entry import run_main\n"
        "real = get_coco._mark\n"
        "def mark(folder, archive):\n"
        "    if archive is get_coco.ANNOTATIONS and (folder / 'annotations').is_dir():\n"
        "        (folder / 'full').write_bytes(bytes(2_200_000))\n"
        "    return real(folder, archive)\n"
        "get_coco._mark = mark; run_main(get_coco.main)"
    )
    script = (
        'mount -t tmpfs -o size=2600k none "$1" || exit; shift; "$@"; echo "first $?"; '
        'ls "$disk"; rm "$disk/full"; '
        'bash "$again" "${@:4}"; echo "second $?"; ls "$disk/val2017" | wc -l'
    )
    run = subprocess.run(
        [
            "unshare",
            "-Urm",
            "bash",
            "-c",
            script,
            "bash",
            str(disk),
            sys.executable,
            "-c",
            code,
            *words_of(server, disk, "val"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "disk": str(disk), "again": str(ROOT / "scripts/get_coco.sh")},
    )
    assert (
        "No space left on device; what is there is kept: make room" in run.stderr
        and "Traceback" not in run.stderr
    ), run.stderr
    assert (
        "first 2" in run.stdout
        and "val2017.zip.part" in run.stdout
        and "second 0" in run.stdout
        and run.stdout.split()[-1] == "20"
    )


def test_mistakes(server, tmp_path):
    for words, part in (
        ([], "FOLDER"),
        (["a", "test"], "test"),
        ([str(tmp_path), "--md5", "x=1"], "--md5 x=1"),
        (["/dev/null/x", "val", "--source", server.url], "/dev/null/x"),
        ([str(tmp_path / "coco"), "val", "--source", server.url + "/none"], "404"),
        ([str(tmp_path / "coco"), "val", "--source", "http://127.0.0.1:9"], "Connection refused"),
    ):
        run = subprocess.run(
            ["bash", ROOT / "scripts/get_coco.sh", *words],
            capture_output=True,
            text=True,
            timeout=100,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
        )
        assert run.returncode == 2 and part in run.stderr and "Traceback" not in run.stderr, run.stderr


def test_the_published_checksums_are_those_of_coco():
    """From COCO's own pages; with a typing error here every download would be refused."""
    text = (ROOT / "scripts/get_coco.py").read_text()
    for md5 in (
        "cced6f7f71b7629ddf16f17bbcfab6b2",
        "442b8da7639aecaf257c1dceb8ba8c80",
        "f4bbac642086de4f52a3fdda2de5fa2c",
    ):
        assert text.count(md5) == 1
