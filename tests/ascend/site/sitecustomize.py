"""Python runs this at its start where this folder is in PYTHONPATH: the project then finds a card.

So do the commands that a script starts, which no test can start itself with `pretend`.
"""

import importlib.abc
import importlib.util
import sys


class DeviceFinder(importlib.abc.MetaPathFinder):
    """Calls `pretend` as soon as the project's module of devices is loaded, and not before."""

    def find_spec(self, fullname, path, target=None):
        if fullname != "src.engine.runtime.device":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        execute = spec.loader.exec_module

        def execute_and_pretend(module):
            execute(module)
            from tests.ascend.card import pretend

            pretend()

        spec.loader.exec_module = execute_and_pretend
        return spec


sys.meta_path.insert(0, DeviceFinder())
