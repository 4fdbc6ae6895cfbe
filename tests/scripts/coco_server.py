"""A server of small archives with COCO's paths, which cuts connections where a test wants it."""

from __future__ import annotations

import hashlib
import http.server
import io
import zipfile

import numpy as np

PATHS = {
    "annotations": "/annotations/annotations_trainval2017.zip",
    "val2017": "/zips/val2017.zip",
    "train2017": "/zips/train2017.zip",
}


def packed(top, files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"{top}/", b"")
        for name, data in files.items():
            archive.writestr(f"{top}/{name}", data)
    return buffer.getvalue()


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`.

    Attributes:
        content: {folder: {file name: bytes}} of the archives.
        files: {path: bytes} of the archives.
        md5: {path: checksum}.
        cuts: After how many bytes the next responses end; `hold` (an Event) delays their end.
        ranges: Whether requests for a part of a file are answered with that part.
        claimed: {path: size} where another size is claimed.
        seen: (path, Range header) of each GET.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        random = np.random.default_rng(0)
        self.content = {
            "annotations": {f"instances_{split}2017.json": random.bytes(2000) for split in ("train", "val")},
            "val2017": {f"{number:012d}.jpg": random.bytes(30_000) for number in range(20)},
            "train2017": {f"{number:012d}.jpg": random.bytes(10_000) for number in range(30)},
        }
        self.files = {path: packed(top, self.content[top]) for top, path in PATHS.items()}
        self.md5 = {path: hashlib.md5(data).hexdigest() for path, data in self.files.items()}
        self.cuts = []
        self.seen = []
        self.ranges = True
        self.claimed = {}
        self.hold = None
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.answer(None)

    def do_GET(self):
        self.server.seen.append((self.path, self.headers["Range"]))
        self.answer(self.headers["Range"])

    def answer(self, wanted):
        data = self.server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        first = int(wanted.split("=")[1].rstrip("-")) if wanted and self.server.ranges else 0
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(self.server.claimed.get(self.path, len(data) - first)))
        self.end_headers()
        if self.command == "GET":
            end = first + self.server.cuts.pop(0) if self.server.cuts else len(data)
            self.wfile.write(data[first:end])
            if self.server.hold is not None and end < len(data):
                self.server.hold.wait(60)

    def log_message(self, *_):
        pass
