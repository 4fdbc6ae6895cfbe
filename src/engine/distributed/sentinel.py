"""A small process beside every rank of a job. It tells the other ranks' sentinels how its rank does, and ends it when another one failed.

The rank itself could not: MindSpore holds the interpreter for as long as a graph compiles, or as a collective waits for a partner that is
gone. The sentinel of rank 0 is the hub that the others connect to; each has a line to its own rank (`team.Team`). Standard library only, and
no thread: one loop over sockets, with a beat a second. Linux (it reads /proc).

Messages are frames: a JSON header and bytes. From a rank: at (where it is), meet (it waits for the others), answer (rank 0's, to those
who met), fail, suspect, bye. Between sentinels: hello, beat, meet, answer, fail, bye, end. To a rank: all (what those who met brought, to
rank 0), answer, end.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
import time
from pathlib import Path

from .frames import Link

BEAT = 1.0  # seconds between beats
# The environment's HANG_SECONDS: a rank that does no work for so long hangs. The next three follow from it.
HANG = float(os.environ.get("HANG_SECONDS") or 45)
STOPPED = HANG / 2  # the same for a rank that the system has stopped
SILENT = HANG * 2 / 3  # a host that is not heard of for so long is gone
SUSPECT = (
    HANG * 5 / 9
)  # so long a failure that another rank's end may have caused waits for the cause to be told
# A rank has so long to save and end by itself when another one failed; then it is ended, and its line told for it.
GRACE = 8.0


class Sentinel:
    """See the module. main: the socket to the rank; listener: rank 0's, address and token: how the others reach it; parent: the rank's process."""

    def __init__(self, main, rank, num, parent, token, address=None, listener=None):
        self.rank, self.num, self.parent, self.token = rank, num, parent, token
        self.main = Link(main, rank)
        self.selector = selectors.DefaultSelector()
        self.selector.register(main, selectors.EVENT_READ, self.main)
        self.peers, self.hub, self.meetings = {}, None, {}
        self.limit, self.grace, self.meeting, self.idle, self.used = None, GRACE, False, 0.0, None
        self.verdict, self.told, self.suspicion, self.waited = None, False, None, 0.0
        if rank == 0:
            listener.setblocking(False)
            self.listener = listener
            self.selector.register(listener, selectors.EVENT_READ, None)
        else:
            try:
                connection = socket.create_connection(tuple(address), timeout=SILENT)
            except OSError as error:
                connection, _ = socket.socketpair()  # closed at once, as that of a hub that has ended
                print(
                    f"rank {rank} cannot reach rank 0 at {address[0]}:{address[1]}: {error.strerror or error}",
                    file=sys.stderr,
                    flush=True,
                )
            self.hub = Link(connection, 0)
            self.selector.register(connection, selectors.EVENT_READ, self.hub)
            self.hub.send({"hello": rank, "token": token})

    # ---- the loop ----------------------------------------------------------------------------------------------------

    def run(self):
        last = time.monotonic()
        while not self.over():
            for key, _ in self.selector.select(BEAT / 2):
                if key.data is None:
                    self.accept()
                else:
                    self.serve(key.data)
            now = time.monotonic()
            if now - last >= BEAT:
                self.beat(min(now - last, 2 * BEAT))  # a pause of the whole machine counts as one beat
                last = now
            for link in self.links():
                link.flush()
                events = selectors.EVENT_READ | (selectors.EVENT_WRITE if link.outgoing else 0)
                if events != link.events:
                    self.selector.modify(link.socket, events, link)
                    link.events = events

    def links(self):
        return [
            link for link in (self.main, self.hub, *self.peers.values()) if link is not None and link.open
        ]

    def over(self):
        """Whether nobody needs this process any more: its rank has ended, and what it had to tell is told."""
        if self.main.open:
            return False
        if self.rank == 0:
            complete = (
                len(self.peers) == self.num - 1 or self.waited > SILENT
            )  # who comes late is told of the end too
            return complete and not any(peer.open for peer in self.peers.values())
        return not self.hub.open or not self.hub.outgoing

    def accept(self):
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return
        link = Link(connection)
        self.selector.register(connection, selectors.EVENT_READ, link)

    def serve(self, link):
        for header, data in link.receive():
            link.silent = 0.0
            if link.rank is None:  # not yet known: the first word has to be the token
                if header.get("token") != self.token or not 0 < header.get("hello", 0) < self.num:
                    link.open = False
                    break
                link.rank = header["hello"]
                self.peers[link.rank] = link
                if self.verdict is not None:
                    link.send(self.verdict)
            elif link is self.main:
                self.from_main(header, data)
            elif link is self.hub:
                self.from_hub(header, data)
            else:
                self.from_peer(link, header, data)
        if not link.open:
            self.selector.unregister(link.socket)
            link.socket.close()
            self.lost(link)

    # ---- what the messages do ----------------------------------------------------------------------------------------

    def from_main(self, header, data):
        if "at" in header:
            self.main.where, self.limit, self.grace = header["at"], header["limit"], header["grace"]
            self.idle = 0.0
        elif "meet" in header:
            self.meeting = True
            self.pass_on(header, data)
        elif "answer" in header:
            self.meeting = False
            for peer in self.peers.values():
                peer.send(header, data)
        elif "suspect" in header:
            self.suspicion = [SUSPECT, header["suspect"], header["code"]]
        elif "fail" in header:
            self.main.left = True
            self.told = True  # the rank says it itself
            self.judge(header["fail"], header["code"])
        elif "bye" in header:
            self.main.left = True
            self.pass_on(header)

    def pass_on(self, header, data=b""):
        """From this sentinel to the hub, which may be this one."""
        if self.rank:
            self.hub.send(header, data)
        else:
            self.from_peer(self.main, header, data)

    def from_hub(self, header, data):
        if "answer" in header:
            self.meeting = False
            self.main.send(header, data)
        elif "end" in header:
            self.end(header)

    def from_peer(self, link, header, data):
        """On the hub."""
        if "beat" in header:
            link.where = header["beat"]
        elif "meet" in header:
            present = self.meetings.setdefault(header["meet"], {})
            present[link.rank] = data
            if len(present) == self.num:
                pieces = [present[rank] for rank in range(self.num)]
                del self.meetings[header["meet"]]
                self.main.send(
                    {"all": header["meet"], "sizes": [len(piece) for piece in pieces]}, b"".join(pieces)
                )
        elif "fail" in header:
            self.judge(header["fail"], header["code"])
        elif "bye" in header:
            link.left = True

    def lost(self, link):
        """A connection has ended: well, if the other side had said so."""
        if link is self.main:
            if not link.left and self.verdict is None:
                self.judge(f"rank {self.rank} died {link.where}", 3)
        elif link is self.hub:
            if self.main.open and not self.main.left and self.verdict is None:
                self.end(
                    {
                        "end": f"rank 0 died, its host too or its sentinel, when this one was {self.main.where}",
                        "code": 3,
                    }
                )
        elif link.rank is not None and not link.left and self.verdict is None:
            self.judge(f"rank {link.rank} died {link.where}", 3)

    def judge(self, line, code):
        """This rank, or the job as the hub sees it, has failed: the first such line ends everybody."""
        if self.rank:
            self.hub.send({"fail": line, "code": code})
            if self.main.left:
                self.verdict = {"end": line, "code": code}
            return
        if self.verdict is None:
            self.verdict = {"end": line, "code": code}
            for peer in self.peers.values():
                peer.send(self.verdict)
            self.end(self.verdict)

    def end(self, verdict):
        """The job has failed: the rank is told, and has `grace` seconds to save and end by itself."""
        self.verdict, self.suspicion = verdict, None
        if self.main.open and not self.main.left:
            self.main.send(verdict)

    # ---- once a second -----------------------------------------------------------------------------------------------

    def beat(self, seconds):
        if self.rank:
            self.hub.send({"beat": self.main.where})
        else:
            for peer in self.peers.values():
                peer.send({"beat": ""})
        if self.main.open and not self.main.left:
            self.watch_rank(seconds)
        self.watch_hosts(seconds)
        if self.suspicion is not None:
            self.suspicion[0] -= seconds
            if self.suspicion[0] <= 0:
                _, line, code = self.suspicion
                self.suspicion = None
                self.judge(line, code)
        if self.verdict is not None and not self.told and self.main.open and not self.main.left:
            self.grace -= seconds
            if self.grace <= 0:
                self.told = True
                print(f"error: {self.verdict['end']}", file=sys.stderr, flush=True)
                os.kill(self.parent, signal.SIGKILL)  # it waits for the others where no signal's handler runs

    def watch_rank(self, seconds):
        """A rank hangs that is stopped, or does nothing for `limit` seconds while it waits for nobody.

        Nothing is at most a hundredth of a second of processor time in a second: MindSpore's threads beat too.
        """
        try:
            fields = Path(f"/proc/{self.parent}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return
        stopped, used = fields[0] in "Tt", int(fields[11]) + int(fields[12])
        self.idle = self.idle + seconds if self.used is not None and used - self.used <= 1 else 0.0
        self.used = used
        limit = STOPPED if stopped else None if self.meeting else self.limit
        if limit is not None and self.idle > limit and self.verdict is None:
            how = "is stopped" if stopped else "hangs"
            self.judge(
                f"rank {self.rank} {how}: it has done nothing for {self.idle:.0f} s {self.main.where}", 3
            )
            self.idle = self.grace = 0.0

    def watch_hosts(self, seconds):
        missing = [rank for rank in range(1, self.num) if rank not in self.peers] if self.rank == 0 else []
        self.waited = self.waited + seconds if missing else 0.0
        if self.waited > SILENT and self.verdict is None:
            self.judge(f"rank {missing[0]} has not come within {SILENT:.0f} s", 3)
        for link in (self.hub, *self.peers.values()):
            if link is None or not link.open or link.left:
                continue
            link.silent += seconds
            if link.silent > SILENT and self.verdict is None:
                line = f"rank {link.rank}'s host has not answered for {SILENT:.0f} s; last seen {link.where}"
                if self.rank:
                    self.end({"end": line, "code": 3})
                else:
                    self.judge(line, 3)


def main():
    """python -c ... MAIN_HANDLE LISTENER_HANDLE SETTINGS: the life of the process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # they are the rank's business, whose end is this process's end
    settings = json.loads(sys.argv[4])
    listener = socket.socket(fileno=int(sys.argv[3])) if int(sys.argv[3]) >= 0 else None
    Sentinel(socket.socket(fileno=int(sys.argv[2])), listener=listener, **settings).run()
