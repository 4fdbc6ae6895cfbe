"""A copy of the scripts as a project of its own, for tests of the set-up. Nothing comes from the network."""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import zipfile

from tests.scripts.conftest import ROOT, clean_environment, executable

MODULE = 'import sys\nprint("tiny ran in", sys.prefix, *sys.argv[1:])\n'


def wheel(folder, name, version):
    """A wheel of one module, written by hand (PEP 427), for pip to install without an index."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": MODULE,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digest = {
        path: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        for path, text in files.items()
    }
    files[f"{info}/RECORD"] = (
        "".join(f"{path},sha256={digest[path]},{len(files[path])}\n" for path in digest)
        + f"{info}/RECORD,,\n"
    )
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


def shell(command):
    """A command line that runs bash commands after common.sh of the current folder's project."""
    return ["bash", "-euo", "pipefail", "-c", f"source scripts/common.sh; {command}"]


class Clone:
    """A copy of the scripts as a project of its own, whose only requirement is a tiny local package."""

    def __init__(self, folder):
        self.root = folder / "fresh clone"
        self.wheels = folder / "wheels"
        self.bin = folder / "bin"
        shutil.copytree(ROOT / "scripts", self.root / "scripts")
        (self.root / "requirements.txt").write_text("tiny>=1,<2   # a comment\n")
        wheel(self.wheels, "tiny", "1.0")
        self.venv = self.root / ".venv"
        # PATH without the machine's own Pythons: the tools that the scripts use, and what a test adds
        self.bin.mkdir()
        for tool in (
            "bash",
            "sh",
            "env",
            "dirname",
            "basename",
            "readlink",
            "mkdir",
            "rm",
            "cp",
            "cmp",
            "cat",
            "flock",
        ):
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.add_python("python3")

    def add_python(self, name, text=None):
        return executable(
            self.bin / name, text or f'#!/bin/sh\nexec {shlex.quote(os.path.realpath(sys.executable))} "$@"\n'
        )

    def command(self, command='"$PYTHON" -m tiny'):
        return shell(f'setup_python requirements.txt; echo "$PYTHON_FROM"; {command}')

    def environment(self, **extra):
        (self.root.parent / "tmp dir").mkdir(exist_ok=True)  # a killed pip leaves its files there
        offline = {
            "PIP_NO_INDEX": 1,
            "PIP_FIND_LINKS": self.wheels,
            "PIP_CONFIG_FILE": os.devnull,
            "TMPDIR": self.root.parent / "tmp dir",
        }
        return clean_environment(**{"PATH": self.bin, **offline, **extra})

    def run(self, *command, **extra):
        return subprocess.run(
            self.command(*command),
            cwd=self.root,
            env=self.environment(**extra),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def start(self, **extra):
        return subprocess.Popen(
            self.command(),
            cwd=self.root,
            env=self.environment(**extra),
            stdin=subprocess.DEVNULL,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
