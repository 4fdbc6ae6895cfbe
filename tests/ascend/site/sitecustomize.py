"""Python runs this at its start where this folder is in PYTHONPATH: the project then finds a card.

So do the commands that a script starts, which no test can start itself with `pretend`.
"""

import importlib.abc
import importlib.util
import sys


def find_device_files(environment):
    """Others take the function from there, some before the module of devices is loaded."""
    environment.card_is_here = lambda: True


def pretend_a_card(_):
    from tests.ascend.card import pretend

    pretend()


AFTER_LOADING = {"src.environment": find_device_files, "src.engine.runtime.device": pretend_a_card}


class Finder(importlib.abc.MetaPathFinder):
    """Calls the functions of AFTER_LOADING as soon as their modules are loaded, and not before."""

    def find_spec(self, fullname, path, target=None):
        change = AFTER_LOADING.pop(fullname, None)
        if change is None:
            return None
        spec = importlib.util.find_spec(fullname)
        execute = spec.loader.exec_module

        def execute_and_change(module):
            execute(module)
            change(module)

        spec.loader.exec_module = execute_and_change
        return spec


sys.meta_path.insert(0, Finder())
