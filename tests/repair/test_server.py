"""repair.py as a process: two tabs, kill -9, who may ask, and its errors."""

from __future__ import annotations

import subprocess
import sys

import pytest

from src.data.images.decode import decode_picture
from tests.conftest import ROOT
from tests.repair.labels import make_run, read, repairing
from tests.serving.server import wait_for


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("served") / "data")


@pytest.fixture(scope="module")
def server(run):
    with repairing(run, "--out", run.parent / "served.json") as server:
        yield server


@pytest.fixture
def own_run(tmp_path):
    return make_run(tmp_path / "data")


def test_suspects_and_their_details(server):
    status, content = server.ask("/v1/suspects")
    assert status == 200 and content["kinds"] == dict.fromkeys(
        ("missing", "spurious", "class", "poor", "twice"), 1
    )
    for suspect in content["suspects"]:
        status, details = server.ask(f"/v1/suspects/{suspect['id']}")
        assert status == 200 and details["decision"] is None and details["touched"] == 0
        own = [shape for shape in details["truth"] + details["predictions"] if shape["role"] == "suspect"]
        assert own and details["accept"] and details["question"].endswith(".")
    key = next(suspect["id"] for suspect in content["suspects"] if suspect["kind"] == "class")
    assert server.ask(f"/v1/suspects/{key}")[1]["accept"] == "Change the class to “<b>plate</b>”"


def test_pictures_are_those_of_the_data(server):
    status, data = server.ask("/v1/pictures/3")
    pixels = decode_picture(data, "picture")
    assert status == 200 and pixels.shape == (100, 100, 3) and abs(int(pixels.mean()) - 120) <= 1


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/v1/suspects/none", None, 404, "no such suspect"),
        ("/v1/pictures/99", None, 404, "no such picture"),
        ("/v1/pictures/..%2f..%2fpasswd", None, 404, "nothing"),
        ("/v1/elsewhere", None, 404, "nothing"),
        ("/v1/decisions", {"suspect": "none", "decision": "accept", "touched": 0}, 404, "no such suspect"),
        ("/v1/decisions", {"suspect": "none"}, 400, "these fields expected"),
        ("/v1/decisions", {"suspect": 1, "decision": "accept", "touched": 0}, 400, "these fields expected"),
        ("/v1/decisions", [1], 400, "these fields expected"),
        ("/v1/decisions", b"{", 415, "Content-Type"),
        ("/v1/undo", {"revision": True}, 400, "these fields expected"),
        ("/v1/write", {"x": 1}, 400, "expected"),
        ("/v1/write", {"x": "y" * 20_000}, 413, "more than"),
    ],
)
def test_what_is_no_request_is_answered_with_a_reason(server, path, body, status, words):
    answer = server.ask(path, body)
    assert answer[0] == status and words in answer[1]["error"]
    assert server.ask("/v1/session")[1]["revision"] == 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example:80"}, 403),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]:1"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_other_sites_decide_nothing(server, headers, status):
    body = {"suspect": server.keys()["missing"], "decision": "perhaps", "touched": 0}
    expected = 400 if status == 200 else status  # "perhaps" is no decision: it is read, and refused
    assert server.ask("/v1/decisions", body, **headers)[0] == expected


def test_another_name_reads_nothing(server):
    assert server.ask("/v1/suspects", Host="evil.example")[0] == 403
    assert server.ask("/v1/pictures/1", Host="evil.example")[0] == 403


def test_two_tabs_lose_no_decision(own_run):
    """Both have seen nothing decided; then each decides, one of them the same suspect."""
    with repairing(own_run) as server:
        keys = list(server.keys().values())
        assert server.decide(keys[0], "accept")[0] == 200  # the first tab
        assert server.decide(keys[1], "reject")[0] == 200  # the second: another suspect
        status, answer = server.decide(keys[0], "reject")  # the second: the same, which it has not seen
        assert status == 409 and "decided: accept" in answer["error"]
        assert answer["state"]["decisions"] == {keys[0]: "accept", keys[1]: "reject"}
        status, answer = server.ask("/v1/undo", {"revision": 1})  # the first has not seen the second's
        assert status == 409 and answer["state"]["revision"] == 2
        assert server.decide(keys[0], "reject", touched=1)[0] == 200, "once it has seen it, it may"
        status, answer = server.ask("/v1/undo", {"revision": 3})
        assert (status, answer["undone"]) == (200, keys[0])
        assert answer["decisions"] == {keys[0]: "accept", keys[1]: "reject"}


def test_it_goes_on_after_kill_9_with_half_a_line(own_run):
    repaired = own_run.parent / "annotations" / "instances_val.repaired.json"
    log = repaired.with_name(repaired.name + ".log.jsonl")
    with repairing(own_run) as server:
        keys = server.keys()
        server.decide(keys["missing"], "accept")
        server.decide(keys["spurious"], "accept")
        server.kill()
    with open(log, "ab") as file:
        file.write(b'{"revision": 3, "suspect": "')
    with repairing(own_run) as server:
        state = server.ask("/v1/session")[1]
        assert state["decisions"] == {keys["missing"]: "accept", keys["spurious"]: "accept"}
        assert wait_for(lambda: server.ask("/v1/session")[1]["written_revision"] == 2)
        assert [item["id"] for item in read(repaired)["annotations"]] == [11, 21, 31, 32, 41, 42, 43]
        assert server.ask("/v1/undo", {"revision": 2})[1]["undone"] == keys["spurious"]
        code, out, error = server.end()
    assert code == 0 and "1 accepted, 0 rejected, 0 skipped" in out
    assert "its last line is cut off" in error and "Traceback" not in error
    assert [item["id"] for item in read(repaired)["annotations"]] == [11, 21, 22, 31, 32, 41, 42, 43]


def run_command(*words):
    command = [sys.executable, str(ROOT / "repair.py"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_write_writes_without_a_server(own_run):
    with repairing(own_run) as server:
        server.decide(server.keys()["missing"], "accept")
        server.kill()
    repaired = own_run.parent / "annotations" / "instances_val.repaired.json"
    repaired.unlink(missing_ok=True)
    done = run_command(own_run, "--write")
    assert done.returncode == 0, done.stderr
    assert str(repaired) in done.stdout and "1 accepted" in done.stdout
    assert read(repaired)["annotations"][-1]["id"] == 43


def test_errors_are_one_line_with_exit_code_2(server, run, tmp_path):
    (tmp_path / "file").write_text("")
    for words, expected in (
        ([], "no folders are named: repair.py RUN"),
        ([tmp_path / "none"], "no such folder"),
        ([tmp_path], "results_bbox.json"),
        ([run, "--port", server.port], "choose another --port"),
        ([run, "--port", "99999"], "--port 99999"),
        ([run, "--out", tmp_path / "file" / "out.json"], "is a file, not a folder"),
        ([run, "--out", run.parent / "served.json"], "another repair.py works on it"),
        ([run, "ann_file=nowhere.json"], "annotation file nowhere.json: no such file"),
    ):
        done = run_command(*words, *([] if "--port" in words else ["--port", "0"]))
        assert done.returncode == 2 and expected in done.stderr, (words, done.stderr)
        assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
