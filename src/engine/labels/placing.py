"""Picture files in a new data set: linked, copied, or left where they are."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from ...errors import DataError
from ...log import logger

LINK = "link"
COPY = "copy"
NONE = "none"
_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)


class PicturePlacer:
    """Puts picture files into a new folder.

    Hard links take no space and stay when the first name is deleted. Where a file system has none, or the
    folders are on two disks, pictures are copied, which is said once.

    Args:
        how: LINK or COPY.
    """

    def __init__(self, how: str):
        self._links = how == LINK

    def place(self, source: str, target: Path) -> None:
        """Put a picture where it belongs.

        Raises:
            DataError: the picture is not there.
            OSError: the target cannot be written.
        """
        if not os.path.isfile(source):
            raise DataError(
                f"picture {source}: No such file; --images DIR says where the pictures are, "
                "--pictures none leaves them out"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        source = os.path.realpath(source)  # of a symbolic link, the file
        if self._links:
            try:
                os.link(source, target)
                return
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                self._links = False
                logger.warning("%s cannot be linked there (%s): pictures are copied", source, error.strerror)
        shutil.copyfile(source, target)
