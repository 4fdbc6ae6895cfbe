"""The ranks of a job: they wait for each other, agree, are told of each other's failures, and end together.

This works beside MindSpore's collectives, through a heartbeat monitor at every rank (`heartbeat_monitor.py`).
A wait here may last (a conversion, an evaluation, a compilation), while MindSpore's own collectives on the
CPU give up after 30 seconds. It ends when a rank dies or hangs, and leaves the waiting rank able to save.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Callable, List, NoReturn, Optional

from ...errors import RankError, UserError
from .messages import Message, encode_message, take_message
from .timeouts import GRACE_SECONDS, HANG_SECONDS

_ROOT = Path(__file__).resolve().parents[3]
_START_MONITOR = (
    "import sys; sys.path = [sys.argv[1], *filter(None, sys.path)]; "
    f"from {__package__}.heartbeat_monitor import main; main()"
)


class RankGroup:
    """One rank among the ranks of its job.

    With num=1 every method returns at once, and there is no heartbeat monitor. As a context manager it ends
    all ranks when an exception is raised within it.

    Args:
        rank: This process, from 0.
        num: The number of ranks.
        broadcast: Gives rank 0's bytes to every rank: `broadcast(data)` on rank 0, `broadcast(None)`
            elsewhere. Used once, to tell the ranks where rank 0's monitor listens.
        host: The address at which the other hosts reach rank 0; only rank 0 needs it.
    """

    def __init__(
        self,
        rank: int = 0,
        num: int = 1,
        broadcast: Optional[Callable[[Optional[bytes]], bytes]] = None,
        host: Optional[str] = "127.0.0.1",
    ):
        self.rank = rank
        self.num = num
        self._barrier_count = 0
        self._incoming = bytearray()
        self._is_aborted = False
        self._socket = None
        self._monitor = None
        if num > 1:
            self._start_monitor(broadcast, host)

    def _start_monitor(self, broadcast, host) -> None:
        listener = None
        if self.rank == 0:
            listener = socket.create_server((host, 0), backlog=self.num)
            contact = [host, listener.getsockname()[1], secrets.token_hex(16)]
            contact = broadcast(json.dumps(contact).encode())
        else:
            contact = broadcast(None)
        address, port, token = json.loads(contact)
        settings = {
            "rank": self.rank,
            "num": self.num,
            "parent": os.getpid(),
            "token": token,
            "address": [address, port],
        }
        self._socket, monitor_side = socket.socketpair()
        handles = [monitor_side.fileno(), listener.fileno() if listener else -1]
        with monitor_side:
            self._monitor = subprocess.Popen(
                [sys.executable, "-c", _START_MONITOR, str(_ROOT), *map(str, handles), json.dumps(settings)],
                pass_fds=[handle for handle in handles if handle >= 0],
                stdin=subprocess.DEVNULL,
            )
        if listener is not None:
            listener.close()

    def report(
        self, position: str, idle_limit: Optional[float] = HANG_SECONDS, grace: float = GRACE_SECONDS
    ) -> None:
        """Tell the monitor where this rank is, for the message about its end.

        Args:
            position: A phrase for the end of a sentence ("in epoch 1 step 7, pictures [3, 9]").
            idle_limit: Seconds without any work after which this rank hangs; None: it may wait for ever.
            grace: Seconds that it gets to end by itself when another rank fails.

        Raises:
            RankError: Another rank has failed.
        """
        if self.num == 1 or self._is_aborted:
            return
        self._send({"position": position, "idle_limit": idle_limit, "grace": grace})
        while self._incoming or select.select([self._socket], [], [], 0)[0]:
            self._receive()

    def barrier(self, value: Any = None, decide: Optional[Callable[[List[Any]], Any]] = None) -> Any:
        """Wait for every rank to come here, and decide something together.

        Args:
            value: This rank's value, JSON-able.
            decide: Called on rank 0 with the values of all ranks, in their order; its answer is JSON-able.

        Returns:
            The answer of `decide`, on every rank; None without `decide`.

        Raises:
            RankError: A rank failed meanwhile.
        """
        pieces = self._gather(json.dumps(value).encode())
        decision = None
        if self.rank == 0 and decide is not None:
            decision = decide([json.loads(piece) for piece in pieces])
        if self.num == 1:
            return decision
        if self.rank == 0:
            self._send({"decision": self._barrier_count}, json.dumps(decision).encode())
            return decision
        _, answer = self._wait_for("decision")
        return json.loads(answer)

    def gather(self, data: bytes) -> Optional[List[bytes]]:
        """Wait for every rank to come here; returns the bytes of all ranks on rank 0, None on the others.

        Raises:
            RankError: A rank failed meanwhile.
        """
        pieces = self._gather(data)
        if self.num > 1:
            if self.rank == 0:
                self._send({"decision": self._barrier_count}, b"null")
            else:
                self._wait_for("decision")
        return pieces

    def _gather(self, data: bytes) -> Optional[List[bytes]]:
        """`gather`, after which the other ranks still wait for rank 0's decision."""
        if self.num == 1:
            return [data]
        self._barrier_count += 1
        self._send({"barrier": self._barrier_count}, data)
        if self.rank != 0:
            return None
        header, joined = self._wait_for("gathered")
        pieces = []
        start = 0
        for size in header["sizes"]:
            pieces.append(joined[start : start + size])
            start += size
        return pieces

    def raise_if_rank_failed(self, error: Exception) -> None:
        """Raise RankError for a failure here that another rank's end may have caused; with one rank, return.

        It waits for a message about the cause. If there is none in time, `error` itself ends all ranks.
        """
        if self.num > 1:
            self._send({"suspected": f"rank {self.rank}: {_first_line(error)}", "code": 1})
            while True:
                self._receive()

    def __enter__(self) -> RankGroup:
        return self

    def __exit__(self, kind, error, _) -> None:
        if self._socket is None:
            return
        try:
            if error is None:
                self.barrier()
            elif isinstance(error, UserError) and not isinstance(error, RankError):
                self._fail(str(error), error.code)
            elif not isinstance(error, (RankError, SystemExit)):
                self._fail(_first_line(error) or kind.__name__, 1)
            self._send({"finished": True})
        except RankError:
            if error is None:
                raise
        finally:
            self._socket.close()

    def _fail(self, line: str, code: int) -> None:
        """Tell all ranks that this one ends with `line` and `code`."""
        self._send({"failed": f"rank {self.rank}: {line}", "code": code})

    def _send(self, header: dict, data: bytes = b"") -> None:
        try:
            self._socket.sendall(encode_message(header, data))
        except OSError:
            self._monitor_is_gone()

    def _wait_for(self, kind: str) -> Message:
        """The next message of this kind."""
        while True:
            header, data = self._receive()
            if kind in header:
                return header, data

    def _receive(self) -> Message:
        """The next message; RankError if it ends the job."""
        while (message := take_message(self._incoming)) is None:
            piece = self._socket.recv(1 << 20)
            if not piece:
                self._monitor_is_gone()
            self._incoming += piece
        header, _ = message
        if "abort" in header:
            self._is_aborted = True
            _ignore_sigterm()
            raise RankError(header["abort"], header["code"])
        return message

    def _monitor_is_gone(self) -> NoReturn:
        self._is_aborted = True
        raise RankError(
            f"the process that watches rank {self.rank} has ended, so that it cannot go on with the others"
        )


def is_alone() -> bool:
    """Whether nothing in the environment says that this process is one of several of a job."""
    return "MS_ROLE" not in os.environ and int(os.environ.get("RANK_SIZE") or 1) == 1


def _ignore_sigterm() -> None:
    """From now on SIGTERM does nothing: this process ends anyway.

    run_distribute_train.sh sends SIGTERM to the ranks that are left when one has failed. It would end this
    one while it saves, or before it has printed why the job ends. If it hangs before it has left its group,
    its monitor kills it; later the script does.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _first_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def reachable_host() -> str:
    """The address at which the job's other hosts reach this one.

    It is the address from which this host connects to the scheduler of MindSpore's cluster.

    Raises:
        RankError: MS_SCHED_HOST cannot be reached.
    """
    scheduler = os.environ.get("MS_SCHED_HOST", "127.0.0.1")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            # Sends nothing: a datagram socket.
            probe.connect((socket.gethostbyname(scheduler), 9))
            return probe.getsockname()[0]
    except OSError as error:
        raise RankError(
            f"MS_SCHED_HOST={scheduler}: {error.strerror}, so that the other hosts cannot be told where this "
            "one is; an address that all hosts can reach is needed (MASTER_ADDR of the scripts)"
        ) from None
