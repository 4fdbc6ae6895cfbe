"""Whole numbers in a JSON file."""

from __future__ import annotations

from src.data.annotations.json_values import whole_number


def test_whole_numbers_in_any_spelling():
    assert [whole_number(value) for value in (7, 7.0, "7", " 7 ", -1)] == [7, 7, 7, 7, -1]
    others = (7.5, "7.5", "x", None, True, float("nan"), float("inf"), 2**63, "9" * 30, [7])
    assert [whole_number(value) for value in others] == [None] * 10
