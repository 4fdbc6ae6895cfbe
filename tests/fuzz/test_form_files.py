"""Label files of every form with drawn mistakes: no errors but the project's own, and right Records.

bash scripts/run_tests.sh --all tests/fuzz/test_form_files.py      # 20,000 of each form
"""

from __future__ import annotations

import collections
import json
import logging

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from src.config import load_config
from src.data.findings import Findings
from src.data.sources.read import read_annotations
from src.data_settings import annotation_settings
from src.errors import UserError
from tests.data.annotations.drawn_files import Choices
from tests.data.annotations.test_reader_fuzz import assert_right_records
from tests.fuzz.form_changes import drawn_files
from tests.fuzz.form_files import SETS


def read_drawn(name, data, folder, configs, seen):
    """Read a drawn set for training and for a check, under its form's name and under auto."""
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in SETS[name].pictures:
            path.unlink()
    for path, content in drawn_files(name, data).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    seen["inputs"] += 1
    for config, collect in ((configs[0], True), (configs[0], False), (configs[1], True)):
        findings = Findings(str(folder), collect=collect)
        try:
            source = read_annotations(annotation_settings(config), findings)
            assert_right_records(source)
            kind = "checked to the end" if collect else "read"
            seen[kind if config is configs[0] else "read as auto"] += 1
        except UserError as error:
            assert str(error).isprintable()
            assert str(folder) in str(error)
        assert all("\n" not in line and line.isprintable() for line in findings.summary())
        json.dumps(findings.as_json())
        seen.update(findings.counts)


@pytest.mark.parametrize(
    "count", [60, pytest.param(20_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
@pytest.mark.parametrize("name", SETS)
def test_any_files_give_records_or_a_user_error(name, count, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "set"
    for picture in SETS[name].pictures:
        (folder / picture).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30, 20)).save(folder / picture)
    forms = (SETS[name].form, "auto")
    configs = [load_config([f"dataset={form}", f"coco_root={folder}", "coco_classes=auto"]) for form in forms]
    seen = collections.Counter()

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.binary(min_size=30, max_size=80))
    def read_one(data):
        read_drawn(name, data, folder, configs, seen)

    logging.disable(logging.WARNING)
    try:
        read_one()
    finally:
        logging.disable(logging.NOTSET)
    assert seen["inputs"] >= count
    # one that comes to its end has read what it could and checked its records; of a single file that is
    # changed there is often nothing to read
    is_single = len(SETS[name].draw(Choices(b""))) == 1
    assert seen["checked to the end"] >= (0.4 if is_single else 0.5) * seen["inputs"], seen
    assert seen["read"] >= 0.1 * seen["inputs"], seen
    assert seen["label_file_syntax"] > 0
    kinds = set(seen) - {"inputs", "read", "read as auto", "checked to the end"}
    assert len(kinds) >= (3 if name == "voc" else 4), seen  # boxes in pixels have fewer ways to be odd
