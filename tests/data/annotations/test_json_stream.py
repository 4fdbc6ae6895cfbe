"""The walker of JSON's outermost object against the standard library."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data.annotations.json_stream import CHUNK_ITEMS, ItemCount, parse_object

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(
    content=VALUES | st.dictionaries(st.sampled_from(["a", "b", "c", ""]), VALUES),
    indent=st.sampled_from([None, 1]),
    cut=st.integers(0, 40),
)
def test_as_json_loads(content, indent, cut):
    text = json.dumps(content, indent=indent)
    seen = {"a": [], "b": []}
    found = parse_object(
        text, {name: lambda first, piece, name=name: seen[name].append((first, piece)) for name in seen}
    )
    if isinstance(found, dict):
        found = {
            key: [item for _, piece in seen[key] for item in piece] if isinstance(value, ItemCount) else value
            for key, value in found.items()
        }
    assert found == content
    broken = text[: -1 - cut % max(1, len(text))]
    try:
        expected = json.loads(broken)
    except json.JSONDecodeError:
        with pytest.raises(json.JSONDecodeError):
            parse_object(broken, {})
    else:
        assert parse_object(broken, {}) == expected


def test_pieces_follow_one_another_and_a_second_list_is_an_error():
    pieces = []
    found = parse_object(
        json.dumps({"a": list(range(2 * CHUNK_ITEMS + 5)), "b": []}),
        {"a": lambda first, piece: pieces.append((first, len(piece)))},
    )
    assert pieces == [(0, CHUNK_ITEMS), (CHUNK_ITEMS, CHUNK_ITEMS), (2 * CHUNK_ITEMS, 5)] and found == {
        "a": 2 * CHUNK_ITEMS + 5,
        "b": [],
    }
    with pytest.raises(json.JSONDecodeError, match="second time"):
        parse_object('{"a": [1], "a": [2]}', {"a": lambda first, piece: None})
    with pytest.raises(json.JSONDecodeError, match="line 2 column 1"):
        parse_object('{"a": [1],\n}', {})
