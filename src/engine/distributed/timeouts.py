"""The waiting times of a job of several ranks, in seconds."""

from __future__ import annotations

import os

HEARTBEAT_SECONDS = 1.0
# A rank that does nothing for so long hangs. The next three follow from it.
HANG_SECONDS = float(os.environ.get("HANG_SECONDS") or 45)
# The same for a rank that the system has stopped.
STOPPED_SECONDS = HANG_SECONDS / 2
# A host that sends nothing for so long is gone.
SILENT_SECONDS = HANG_SECONDS * 2 / 3
# So long a failure that another rank may have caused waits for a message about its cause.
SUSPECTED_SECONDS = HANG_SECONDS * 5 / 9
# When another rank failed, a rank has so long to save and end by itself. Then its monitor kills it.
GRACE_SECONDS = 8.0
