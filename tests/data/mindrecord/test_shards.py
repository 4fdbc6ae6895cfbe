"""Rows and manifest: packing and unpacking, damage that is noticed."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data.mindrecord.manifest import LABELS, MANIFEST, ROWS, Manifest, load_manifest, verify_shards
from src.data.mindrecord.row_format import (
    ROW_TYPE,
    StoredObjects,
    pack_objects,
    row_bytes,
    split_row,
    unpack_objects,
)
from src.data.mindrecord.shard_reader import ShardReader
from src.errors import DataError

POLYGONS = st.lists(
    st.lists(st.floats(-1e4, 1e4, width=32), min_size=6, max_size=9).map(lambda v: np.array(v, np.float32)),
    min_size=1,
    max_size=3,
)
PAIR = st.lists(st.integers(1, 9999), min_size=2, max_size=2)
RLES = st.fixed_dictionaries(
    {"origin": PAIR, "size": PAIR, "counts": st.text("0123abc`", min_size=1, max_size=9)}
)
SIDE = st.integers(1, 99999)


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=20),
    st.lists(POLYGONS | RLES | st.none(), max_size=5),
    SIDE,
    SIDE,
    st.binary(max_size=30),
)
def test_unpacking_gives_what_was_packed(name, segmentations, height, width, picture):
    count = len(segmentations)
    name = name.encode("utf-8", "replace").decode()
    boxes = np.arange(4 * count, dtype=np.float32).reshape(count, 4) / 3
    packed = pack_objects(
        StoredObjects(name, height, width, boxes, np.arange(1, count + 1, dtype=np.int32), segmentations)
    )
    fields = split_row(row_bytes(packed, picture))
    assert bytes(fields.picture) == picture
    unpacked = unpack_objects(fields.annotation)
    assert (unpacked.name, unpacked.height, unpacked.width) == (name, height, width)
    assert np.array_equal(unpacked.boxes, boxes)
    assert unpacked.labels.tolist() == list(range(1, count + 1))
    for actual, expected in zip(unpacked.segmentations, segmentations):
        if isinstance(expected, list):
            assert len(actual) == len(expected)
            assert all(np.array_equal(a, b) for a, b in zip(actual, expected))
        elif expected is None:
            assert actual is None
        else:
            assert {**actual, "counts": actual["counts"].decode()} == expected


def small_conversion(folder):
    """A conversion of two rows in one shard, without MindRecord's header: reading by the index needs none."""
    empty = pack_objects(StoredObjects("a.jpg", 5, 6, np.zeros((0, 4)), np.zeros(0), []))
    first = row_bytes(empty, b"first")
    second = row_bytes(empty, b"second")
    content = b"--" + first + second
    (folder / "s0").write_bytes(content)
    rows = np.zeros(2, ROW_TYPE)
    rows["offset"] = [2, 2 + len(first)]
    rows["size"] = [len(first), len(second)]
    rows["crc"] = [zlib.crc32(first), zlib.crc32(second)]
    rows["image_id"] = [2**40, 8]
    np.save(folder / ROWS, rows)
    np.save(folder / LABELS, np.zeros(0, "<i4"))
    shard = {"file": "s0", "rows": 2, "bytes": len(content), "crc": zlib.crc32(content)}
    Manifest(
        digest="d",
        settings={"a": 1},
        pictures_digest=None,
        source="x.json",
        class_names=("background", "b"),
        category_ids=(0, 5),
        has_masks=True,
        pictures=2,
        objects=0,
        left_out={},
        shards=[shard],
        rows_crc=zlib.crc32(rows.tobytes()),
        labels_crc=0,
    ).save(folder)


def test_reader_and_manifest(tmp_path):
    assert load_manifest(tmp_path) is None and load_manifest(tmp_path / "none") is None
    small_conversion(tmp_path)
    manifest = load_manifest(tmp_path)
    assert manifest.class_names == ("background", "b")
    assert manifest.category_ids == (0, 5)
    assert manifest.settings == {"a": 1}
    reader = ShardReader(tmp_path)
    objects, picture = reader.read(1)
    assert bytes(picture) == b"second"
    assert (objects.name, objects.height, objects.width) == ("a.jpg", 5, 6)
    assert bytes(reader.read(0).picture) == b"first"
    assert reader.rows[0]["image_id"] == 2**40
    reader.close()


def _flip_last_byte(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_damage_names_the_file(tmp_path):
    small_conversion(tmp_path)
    manifest = load_manifest(tmp_path)
    verify_shards(tmp_path, manifest)
    _flip_last_byte(tmp_path / "s0")
    with pytest.raises(DataError, match="s0 is damaged"):
        verify_shards(tmp_path, manifest)
    reader = ShardReader(tmp_path)
    reader.read(0)
    with pytest.raises(DataError, match="s0: the row of image 8 is damaged"):
        reader.read(1)
    small_conversion(tmp_path)
    _flip_last_byte(tmp_path / ROWS)
    with pytest.raises(DataError, match="rows.npy: damaged"):
        ShardReader(tmp_path)
    (tmp_path / ROWS).write_bytes(b"")
    with pytest.raises(DataError, match="rows.npy: cannot be read"):
        ShardReader(tmp_path)
    (tmp_path / "s0").write_bytes(b"--")
    with pytest.raises(DataError, match="s0 has 2 bytes instead of"):
        load_manifest(tmp_path)
    (tmp_path / "s0").unlink()
    with pytest.raises(DataError, match="s0 is missing"):
        load_manifest(tmp_path)
    content = json.loads((tmp_path / MANIFEST).read_text())
    for bad in ("", [], {}, {**content, "more": 1}, {**content, "format": 99}, {**content, "class_names": 3}):
        (tmp_path / MANIFEST).write_text(bad if bad == "" else json.dumps(bad))
        with pytest.raises(DataError, match="manifest.json"):
            load_manifest(tmp_path)
    with pytest.raises(DataError, match="no whole conversion"):
        ShardReader(tmp_path / "none")
