"""Print the lines of requirement files that this interpreter's packages do not meet.

    python missing_requirements.py FILE...

For environments that are the user's own, where nothing may be replaced needlessly: MindSpore 2.7 to 2.10
counts as met there.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import List

try:
    from packaging.requirements import Requirement
except ImportError:  # pip, which will install what is missing, brings its own copy
    try:
        from pip._vendor.packaging.requirements import Requirement
    except ImportError:
        sys.exit(
            f"error: {sys.executable} has no pip: "
            f"run '{sys.executable} -m ensurepip' first, or set PYTHON=..."
        )

ALSO_FINE = {"mindspore": Requirement("mindspore>=2.7,<2.11").specifier}


def requirements(path: str) -> List[Requirement]:
    """The requirements of a file, without comments, blank lines and options such as `-r FILE`."""
    with open(path, encoding="utf-8") as lines:
        texts = (line.split("#")[0].strip() for line in lines)
        return [Requirement(text) for text in texts if text and not text.startswith("-")]


def is_met(requirement: Requirement) -> bool:
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return False
    wanted = (requirement.specifier, ALSO_FINE.get(requirement.name, requirement.specifier))
    return any(specifier.contains(found, prereleases=True) for specifier in wanted)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        for item in requirements(name):
            if not is_met(item):
                print(item)
