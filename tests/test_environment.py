"""The variables that are set before MindSpore is loaded."""

import os

import pytest

from src import environment


@pytest.fixture
def variables(monkeypatch):
    """What is set where the user has set nothing, or `given`."""

    def run(mindspore_version, **given):
        for name in ("GLOG_v", "GLOG_minloglevel", "ONEDNN_MAX_CPU_ISA"):
            monkeypatch.setenv(name, "")  # so that it is restored afterwards, even where it was not set
            monkeypatch.delenv(name)
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(environment, "version", lambda _: mindspore_version)
        environment.set_library_variables()
        return [os.environ.get(name) for name in ("GLOG_v", "GLOG_minloglevel", "ONEDNN_MAX_CPU_ISA")]

    return run


def test_only_errors_are_shown_unless_the_user_wants_more(variables):
    assert variables("2.8.0") == ["3", "2", None]
    assert variables("2.8.0", GLOG_v="1") == ["1", "0", None]
    assert variables("2.8.0", GLOG_v="3", GLOG_minloglevel="0") == ["3", "0", None]


def test_slow_releases_get_an_older_instruction_set(variables):
    assert variables("2.9.0")[2] == variables("2.10.1")[2] == "AVX2"
    assert variables("2.10.0", ONEDNN_MAX_CPU_ISA="AVX")[2] == "AVX"
