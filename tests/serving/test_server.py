"""serve.py as a process: its start, its limits under load, its end, and what it says of mistakes."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT
from tests.serving.server import Server, network_file, png, running, wait_for

TOKEN = "0123456789abcdef0123"


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A server that asks for a token, and where a picture alone waits longer for others than it may take."""
    path = tmp_path_factory.mktemp("token") / "token.txt"
    path.write_text(TOKEN + "\n")
    options = ["--batch-wait", "4", "--timeout", "1", "--read-timeout", "1", "--token-file", path]
    with running(network_file(), *options) as server:
        yield server


@pytest.mark.parametrize(
    "header", [None, "Bearer wrong", "Bearer " + TOKEN[:-1], "Basic " + TOKEN, TOKEN, "Bearer \udcff"]
)
def test_without_the_token_nothing_is_told(slow, header):
    headers = {} if header is None else {"Authorization": header.encode("utf-8", "surrogateescape")}
    for path in ("/v1/model", "/metrics"):
        answer = slow.ask(path, **headers)
        assert answer.status == 401 and answer.headers["www-authenticate"] == "Bearer"
        assert "token" in answer.json["error"] and TOKEN not in answer.json["error"]
    assert slow.predict(png(), **headers).status == 401


def test_with_the_token_and_where_none_is_needed(slow):
    assert slow.ask("/v1/model", Authorization=f"Bearer {TOKEN}").status == 200
    for path in ("/", "/page.js", "/health", "/ready", "/openapi.json"):
        assert slow.ask(path).status == 200
    assert "securitySchemes" in slow.ask("/openapi.json").json["components"]


def test_what_takes_too_long_is_given_up(slow):
    answer = slow.predict(png(), Authorization=f"Bearer {TOKEN}")
    assert answer.status == 503 and int(answer.headers["retry-after"]) >= 1
    assert "--timeout" in answer.json["error"]


def test_headers_that_never_become_whole(slow):
    with socket.create_connection(("127.0.0.1", slow.port), timeout=10) as connection:
        start = time.monotonic()
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nX-A: ")
        for _ in range(2):
            time.sleep(0.4)
            connection.sendall(b"b")
        received = b""
        while piece := connection.recv(65536):  # the answer's body may come apart from its head
            received += piece
    assert received.startswith(b"HTTP/1.1 408 ") and b'"error"' in received
    assert time.monotonic() - start < 5


def connections(server):
    """How many sockets the server's process has besides the one that listens and the loop's own pair."""
    folder = f"/proc/{server.process.pid}/fd"
    return sum(os.readlink(f"{folder}/{name}").startswith("socket:") for name in os.listdir(folder)) - 3


def test_a_caller_that_does_not_read_is_cut_off(slow):
    """It asks 3,000 times, for 20 MB in all, and reads nothing of it."""
    request = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with connection:
        connection.connect(("127.0.0.1", slow.port))
        connection.settimeout(0.5)
        with contextlib.suppress(OSError):
            connection.sendall(request * 3000)
        assert slow.ask("/health").status == 200
        assert wait_for(lambda: connections(slow) == 1)
        assert wait_for(lambda: connections(slow) == 0)


def test_a_full_queue_is_refused_and_what_waits_is_answered():
    words = [network_file(), "--queue", "2", "--max-batch", "1", "test_tta=[flip,scales]"]
    with running(*words) as server, concurrent.futures.ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: server.predict(png()), range(60)))
        assert {answer.status for answer in answers} == {200, 503}
        refused = [answer for answer in answers if answer.status == 503]
        assert all(answer.headers["retry-after"].isdecimal() and answer.json["error"] for answer in refused)
        # Two hold a decoded picture, and two wait.
        assert sum(answer.status == 200 for answer in answers) >= 4
        assert server.metric("maskrcnn_waiting_requests") == 0
        assert server.predict(png()).status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_when_what_is_in_work_is_answered(number):
    server = Server(network_file(), "--batch-wait", "1.5")
    server.wait_until_ready()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.predict, png())
        time.sleep(0.5)
        server.process.send_signal(number)

        def is_refused():
            try:
                socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
            except ConnectionRefusedError:
                return True
            return False

        assert wait_for(is_refused, 1.0), "no new connection is taken"
        assert not answer.done()
        assert answer.result().status == 200
    out, error = server.process.communicate(timeout=30)
    assert (server.process.returncode, error) == (0, "") and out.strip() == "stopped"


def mistake(*words, **environment):
    """The one line that serve.py ends with; the exit code is 2."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "serve.py"), "--port", "0", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )
    lines = done.stderr.splitlines()
    assert done.returncode == 2 and len(lines) == 1 and lines[0].startswith("error: "), done
    return lines[0]


def test_a_wrong_file(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"this is no network")
    assert "a.onnx" in mistake(tmp_path / "a.onnx")
    assert "missing.onnx" in mistake(tmp_path / "missing.onnx")


def test_an_address_in_use():
    with socket.create_server(("127.0.0.1", 0)) as other:
        line = mistake(network_file(), "--port", other.getsockname()[1])
    assert "--port" in line and "in use" in line
    assert "--host" in mistake(network_file(), "--host", "192.0.2.1")


def test_missing_packages_are_named(tmp_path):
    """With a package that cannot be found."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['uvicorn'] = None\n")
    line = mistake(network_file(), PYTHONPATH=str(tmp_path))
    assert "pip install uvicorn" in line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "MODEL"),
        (["a.onnx", "b.onnx"], "2 files"),
        (["a.onnx", "--max-batch", "0"], "--max-batch"),
        (["a.onnx", "--timeout", "nan"], "--timeout"),
        (["a.onnx", "--queue", "many"], "--queue"),
        (["a.onnx", "--token-file", "missing.txt"], "missing.txt"),
    ],
)
def test_wrong_options(words, said):
    assert said in mistake(*words)


def test_a_token_that_is_too_short(tmp_path):
    (tmp_path / "token").write_text("secret\n")
    assert "16" in mistake(network_file(), "--token-file", tmp_path / "token")
