"""The log: what is stored at once, what a restart knows, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from src.errors import DataError
from src.repair.decision_log import ACCEPT, REJECT, SKIP, DecisionLog
from tests.conftest import ROOT

ABOUT = {"annotations": "a.json", "annotations_sha256": "1", "results": "r.json", "results_sha256": "2"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.jsonl"


def state(log):
    return {key: value.decision for key, value in log.current.items()}


def again(log):
    """The same log in another process's eyes."""
    log.close()
    return DecisionLog(log.path, ABOUT)


def test_decisions_are_there_after_a_restart(path):
    log = DecisionLog(path, ABOUT)
    log.decide("x", "missing", ACCEPT, None, {"id": 5})
    log.decide("y", "spurious", REJECT)
    log = again(log)
    assert state(log) == {"x": ACCEPT, "y": REJECT} and log.revision == 2
    assert log.current["x"].after == {"id": 5} and log.largest_id == 5
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 3 and {"time", "suspect", "decision", "before", "after"} <= set(lines[1])


def test_undo_goes_back_step_by_step_over_restarts(path):
    log = DecisionLog(path, ABOUT)
    log.decide("x", "missing", ACCEPT)
    log.decide("y", "missing", SKIP)
    log.decide("x", "missing", REJECT)
    log = again(log)
    assert log.undo() == "x" and state(log) == {"x": ACCEPT, "y": SKIP}
    log = again(log)
    assert log.undo() == "y" and state(log) == {"x": ACCEPT}
    log.decide("z", "missing", ACCEPT)
    log = again(log)
    assert [log.undo(), log.undo()] == ["z", "x"] and state(log) == {}
    log = again(log)
    assert not log.can_undo and log.revision == 8 and state(log) == {}
    with pytest.raises(IndexError):
        log.undo()


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_half_a_line_at_the_end_is_left_out(path, cut):
    log = DecisionLog(path, ABOUT)
    log.decide("x", "missing", ACCEPT)
    whole = path.read_bytes()
    log.decide("y", "missing", ACCEPT)
    log.close()
    os.truncate(path, path.stat().st_size - cut)
    log = DecisionLog(path, ABOUT)
    assert state(log) == {"x": ACCEPT} and path.read_bytes() == whole
    log.decide("z", "missing", REJECT)
    assert state(again(log)) == {"x": ACCEPT, "z": REJECT}


def test_half_a_first_line_begins_anew(path):
    path.write_text('{"log": 1, "annot')
    assert DecisionLog(path, ABOUT).revision == 0
    assert json.loads(path.read_text())["annotations"] == "a.json"


@pytest.mark.parametrize(
    "lines",
    [
        ['{"log": 1', "{}"],
        ["not JSON", "{}"],
        [
            json.dumps(ABOUT),
            '{"revision": 2, "suspect": "x", "decision": "accept", "before": null, "after": null}',
        ],
        [
            json.dumps(ABOUT),
            '{"revision": 1, "suspect": "x", "decision": "perhaps", "before": null, "after": null}',
        ],
        [json.dumps(ABOUT), '{"revision": 1, "suspect": "x", "decision": "undo", "undoes": 0}'],
    ],
)
def test_a_damaged_line_is_named(path, lines):
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=r"log\.jsonl, line [12]: not a line of repair.py's log"):
        DecisionLog(path, ABOUT)


@pytest.mark.parametrize(("name", "file"), [("annotations_sha256", "a.json"), ("results_sha256", "r.json")])
def test_files_that_have_changed_are_refused(path, name, file):
    DecisionLog(path, ABOUT).close()
    with pytest.raises(DataError, match=f"^{file}: it has changed since the decisions"):
        DecisionLog(path, {**ABOUT, name: "other"})


def test_two_processes_do_not_share_a_log(path):
    log = DecisionLog(path, ABOUT)
    with pytest.raises(DataError, match="another repair.py works on it"):
        DecisionLog(path, ABOUT)
    log.close()
    DecisionLog(path, ABOUT).close()


def test_a_decision_that_cannot_be_stored_does_not_count(path, monkeypatch):
    log = DecisionLog(path, ABOUT)
    log.decide("x", "missing", ACCEPT)
    before = path.read_bytes()
    written = os.write

    def full(file, data):
        written(file, data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(DataError, match="No space left on device; the decision is not stored"):
        log.decide("y", "missing", ACCEPT)
    monkeypatch.undo()
    assert path.read_bytes() == before and state(log) == {"x": ACCEPT}
    log.decide("z", "missing", ACCEPT)
    assert state(again(log)) == {"x": ACCEPT, "z": ACCEPT}


DECIDING = """
import sys
sys.path.insert(0, {root!r})
from src.repair.decision_log import ACCEPT, DecisionLog
log = DecisionLog({path!r}, {about!r})
for number in range(100000):
    log.decide(f"s{{number}}", "missing", ACCEPT, None, {{"id": number}})
    print(number, flush=True)
"""


def test_what_was_confirmed_survives_kill_9(path):
    program = DECIDING.format(root=str(ROOT), path=str(path), about=ABOUT)
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    for _ in range(20):
        confirmed = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    # Not by `communicate`, which leaves out what was read ahead.
    confirmed = [confirmed, *map(int, process.stdout.read().split())][-1]
    process.wait(60)
    log = DecisionLog(path, ABOUT)
    assert confirmed + 1 <= log.revision <= confirmed + 2
    assert list(log.current) == [f"s{number}" for number in range(log.revision)]


@pytest.mark.parametrize(
    "content", [b'{"other": "tool"}', b"notes", b"notes\nmore notes", b'{"log": 1}\nnotes']
)
def test_a_file_that_is_no_log_stays_as_it_is(path, content):
    path.write_bytes(content)
    with pytest.raises(DataError, match="line 1: not a line of repair.py's log"):
        DecisionLog(path, {"annotations_sha256": "1"})
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b'{"lo', b'{"log": 1, "time": "2026'])
def test_a_log_whose_first_line_is_cut_off_is_begun(path, content):
    path.write_bytes(content)
    DecisionLog(path, {}).close()
    lines = path.read_text().splitlines()
    assert len(lines) == 1 and json.loads(lines[0])["log"] == 1
