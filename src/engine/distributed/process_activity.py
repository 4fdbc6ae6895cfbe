"""Whether a process does anything, from /proc (Linux). Standard library only."""

from __future__ import annotations

from pathlib import Path


class ProcessActivity:
    """How long a process has done nothing.

    "Nothing" is at most a hundredth of a second of processor time in a second, because MindSpore's threads
    wake up now and then in a process that hangs.

    Attributes:
        pid: The process.
        idle_seconds: For how long it has done nothing.
        is_stopped: Whether the system has stopped it (SIGSTOP, a debugger).
    """

    def __init__(self, pid: int):
        self.pid = pid
        self.idle_seconds = 0.0
        self.is_stopped = False
        self._used_ticks = None

    def update(self, seconds: float) -> bool:
        """Look at the process, `seconds` after the last time. False if it cannot be looked at."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return False
        used_ticks = int(fields[11]) + int(fields[12])  # user and system time, in hundredths of a second
        is_idle = self._used_ticks is not None and used_ticks - self._used_ticks <= 1
        self.idle_seconds = self.idle_seconds + seconds if is_idle else 0.0
        self.is_stopped = fields[0] in "Tt"
        self._used_ticks = used_ticks
        return True
