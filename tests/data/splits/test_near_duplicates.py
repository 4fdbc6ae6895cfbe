"""Near-duplicates: copies of a picture are found, others are not, and 100,000 hashes take seconds."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest
from PIL import Image

from src.data.splits.near_duplicates import near_duplicate_groups, picture_hash
from src.errors import DataError


def drawn_picture(seed, size=(96, 128)):
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(0, 256, (7, 9, 3), np.uint8), size[::-1], interpolation=cv2.INTER_CUBIC)


def differing_bits(a, b):
    return bin(a ^ b).count("1")


def plain_groups(hashes, distance):
    """By comparing all pairs."""
    group = list(range(len(hashes)))
    for i in range(len(hashes)):
        for j in range(i):
            if differing_bits(int(hashes[i]), int(hashes[j])) <= distance and group[i] != group[j]:
                old, new = max(group[i], group[j]), min(group[i], group[j])
                group = [new if one == old else one for one in group]
    order = {one: number for number, one in enumerate(dict.fromkeys(group))}
    return [order[one] for one in group]


def test_the_hash_of_a_gradient(tmp_path):
    """Brightness rises from left to right: no bit; and falls: all."""
    ramp = np.repeat(np.linspace(0, 255, 90).astype(np.uint8)[None], 80, 0)
    for name, pixels, expected in (("up", ramp, 0), ("down", ramp[:, ::-1], 2**64 - 1)):
        Image.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / f"{name}.png")
        assert picture_hash(tmp_path / f"{name}.png") == expected


def test_copies_are_near_and_others_far(tmp_path):
    first = drawn_picture(1)
    files = {
        "a.png": first,
        "a.jpg": first,
        "small.png": cv2.resize(first, (64, 48), interpolation=cv2.INTER_AREA),
        "bright.png": np.clip(first.astype(int) + 12, 0, 255).astype(np.uint8),
        "other.png": drawn_picture(2),
    }
    for name, pixels in files.items():
        Image.fromarray(pixels).save(tmp_path / name, quality=60)
    upright = Image.fromarray(np.ascontiguousarray(np.rot90(first)))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise for display
    upright.save(tmp_path / "turned.jpg", exif=exif, quality=90)
    hashes = {name: picture_hash(tmp_path / name) for name in (*files, "turned.jpg")}
    for name in ("a.jpg", "small.png", "bright.png", "turned.jpg"):
        assert differing_bits(hashes["a.png"], hashes[name]) <= 4, name
    assert differing_bits(hashes["a.png"], hashes["other.png"]) > 12


def test_sixteen_bits_and_broken_files(tmp_path):
    wide = drawn_picture(3)[:, :, 0]
    cv2.imwrite(str(tmp_path / "wide.png"), wide.astype(np.uint16) * 257)
    Image.fromarray(wide).save(tmp_path / "plain.png")
    assert differing_bits(picture_hash(tmp_path / "wide.png"), picture_hash(tmp_path / "plain.png")) <= 2
    (tmp_path / "broken.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(DataError, match="broken.png"):
        picture_hash(tmp_path / "broken.png")


@pytest.mark.parametrize("distance", [0, 1, 4, 9])
def test_groups_are_those_of_all_pairs(distance):
    rng = np.random.default_rng(distance)
    centres = rng.integers(0, 2**64, 12, np.uint64)
    hashes = rng.choice(centres, 150)
    for _ in range(6):  # up to six bits flipped: chains of neighbours
        flipped = rng.random(150) < 0.5
        hashes[flipped] ^= np.uint64(1) << rng.integers(0, 64, flipped.sum()).astype(np.uint64)
    assert near_duplicate_groups(hashes, distance).tolist() == plain_groups(hashes, distance)


def test_a_hundred_thousand_hashes_take_seconds():
    """Comparing all pairs would be 5e9 comparisons."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, 100_000, np.uint64)
    hashes[50_000:51_000] = hashes[:1000] ^ np.uint64(0b101)
    started = time.process_time()
    groups = near_duplicate_groups(hashes, 4)
    assert time.process_time() - started < 30
    assert (groups[50_000:51_000] == groups[:1000]).all() and groups.max() == 98_999
