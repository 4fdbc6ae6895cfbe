"""Pictures read by threads ahead of their use."""

from __future__ import annotations

import collections
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Iterable, Iterator, TypeVar

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")


def read_ahead(
    load: Callable[[Item], Loaded], items: Iterable[Item], threads: int, ahead: int
) -> Iterator[Loaded]:
    """What `load` gives of each item, in the order of the items.

    Threads load up to `ahead` items that come after the one in use, so that memory does not grow with their
    number. What `load` raises is raised where its item is next.

    Args:
        load: Called by threads.
        items: Of any number.
        threads: How many.
        ahead: How many items are loaded, or being loaded, besides the one in use.
    """
    executor = ThreadPoolExecutor(threads, "read-ahead")
    try:
        queue: collections.deque = collections.deque()
        for item in items:
            queue.append(executor.submit(load, item))
            if len(queue) > ahead:
                yield queue.popleft().result()
        while queue:
            yield queue.popleft().result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
