"""The shape of the source tree: no folders that import each other, no long files, no crowded folders."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

from tests.conftest import ROOT

MAX_LINES = 300
MAX_FILES = 17  # Python files of a folder of src, __init__.py included
MAX_CONFIG_FILES = 20  # files of a training run that handle the whole configuration
# The parts: they take values. In each folder the files that make those values of the configuration.
PARTS = {
    "src/data": set(),
    "src/evaluation": set(),
    "src/maskrcnn": {"src/maskrcnn/build.py", "src/maskrcnn/from_config.py"},
    "src/engine/distributed": set(),
    "src/engine/hooks": {"src/engine/hooks/default_hooks.py"},
    "src/engine/runtime": set(),
}


def python_files():
    for folder in ("src", "tests", "benchmarks", "scripts"):
        yield from (path.relative_to(ROOT) for path in sorted((ROOT / folder).rglob("*.py")))


def unit_of(path):
    """A folder of src, or a file directly in src: what counts as one in the levels of imports."""
    return path if path.parent == Path("src") else path.parent


def imported_files(path):
    """The files of src that a file of src, where all imports are relative, or an entry point imports."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        base = Path()
        if node.level:
            base = path.parents[node.level - 1]
        elif node.module.split(".")[0] != "src":
            continue
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


def reached_files(entry):
    """A file, and all files of src that it imports, directly or by others."""
    reached = set()
    found = [Path(entry)]
    while found:
        path = found.pop()
        if path not in reached:
            reached.add(path)
            found += imported_files(path)
    return reached


def handles_config(source):
    """Whether a file's text names the class Config, has something called `config`, or reads `x.config`.

    So a parameter of another name counts where it is annotated with Config.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Name, ast.arg, ast.Attribute, ast.ClassDef, ast.alias, ast.Constant)):
            names = {
                getattr(node, field, None)
                for field in ("id", "arg", "attr", "name", "value")
                if isinstance(getattr(node, field, None), str)
            }
            if names & {"Config", "config", "_config"}:
                return True
    return False


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def draw(config): pass", True),
        ("def draw(settings: Config): pass", True),
        ("def draw(settings: Optional['Config'] = None): pass", True),
        ("size = trainer.config.batch_size", True),
        ("from .config import Config as Settings", True),
        ("class Batches:\n    def __init__(self, settings):\n        self._config = settings", True),
        ("from ..config import keys_with", False),
        ("def draw(settings: CanvasSettings): 'As the configuration says.'", False),
    ],
)
def test_what_counts_as_handling_the_configuration(source, expected):
    assert handles_config(source) == expected


def test_few_files_of_a_training_run_handle_the_configuration():
    reached = reached_files("train.py")
    assert {Path("src/engine/trainer.py"), Path("src/data/pipeline/workers.py")} <= reached
    files = sorted(str(path) for path in reached if handles_config((ROOT / path).read_text(encoding="utf-8")))
    assert "src/config.py" in files
    assert len(files) <= MAX_CONFIG_FILES, files


def test_the_parts_take_values_and_not_the_configuration():
    for folder, makers in PARTS.items():
        files = sorted((ROOT / folder).rglob("*.py"))
        assert files, folder
        handling = {
            str(path.relative_to(ROOT)) for path in files if handles_config(path.read_text(encoding="utf-8"))
        }
        assert handling == makers, folder
