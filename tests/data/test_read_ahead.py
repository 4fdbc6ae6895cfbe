"""Reading ahead: the order, how many items are loaded at once, and errors."""

from __future__ import annotations

import threading
import time

import pytest

from src.data.read_ahead import read_ahead


@pytest.mark.parametrize("threads, ahead, count", [(1, 0, 5), (1, 2, 5), (3, 2, 20), (2, 8, 3), (2, 2, 0)])
def test_everything_comes_in_order(threads, ahead, count):
    def load(number):
        time.sleep(0.002 * (number % 3))
        return number * number

    assert list(read_ahead(load, range(count), threads, ahead)) == [i * i for i in range(count)]


def test_no_more_is_loaded_than_is_asked_for():
    started = []
    loaded = read_ahead(started.append, range(100), 4, 3)
    for used in range(1, 6):
        next(loaded)
        assert len(started) <= used + 3
    loaded.close()
    assert len(started) <= 5 + 3


def test_items_are_loaded_while_one_is_in_use():
    """The second is loaded before it is asked for: else this waits in vain."""
    is_second_loaded = threading.Event()
    loaded = read_ahead(lambda number: number == 1 and is_second_loaded.set(), range(3), 1, 1)
    next(loaded)
    assert is_second_loaded.wait(10)
    loaded.close()


def test_an_error_is_raised_where_its_item_is_next():
    def load(number):
        if number == 2:
            raise ValueError(number)
        return number

    loaded = read_ahead(load, range(10), 2, 4)
    assert [next(loaded), next(loaded)] == [0, 1]
    with pytest.raises(ValueError, match="2"):
        next(loaded)
