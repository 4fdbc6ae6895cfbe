"""The ranks of a job as a team: they wait for each other, agree, hear of each other's failures, and end together.

This goes beside MindSpore's collectives, through a sentinel a rank (`sentinel.py`): a wait here may last (a conversion, an evaluation, a
compilation; MindSpore's own CPU collectives give up after 30 seconds), is told when a rank dies or hangs, and leaves the waiting rank able to save.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import socket
import subprocess
import sys
from pathlib import Path

from ...errors import RankError, UserError
from .frames import pack, unpack
from .sentinel import GRACE, HANG

_ROOT = Path(__file__).resolve().parents[3]
_COMMAND = (
    "import sys; sys.path = [sys.argv[1], *filter(None, sys.path)]; "
    f"from {__package__}.sentinel import main; main()"
)


class Team:
    """One rank's side of it. With num=1 every call returns at once and there is no sentinel.

    exchange: a function that gives rank 0's bytes to every rank (`exchange(data)` there, `exchange(None)` elsewhere), used once to tell where
    the hub listens; host: the address at which the other hosts reach rank 0. A context manager: an exception within it ends all ranks.
    """

    def __init__(self, rank=0, num=1, exchange=None, host="127.0.0.1"):
        self.rank, self.num, self._count, self._incoming, self._ended = rank, num, 0, bytearray(), False
        self._socket = self._process = None
        if num == 1:
            return
        listener = None
        if rank == 0:
            listener = socket.create_server((host, 0), backlog=num)
            where = exchange(json.dumps([host, listener.getsockname()[1], secrets.token_hex(16)]).encode())
        else:
            where = exchange(None)
        address, port, token = json.loads(where)
        self._socket, theirs = socket.socketpair()
        settings = {
            "rank": rank,
            "num": num,
            "parent": os.getpid(),
            "token": token,
            "address": [address, port],
        }
        handles = [theirs.fileno(), listener.fileno() if listener else -1]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _COMMAND, str(_ROOT), *map(str, handles), json.dumps(settings)],
                pass_fds=[handle for handle in handles if handle >= 0],
                stdin=subprocess.DEVNULL,
            )
        if listener is not None:
            listener.close()

    def at(self, where, idle=HANG, grace=GRACE):
        """Say where this rank is ("in epoch 1 step 7, pictures [3, 9]"), for the line that tells of its end.

        idle: seconds without any work after which it hangs (None: any time is fine); grace: seconds it gets to end by itself when another rank
        failed. Raises RankError if one did.
        """
        if self.num == 1 or self._ended:
            return
        self._send({"at": where, "limit": idle, "grace": grace})
        while self._incoming or select.select([self._socket], [], [], 0)[0]:
            self._receive()

    def meet(self, value=None, decide=None):
        """Wait for every rank to come here; returns what `decide(values of all ranks, by rank)` answers on rank 0, on every rank.

        value and answer are JSON-able; without decide the answer is None. Raises RankError where a rank failed meanwhile.
        """
        pieces = self.gather(json.dumps(value).encode(), keep_waiting=True)
        answer = None
        if self.rank == 0 and decide is not None:
            answer = decide([json.loads(piece) for piece in pieces])
        if self.num == 1:
            return answer
        if self.rank == 0:
            self._send({"answer": self._count}, json.dumps(answer).encode())
            return answer
        return json.loads(self._wait("answer"))

    def gather(self, data, keep_waiting=False):
        """Every rank's bytes, by rank, on rank 0; None elsewhere, at once. Raises RankError."""
        if self.num == 1:
            return [data]
        self._count += 1
        self._send({"meet": self._count}, data)
        pieces = None
        if self.rank == 0:
            joined, sizes = self._wait("all")
            ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
            pieces = [joined[end - size : end] for size, end in zip(sizes, ends)]
        if not keep_waiting:
            if self.rank == 0:
                self._send({"answer": self._count}, b"null")
            else:
                self._wait("answer")
        return pieces

    def suspect(self, error):
        """A failure that another rank's end may have caused: wait for the cause; raises RankError with it, or with this."""
        if self.num > 1:
            self._send({"suspect": f"rank {self.rank}: {first_line(error)}", "code": 1})
            while True:
                self._receive()

    def fail(self, line, code):
        """Tell all ranks that this one ends with `line` and `code`."""
        if self.num > 1:
            self._send({"fail": f"rank {self.rank}: {line}", "code": code})

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        if self._socket is None:
            return
        try:
            if error is None:
                self.meet()
            elif isinstance(error, UserError) and not isinstance(error, RankError):
                self.fail(str(error), error.code)
            elif not isinstance(error, (RankError, SystemExit)):
                self.fail(first_line(error) or kind.__name__, 1)
            self._send({"bye": True})
        except RankError:
            if error is None:
                raise
        finally:
            self._socket.close()

    def _send(self, header, data=b""):
        try:
            self._socket.sendall(pack(header, data))
        except OSError:
            self._gone()

    def _wait(self, what):
        """The data of the next frame of this kind (with its sizes, for 'all')."""
        while True:
            header, data = self._receive()
            if what in header:
                return (data, header["sizes"]) if what == "all" else data

    def _receive(self):
        """The next frame; a RankError if it is the job's end."""
        while (frame := unpack(self._incoming)) is None:
            piece = self._socket.recv(1 << 20)
            if not piece:
                self._gone()
            self._incoming += piece
        if "end" in frame[0]:
            self._ended = True
            raise RankError(frame[0]["end"], frame[0]["code"])
        return frame

    def _gone(self):
        self._ended = True
        raise RankError(
            f"the process that watches rank {self.rank} has ended, so that it cannot go on with the others"
        )


def first_line(error):
    return " ".join(str(error).split())[:200]


def reachable_host():
    """The address of this host at which the job's other hosts reach it: towards msrun's scheduler, or another server of the rank table."""
    others = [os.environ["MS_SCHED_HOST"]] if os.environ.get("MS_SCHED_HOST") else _servers_of_table()
    for other in others:
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect((socket.gethostbyname(other), 9))  # a datagram socket sends nothing by this
                return probe.getsockname()[0]
        except OSError:
            continue
    return "127.0.0.1"


def _servers_of_table():
    try:
        table = json.loads(Path(os.environ["RANK_TABLE_FILE"]).read_text())
        servers = [server["server_id"] for server in table["server_list"]]
    except (KeyError, OSError, ValueError, TypeError):
        return []
    return servers[::-1] if len(servers) > 1 else []
