"""convert_data.py as a user runs it, for the tests of this folder."""

from __future__ import annotations

from tests.small_job import run


def files_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def convert(folder, *words, code=0):
    """(lines of stdout, lines of stderr) of the command."""
    done = run("convert_data.py", folder, *words, code=code)
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines(), done.stderr.splitlines()


def error_of(folder, *words):
    _, lines = convert(folder, *words, code=2)
    assert len([line for line in lines if line.startswith("error: ")]) == 1
    return lines[-1]
