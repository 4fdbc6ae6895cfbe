"""Writes the corrected file soon after a decision, in a thread of its own."""

from __future__ import annotations

import threading
import time
from typing import Optional

from ..errors import UserError
from ..log import logger
from .session import RepairSession

# Of the time that writing took before, so many times are waited: a large file is not written all the time.
_PAUSE = 5.0


class Writer:
    """Keeps the corrected file up to date.

    Attributes:
        failure: why it could not be written the last time; None: it could, or was not tried yet.
    """

    def __init__(self, session: RepairSession):
        self.failure: Optional[str] = None
        self._session = session
        self._wanted = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="corrected file", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Something was decided."""
        self._wanted.set()

    def stop(self) -> None:
        """End the thread; what is not written then stays so."""
        self._stopped.set()
        self._wanted.set()
        self._thread.join()

    def _work(self) -> None:
        while True:
            self._wanted.wait()
            if self._stopped.is_set():
                return
            self._wanted.clear()
            start = time.monotonic()
            try:
                if self._session.written_revision != self._session.revision:
                    self._session.write()
                self.failure = None
            except UserError as error:
                if self.failure is None:
                    logger.warning("%s; the decisions are in %s", error, self._session.log_path)
                self.failure = str(error)
            self._stopped.wait(_PAUSE * (time.monotonic() - start))
