"""serve.py as a process of its own, and requests to it."""

from __future__ import annotations

import contextlib
import functools
import http.client
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from tests.conftest import ROOT

# They are not imported here: onnx has to come after MindSpore.
for _module in ("starlette", "uvicorn", "python_multipart", "prometheus_client", "onnxruntime", "onnx"):
    if importlib.util.find_spec(_module) is None:
        pytest.skip(f"{_module} is not installed", allow_module_level=True)


class Answer(NamedTuple):
    """An answer; headers have small letters."""

    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Server:
    """A running serve.py.

    Attributes:
        process: Its process.
        port: Its port on 127.0.0.1.
        lines: What it has printed.
    """

    def __init__(self, *words):
        # One thread for each operator: the tests' processes share the machine.
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "serve.py"), "--port", "0", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.lines = [self.process.stdout.readline()]
        found = re.search(r"http://127\.0\.0\.1:(\d+)", self.lines[0])
        assert found, (self.lines, self.process.communicate(timeout=60))
        self.port = int(found[1])

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def wait_until_ready(self):
        self.lines.append(self.process.stdout.readline())
        assert self.lines[-1].startswith("ready: "), (self.lines, self.process.communicate(timeout=60))

    def ask(self, path, body=None, method=None, timeout=60, **headers):
        """The Answer of a request; `Content_Type="image/png"` becomes a header of this name."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            headers = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method or ("GET" if body is None else "POST"), path, body, headers)
            return read_answer(connection.getresponse())
        finally:
            connection.close()

    def predict(self, picture, query="", **headers):
        """The Answer to a picture file's bytes."""
        headers = {"Content_Type": "image/png", **headers}
        return self.ask(f"/v1/predict{query}", picture, **headers)

    def metric(self, name):
        """The value of a line of /metrics that begins with this name and its labels."""
        lines = self.ask("/metrics").body.decode().splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " ")), 0.0)

    def memory(self):
        """The resident bytes of the process."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def end(self):
        """Stop it and return (its exit code, standard output and standard error)."""
        self.process.terminate()
        out, error = self.process.communicate(timeout=60)
        return self.process.returncode, out, error


def read_answer(response):
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


@contextlib.contextmanager
def running(*words):
    """A Server that is ready; its standard error has to be empty at the end."""
    server = Server(*words)
    try:
        server.wait_until_ready()
        yield server
    except BaseException:
        server.process.kill()
        print(server.process.communicate())
        raise
    code, _, error = server.end()
    assert (code, error) == (0, "")


@functools.lru_cache(maxsize=None)
def network_file():
    """An ONNX file of a small network with drawn weights: classes square, disc and star, written at once."""
    import mindspore  # noqa: F401  before onnx
    import onnx

    from src.maskrcnn.build import build_network
    from src.onnx_graph.network import onnx_model
    from src.onnx_graph.runtime import EXPORTED_KEYS
    from src.weights.checkpoint_settings import SETTINGS_ENTRY, network_settings
    from tests.small_network import draw_weights, small_config

    path = Path(tempfile.mkdtemp(prefix="served-")) / "small.onnx"
    config = small_config("norm=bn", "test_score_thr=0.3")
    parameters = draw_weights(build_network(config)).parameters_dict()
    weights = {name: parameter.asnumpy() for name, parameter in parameters.items()}
    settings = {**network_settings(config, "bn"), **{name: config[name] for name in EXPORTED_KEYS}}
    onnx.save_model(onnx_model(config, "bn", weights, {SETTINGS_ENTRY: settings}), str(path))
    return path


def png(height=120, width=200, seed=6):
    """The bytes of a drawn picture."""
    from src.data.shapes.picture import draw_picture

    return encoded(draw_picture((width, height), "plain", seed).image)


def encoded(pixels, suffix=".png"):
    """The bytes of a picture file with these pixels, uint8 [H, W, 3], RGB."""
    return cv2.imencode(suffix, np.ascontiguousarray(pixels[:, :, ::-1]))[1].tobytes()


def wait_for(condition, seconds=20.0):
    """Wait until a function returns something true, and return it."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found or time.monotonic() > end:
            return found
        time.sleep(0.05)
