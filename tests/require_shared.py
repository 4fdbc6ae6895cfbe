"""A pytest plugin: where the shared folder exists, a skipped test that needs it is a failure.

.ci/run uses it with `-p tests.require_shared`. The shared folder holds pictures, in shared/data.

A test needs the folder if it uses the fixture `shared`, or if its reason for skipping names MASKRCNN_SHARED.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("MASKRCNN_SHARED") or Path(__file__).resolve().parents[2] / "shared")


def _fail_if_needed(report, needed):
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if (
        report.skipped
        and not hasattr(report, "wasxfail")
        and (needed or "MASKRCNN_SHARED" in reason)
        and FOLDER.is_dir()
    ):
        report.outcome = "failed"
        report.longrepr = f"skipped, though {FOLDER} is there: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    return _fail_if_needed(report, "shared" in getattr(item, "fixturenames", ()))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    report = yield
    return _fail_if_needed(report, needed=False)
