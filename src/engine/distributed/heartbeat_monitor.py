"""A small process beside every rank, which ends the job when a rank hangs or has died.

A rank cannot do this itself: MindSpore holds Python's interpreter lock while a graph compiles, and while a
collective waits for a rank that is gone. The monitor of rank 0 is the hub: the monitors of the other ranks
connect to it. Each monitor also has a connection to its own rank (`rank_group.RankGroup`). There are no
threads, only one loop over the sockets, and a heartbeat a second. Standard library only; Linux (it reads
/proc).

The messages, by the key of their header:

    from a rank        position, barrier (it waits for the others), decision (rank 0's, for those who wait),
                       failed, suspected (it failed, perhaps because of another rank), finished
    between monitors   hello, heartbeat, barrier, decision, failed, finished, abort
    to a rank          gathered (the data of all ranks at a barrier, to rank 0), decision, abort
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from typing import Any, Dict, Optional, Sequence

from .connections import Connection, ConnectionPool
from .process_activity import ProcessActivity
from .timeouts import GRACE_SECONDS, HEARTBEAT_SECONDS, SILENT_SECONDS, STOPPED_SECONDS, SUSPECTED_SECONDS


class HeartbeatMonitor:
    """One rank's monitor.

    Args:
        to_rank: The socket to the rank.
        rank: Its number.
        num: The number of ranks.
        parent: The rank's process id.
        token: The job's secret; who does not send it is not let in.
        address: (host, port) of rank 0's monitor, for the others.
        listener: The socket at that address, for rank 0's monitor.
    """

    def __init__(
        self,
        to_rank: socket.socket,
        rank: int,
        num: int,
        parent: int,
        token: str,
        address: Optional[Sequence] = None,
        listener: Optional[socket.socket] = None,
    ):
        self.rank = rank
        self.num = num
        self.parent = parent
        self.token = token
        self.pool = ConnectionPool(listener)
        self.to_rank = self.pool.add(Connection(to_rank, rank))
        self.hub = None  # the connection to rank 0's monitor
        self.peers: Dict[int, Connection] = {}  # on the hub: the connections to the other monitors
        self.barriers: Dict[int, Dict[int, bytes]] = {}  # on the hub: {number of a barrier: {rank: its data}}
        self.connect_seconds = 0.0  # on the hub: for how long ranks have been missing
        self.activity = ProcessActivity(parent)
        self.idle_limit = None
        self.grace_left = GRACE_SECONDS
        self.is_at_barrier = False
        self.abort_message = None
        self.is_reported = False  # whether the rank, or this monitor for it, has printed why the job ends
        self.suspected = None  # (line, code) of a failure whose cause may be elsewhere
        self.suspected_left = 0.0
        if rank != 0:
            self._connect_to_hub(*address)

    def _connect_to_hub(self, host: str, port: int) -> None:
        try:
            connection = socket.create_connection((host, port), timeout=SILENT_SECONDS)
        except OSError as error:
            connection, _ = socket.socketpair()  # its other end is closed at once: the hub counts as gone
            reason = error.strerror or error
            print(
                f"rank {self.rank} cannot reach rank 0 at {host}:{port}: {reason}",
                file=sys.stderr,
                flush=True,
            )
        self.hub = self.pool.add(Connection(connection, 0))
        self.hub.send({"hello": self.rank, "token": self.token})

    # ---- the loop ------------------------------------------------------------------------------------------

    def run(self) -> None:
        last = time.monotonic()
        while not self.is_done():
            for connection in self.pool.wait(HEARTBEAT_SECONDS / 2):
                self.serve(connection)
            now = time.monotonic()
            if now - last >= HEARTBEAT_SECONDS:
                # A pause of the whole machine counts as one heartbeat.
                self.heartbeat(min(now - last, 2 * HEARTBEAT_SECONDS))
                last = now
            self.pool.flush()

    def is_done(self) -> bool:
        """Whether this process may end: its rank has ended, and all messages are sent."""
        if self.to_rank.is_open:
            return False
        if self.rank == 0:
            # A rank that connects late must hear of the job's end too.
            is_complete = len(self.peers) == self.num - 1 or self.connect_seconds > SILENT_SECONDS
            return is_complete and not any(peer.is_open for peer in self.peers.values())
        return not self.hub.is_open or not self.hub.outgoing

    def serve(self, connection: Connection) -> None:
        """Handle what has arrived on a connection."""
        for header, data in connection.receive():
            connection.silent_seconds = 0.0
            if connection.rank is None:  # its first message has to be the token
                if header.get("token") != self.token or not 0 < header.get("hello", 0) < self.num:
                    connection.is_open = False
                    break
                connection.rank = header["hello"]
                self.peers[connection.rank] = connection
                if self.abort_message is not None:
                    connection.send(self.abort_message)
            elif connection is self.to_rank:
                self.handle_from_rank(header, data)
            elif connection is self.hub:
                self.handle_from_hub(header, data)
            else:
                self.handle_on_hub(connection, header, data)
        if not connection.is_open:
            self.pool.close(connection)
            self.handle_closed(connection)

    # ---- what the messages do ------------------------------------------------------------------------------

    def handle_from_rank(self, header: Dict[str, Any], data: bytes) -> None:
        if "position" in header:
            self.to_rank.position = header["position"]
            self.idle_limit = header["idle_limit"]
            self.grace_left = header["grace"]
            self.activity.idle_seconds = 0.0
        elif "barrier" in header:
            self.is_at_barrier = True
            self.send_to_hub(header, data)
        elif "decision" in header:
            self.is_at_barrier = False
            for peer in self.peers.values():
                peer.send(header, data)
        elif "suspected" in header:
            self.suspected = (header["suspected"], header["code"])
            self.suspected_left = SUSPECTED_SECONDS
        elif "failed" in header:
            self.to_rank.has_finished = True
            self.is_reported = True  # by the rank itself
            self.report_failure(header["failed"], header["code"])
        elif "finished" in header:
            self.to_rank.has_finished = True
            self.send_to_hub(header)

    def send_to_hub(self, header: Dict[str, Any], data: bytes = b"") -> None:
        """Send to the hub, which may be this monitor."""
        if self.rank:
            self.hub.send(header, data)
        else:
            self.handle_on_hub(self.to_rank, header, data)

    def handle_from_hub(self, header: Dict[str, Any], data: bytes) -> None:
        if "decision" in header:
            self.is_at_barrier = False
            self.to_rank.send(header, data)
        elif "abort" in header:
            self.abort(header)

    def handle_on_hub(self, connection: Connection, header: Dict[str, Any], data: bytes) -> None:
        if "heartbeat" in header:
            connection.position = header["heartbeat"]
        elif "barrier" in header:
            arrived = self.barriers.setdefault(header["barrier"], {})
            arrived[connection.rank] = data
            if len(arrived) == self.num:
                pieces = [arrived[rank] for rank in range(self.num)]
                del self.barriers[header["barrier"]]
                sizes = [len(piece) for piece in pieces]
                self.to_rank.send({"gathered": header["barrier"], "sizes": sizes}, b"".join(pieces))
        elif "failed" in header:
            self.report_failure(header["failed"], header["code"])
        elif "finished" in header:
            connection.has_finished = True

    def handle_closed(self, connection: Connection) -> None:
        """A connection has ended. That is a failure unless its other end had said that it ends."""
        if self.abort_message is not None:
            return
        if connection is self.hub:
            if self.to_rank.is_open and not self.to_rank.has_finished:
                where = self.to_rank.position
                line = f"rank 0 died, or its host or its heartbeat monitor, when this one was {where}"
                self.abort({"abort": line, "code": 3})
        elif connection.rank is not None and not connection.has_finished:
            self.report_failure(f"rank {connection.rank} died {connection.position}", 3)

    def report_failure(self, line: str, code: int) -> None:
        """This rank (on the hub: any rank) has failed. The first failure that the hub hears of ends all."""
        if self.rank:
            self.hub.send({"failed": line, "code": code})
            if self.to_rank.has_finished:
                self.abort_message = {"abort": line, "code": code}
        elif self.abort_message is None:
            message = {"abort": line, "code": code}
            for peer in self.peers.values():
                peer.send(message)
            self.abort(message)

    def abort(self, message: Dict[str, Any]) -> None:
        """The job has failed. The rank is told, and has `grace_left` seconds to save and end by itself."""
        self.abort_message = message
        self.suspected = None
        if self.to_rank.is_open and not self.to_rank.has_finished:
            self.to_rank.send(message)

    # ---- once a second -------------------------------------------------------------------------------------

    def heartbeat(self, seconds: float) -> None:
        """Send a heartbeat, check the rank and the other monitors, end the rank when its time is over."""
        if self.rank:
            self.hub.send({"heartbeat": self.to_rank.position})
        else:
            for peer in self.peers.values():
                peer.send({"heartbeat": ""})
        if self.to_rank.is_open and not self.to_rank.has_finished:
            self.check_rank(seconds)
        self.check_connections(seconds)
        if self.suspected is not None:
            self.suspected_left -= seconds
            if self.suspected_left <= 0:
                line, code = self.suspected
                self.suspected = None
                self.report_failure(line, code)
        has_to_end = self.to_rank.is_open and not self.to_rank.has_finished
        if self.abort_message is not None and not self.is_reported and has_to_end:
            self.grace_left -= seconds
            if self.grace_left <= 0:
                self.is_reported = True
                print(f"error: {self.abort_message['abort']}", file=sys.stderr, flush=True)
                # It waits inside a collective, where no signal handler runs.
                os.kill(self.parent, signal.SIGKILL)

    def check_rank(self, seconds: float) -> None:
        """A rank hangs if it is stopped, or if it does nothing for `idle_limit` seconds outside a barrier."""
        if not self.activity.update(seconds):
            return
        limit = self.idle_limit
        what = "hangs"
        if self.activity.is_stopped:
            limit = STOPPED_SECONDS
            what = "is stopped"
        elif self.is_at_barrier:
            limit = None
        idle_seconds = self.activity.idle_seconds
        if limit is not None and idle_seconds > limit and self.abort_message is None:
            where = self.to_rank.position
            line = f"rank {self.rank} {what}: it has done nothing for {idle_seconds:.0f} s {where}"
            self.report_failure(line, 3)
            self.activity.idle_seconds = 0.0
            self.grace_left = 0.0

    def check_connections(self, seconds: float) -> None:
        """A rank that does not connect, or whose monitor sends nothing, has failed."""
        missing = [rank for rank in range(1, self.num) if rank not in self.peers] if self.rank == 0 else []
        self.connect_seconds = self.connect_seconds + seconds if missing else 0.0
        if self.connect_seconds > SILENT_SECONDS and self.abort_message is None:
            self.report_failure(f"rank {missing[0]} has not come within {SILENT_SECONDS:.0f} s", 3)
        for connection in (self.hub, *self.peers.values()):
            if connection is None or not connection.is_open or connection.has_finished:
                continue
            connection.silent_seconds += seconds
            if connection.silent_seconds > SILENT_SECONDS and self.abort_message is None:
                line = (
                    f"rank {connection.rank}'s host has not answered for {SILENT_SECONDS:.0f} s; "
                    f"last seen {connection.position}"
                )
                if self.rank:
                    self.abort({"abort": line, "code": 3})
                else:
                    self.report_failure(line, 3)


def main() -> None:
    """python -c ... SOCKET_TO_RANK LISTENER SETTINGS: file descriptors (or -1), and JSON."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the rank handles them; this process ends with the rank
    to_rank = socket.socket(fileno=int(sys.argv[2]))
    listener = socket.socket(fileno=int(sys.argv[3])) if int(sys.argv[3]) >= 0 else None
    settings = json.loads(sys.argv[4])
    HeartbeatMonitor(to_rank, listener=listener, **settings).run()
