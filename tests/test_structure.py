"""The shape of the source tree: no folders that import each other, no long files, no crowded folders."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from tests.conftest import ROOT

MAX_LINES = 300
MAX_FILES = 17  # Python files of a folder of src, __init__.py included


def python_files():
    for folder in ("src", "tests", "benchmarks", "scripts"):
        yield from (path.relative_to(ROOT) for path in sorted((ROOT / folder).rglob("*.py")))


def unit_of(path):
    """A folder of src, or a file directly in src: what counts as one in the levels of imports."""
    return path if path.parent == Path("src") else path.parent


def imported_files(path):
    """The files of src that a file of src imports; all imports there are relative."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = path.parent
        for _ in range(node.level - 1):
            base = base.parent
        module = base.joinpath(*node.module.split(".")) if node.module else base
        if (ROOT / module).with_suffix(".py").exists():
            yield module.with_suffix(".py")
        else:
            for name in node.names:
                file = (module / name.name).with_suffix(".py")
                yield file if (ROOT / file).exists() else module / "__init__.py"


def test_no_folders_import_each_other():
    imports = defaultdict(set)
    for path in python_files():
        if path.parts[0] == "src":
            imports[unit_of(path)] |= {unit_of(file) for file in imported_files(path)} - {unit_of(path)}
    # Remove, again and again, what imports nothing that is left: a cycle stays.
    left = dict(imports)
    while True:
        bottom = [unit for unit, others in left.items() if not others & set(left)]
        if not bottom:
            break
        for unit in bottom:
            del left[unit]
    assert not left, f"these import each other: {sorted(map(str, left))}"


def test_no_source_file_is_long_and_no_folder_crowded():
    counts = defaultdict(int)
    for path in python_files():
        if path.parts[0] == "src":
            counts[path.parent] += 1
        lines = len((ROOT / path).read_text(encoding="utf-8").splitlines())
        assert lines <= MAX_LINES, f"{path} has {lines} lines"
    crowded = {str(folder): count for folder, count in counts.items() if count > MAX_FILES}
    assert not crowded, crowded
