"""What strangers send: each gets a 4xx with a reason as JSON, and the server goes on."""

from __future__ import annotations

import io
import socket
import struct
import time
import zlib

import pytest
from PIL import Image

from tests.serving.server import network_file, png, running, wait_for
from tests.serving.test_predict import form


@pytest.fixture(scope="module")
def server():
    options = ["--max-bytes", "200000", "--max-pixels", "1000000", "--read-timeout", "1.5"]
    with running(network_file(), *options) as server:
        yield server
        assert server.predict(png()).status == 200


def reason(answer, status):
    assert answer.status == status, (answer.status, answer.body)
    assert answer.headers["content-type"] == "application/json"
    text = answer.json["error"]
    assert text and "\n" not in text and "Traceback" not in text
    return text


def png_header(width, height):
    """A PNG file of this size, whose pixels are one short compressed row."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + rows + chunk(b"IEND", b"")


def jpeg_header(width, height):
    """A JPEG file whose frame header tells this size."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "JPEG")
    data = bytearray(file.getvalue())
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def webp_header(width, height):
    """A lossless WebP file whose header tells this size, in 14 bits each."""
    file = io.BytesIO()
    Image.effect_noise((16, 16), 60).convert("RGB").save(file, "WEBP", lossless=True)
    data = bytearray(file.getvalue())
    start = data.index(b"VP8L") + 9
    rest = struct.unpack("<I", data[start : start + 4])[0] >> 28
    data[start : start + 4] = struct.pack("<I", (width - 1) | (height - 1) << 14 | rest << 28)
    return bytes(data)


@pytest.mark.parametrize(
    "bomb",
    [
        png_header(30_000, 30_000),
        png_header(12_000, 12_000),
        png_header(2**31 - 1, 2**31 - 1),
        jpeg_header(65_000, 65_000),
        jpeg_header(2_000, 2_000),
        webp_header(16_000, 16_000),
    ],
    ids=["png", "png-under-pillows-limit", "png-largest", "jpeg", "jpeg-4-million", "webp"],
)
def test_a_decompression_bomb_is_refused_by_its_header(server, bomb):
    before = server.memory()
    assert "pixels" in reason(server.predict(bomb), 413)
    assert server.memory() - before < 30e6


def test_truncated_and_damaged_pictures(server):
    whole = {"png": png(300, 300)}
    for kind in ("JPEG", "WEBP", "GIF", "TIFF", "BMP"):
        file = io.BytesIO()
        Image.effect_noise((200, 150), 60).convert("RGB").save(file, kind)
        whole[kind] = file.getvalue()
    for kind, data in whole.items():
        for part in (0.5, 0.95):
            answer = server.predict(data[: int(len(data) * part)])
            # A GIF's or BMP's rows may all be there.
            assert answer.status == 422 or (kind == "GIF" and answer.status == 200), (kind, part, answer)
            if answer.status == 422:
                reason(answer, 422)
        answer = server.predict(data[:40])
        assert answer.status in (415, 422), (kind, answer)


@pytest.mark.parametrize(
    "data",
    [b"%PDF-1.4\n", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"<svg/>", b"\0" * 100, b"GIF89a"],
)
def test_other_files_are_refused(server, data):
    answer = server.predict(data)
    assert answer.status in (415, 422)
    reason(answer, answer.status)


def test_an_empty_body(server):
    assert "empty" in reason(server.predict(b""), 400)


def test_wrong_content_types_name_what_is_taken(server):
    assert "-" in reason(server.predict(png(), Content_Type="application/x-www-form-urlencoded"), 415)
    assert "multipart/form-data" in reason(server.predict(png(), Content_Type="text/plain"), 415)


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (form(b"x", "photo")[0], form(b"")[1], "picture"),
        (form(b"x")[0], "multipart/form-data", "boundary"),
        (form(b"x")[0][:-10], form(b"")[1], "ends before"),
        (b"no form at all", form(b"")[1], "form"),
        (form(b"x")[0].replace(b"form-data;", b"form-data; " + b"y" * 9000), form(b"")[1], "form"),
        (form(b"x")[0].replace(b"--some-boundary--", form(b"z")[0][:-2]), form(b"")[1], "several"),
        (form(b"")[0], form(b"")[1], "empty"),
    ],
    ids=["name", "no-boundary", "truncated", "no-form", "long-headers", "two-fields", "empty-file"],
)
def test_broken_forms(server, body, kind, words):
    assert words in reason(server.ask("/v1/predict", body, Content_Type=kind), 400)


@pytest.mark.parametrize(
    "query",
    ["?threshold=2", "?threshold=nan", "?threshold=", "?threshold=much", "?masks=png", "?format=xml", "?a=b"]
    + ["?masks=rle&masks=rle", "?threshold=0.5&threshold=0.6"],
)
def test_wrong_queries(server, query):
    reason(server.predict(png(), query), 400)


def test_other_methods_and_paths(server):
    answer = server.ask("/v1/predict")
    reason(answer, 405)
    assert answer.headers["allow"] == "POST"
    reason(server.ask("/v1/predict/"), 404)
    reason(server.ask("/page/../server.py"), 404)
    reason(server.ask("/%2e%2e/%2e%2e/etc/passwd"), 404)


def raw(server, data, seconds=10.0):
    """What the server sends back to bytes on a socket, until it closes or is silent."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as connection:
        connection.sendall(data)
        received = b""
        while True:
            try:
                piece = connection.recv(65536)
            except OSError:
                return received
            received += piece
            if not piece:
                return received


def test_too_many_bytes_are_refused_before_they_come(server):
    head = b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nConnection: close\r\n"
    start = time.monotonic()
    received = raw(server, head + b"Content-Length: 9000000000\r\n\r\n", seconds=1.0)
    assert received.startswith(b"HTTP/1.1 413 ") and b"--max-bytes" in received
    assert time.monotonic() - start < 3


def test_a_huge_body_without_a_length_is_cut_off(server):
    before = server.memory()
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        head = b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\n"
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        received = b""
        for _ in range(300):  # 20 MB, a hundred times the limit
            try:
                connection.sendall(piece)
            except OSError:
                break
        connection.settimeout(5)
        received = connection.recv(65536)
    assert received.startswith(b"HTTP/1.1 413 ")
    assert server.memory() - before < 20e6


def test_a_body_that_does_not_arrive_in_time(server):
    head = b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head)
        start = time.monotonic()
        for _ in range(4):  # a byte now and then does not help
            connection.sendall(b"x")
            time.sleep(0.3)
        received = connection.recv(65536)
        while b"}" not in received:  # the answer's body may come apart from its head
            received += connection.recv(65536)
    assert received.startswith(b"HTTP/1.1 408 ") and b"--read-timeout" in received
    assert 1.2 < time.monotonic() - start < 5


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 90,
        b"GET / HTTP/1.1\r\n" + b"a: " + b"b" * 200_000,
        b"POST /v1/predict HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ],
    ids=["words", "tls", "long-header", "negative-length"],
)
def test_what_is_no_http(server, data):
    received = raw(server, data)
    if received:  # a connection that is closed with bytes unread may be reset
        head, _, body = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 4") and body.startswith(b'{"error":')


def test_callers_that_vanish_leave_nothing_behind(server):
    picture = png()
    head = b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\n"
    head += b"Content-Length: %d\r\n\r\n" % len(picture)
    for sent in (head + picture, head + picture[:50], head, b"POST /v1/pre"):
        for _ in range(10):
            connection = socket.create_connection(("127.0.0.1", server.port))
            connection.sendall(sent)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
            connection.close()
    assert server.predict(picture).status == 200
    assert wait_for(lambda: server.metric("maskrcnn_waiting_requests") == 0)
    assert wait_for(lambda: server.metric("process_open_fds") < 40)
