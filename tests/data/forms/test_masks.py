"""Pictures with mask files. What is expected is counted by hand."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from src.config import load_config
from src.data.check.data_check import check_data
from src.data.forms.mask_files import mask_values
from src.data_settings import annotation_settings, data_check_settings
from src.errors import DataError

from .labels import found, pixels, read_form, write_picture


def ids(*squares, width=80, height=60, dtype=np.uint8):
    """A mask with squares (value, left, top, side); later ones lie over earlier ones."""
    mask = np.zeros((height, width), dtype)
    for value, left, top, side in squares:
        mask[top : top + side, left : left + side] = value
    return mask


def write_mask(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.asarray(values))


TWO = ((3, 10, 20, 5), (200, 40, 30, 8))  # two squares


def test_one_file_with_ids(tmp_path):
    write_picture(tmp_path / "images" / "a b é.jpg")
    write_mask(tmp_path / "masks" / "a b é.png", ids(*TWO))
    source, findings = read_form(tmp_path, "masks")
    (record,) = source.records
    assert source.class_names == ("background", "object")
    assert source.has_masks
    assert record.boxes.tolist() == [[10, 20, 15, 25], [40, 30, 48, 38]]
    assert (pixels(record, 1) == (ids(*TWO) == 200)).all()
    assert record.areas.tolist() == [25, 64]
    assert not findings.counts


def test_the_data_science_bowl(tmp_path):
    """kaggle.com/c/data-science-bowl-2018/data: a folder for each picture, a file for each nucleus."""
    for name in ("1f", "2e"):
        write_picture(tmp_path / name / "images" / f"{name}.png")
    write_mask(tmp_path / "1f" / "masks" / "aa.png", ids((255, 0, 0, 4)))
    write_mask(tmp_path / "1f" / "masks" / "bb.png", ids((255, 70, 50, 10)))
    (tmp_path / "2e" / "masks").mkdir()
    write_picture(tmp_path / "3d" / "images" / "3d.png")  # as in stage1_test: no masks
    source, findings = read_form(tmp_path, "auto", "coco_classes=[background,nucleus]")
    first, second = source.records
    assert source.class_names == ("background", "nucleus")
    assert first.boxes.tolist() == [[0, 0, 4, 4], [70, 50, 80, 60]]
    assert len(second.labels) == 0
    assert not findings.counts


def test_classes_from_folders(tmp_path):
    write_picture(tmp_path / "images" / "a.jpg")
    write_picture(tmp_path / "images" / "b.jpg")
    write_mask(tmp_path / "masks" / "cat" / "a.png", ids(*TWO))
    write_mask(tmp_path / "masks" / "dog" / "a_mask.png", ids((1, 60, 0, 3)))
    write_mask(tmp_path / "masks" / "b" / "cat" / "1.png", ids((255, 5, 5, 5)))
    write_mask(tmp_path / "masks" / "b" / "2.png", ids((255, 30, 5, 5)))
    source, findings = read_form(tmp_path, "masks")
    assert source.class_names == ("background", "cat", "dog", "object")
    assert [record.labels.tolist() for record in source.records] == [[1, 1, 2], [3, 1]]
    assert source.records[1].boxes.tolist() == [[30, 5, 35, 10], [5, 5, 10, 10]]
    assert not findings.counts


def test_folders_below_and_splits(tmp_path):
    for split in ("train", "val"):
        write_picture(tmp_path / "imgs" / split / "day" / "a.png")
        write_mask(
            tmp_path / "mask" / split / "day" / "a.png", ids((7, 0, 0, 10 if split == "train" else 20))
        )
    for split, side in (("train", 10), ("val", 20)):
        source, findings = read_form(tmp_path, "masks", split=split)
        assert source.records[0].boxes.tolist() == [[0, 0, side, side]]
        assert not findings.counts


def test_masks_in_another_folder(tmp_path):
    write_picture(tmp_path / "pictures" / "a.jpg")
    write_mask(tmp_path / "labels" / "a.png", ids(*TWO))
    source, findings = read_form(tmp_path / "labels", "masks", f"IMAGE_DIR={tmp_path / 'pictures'}")
    assert len(source.records[0].labels) == 2
    assert not findings.counts


def _palette(values):
    image = Image.fromarray(values)
    image.putpalette([0, 0, 0] * 256)  # every index looks black
    return image


COLORS = ids(*TWO)[..., None] * np.array([1, 0, 0]) + ids((9, 40, 30, 8))[..., None] * np.array([0, 1, 1])
KINDS = {
    "16bit.png": Image.fromarray(ids((300, 10, 20, 5), (60_000, 40, 30, 8), dtype=np.uint16)),
    "16bit.tif": Image.fromarray(ids((300, 10, 20, 5), (60_000, 40, 30, 8), dtype=np.uint16)),
    "32bit.tif": Image.fromarray(ids((300, 10, 20, 5), (70_000, 40, 30, 8), dtype=np.int32)),
    "palette.png": _palette(ids(*TWO)),
    "palette.gif": _palette(ids(*TWO)),
    "rgb.png": Image.fromarray(COLORS.astype(np.uint8)),
    "rgb.bmp": Image.fromarray(COLORS.astype(np.uint8)),
    "grey_as_rgb.png": Image.fromarray(np.repeat(ids(*TWO)[..., None], 3, 2)),
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds_of_pixels(tmp_path, name):
    write_picture(tmp_path / "images" / "a.jpg")
    (tmp_path / "masks").mkdir()
    KINDS[name].save(tmp_path / "masks" / f"a{name[name.index('.') :]}")
    source, findings = read_form(tmp_path, "masks")
    assert sorted(source.records[0].boxes.tolist()) == [[10, 20, 15, 25], [40, 30, 48, 38]]
    assert not findings.counts


def test_transparent_pixels_are_no_object():
    colors = np.zeros((60, 80, 4), np.uint8)
    colors[..., 2] = 9  # red everywhere
    colors[ids(*TWO) > 0, 3] = 255
    assert (mask_values(cv2.imencode(".png", colors)[1].tobytes()) > 0).tolist() == (ids(*TWO) > 0).tolist()
    colors[..., 2] = 0  # black everywhere: what is not transparent is the object
    assert (mask_values(cv2.imencode(".png", colors)[1].tobytes()) > 0).tolist() == (ids(*TWO) > 0).tolist()


def test_16_bit_colors_stay_apart():
    colors = np.zeros((60, 80, 3), np.uint16)
    colors[ids(*TWO) == 3] = (1, 2, 60_000)
    colors[ids(*TWO) == 200] = (1, 3, 60_000)
    values = mask_values(cv2.imencode(".png", colors)[1].tobytes())
    assert len(np.unique(values)) == 3
    assert (values == 0).tolist() == (ids(*TWO) == 0).tolist()


def test_a_mask_of_another_size(tmp_path):
    write_picture(tmp_path / "images" / "a.jpg")
    write_picture(tmp_path / "images" / "b.jpg")
    write_mask(tmp_path / "masks" / "a.png", ids(*TWO))
    write_mask(tmp_path / "masks" / "b.png", ids(*TWO, width=81))
    source, findings = read_form(tmp_path, "masks")
    assert found(findings) == {"mask_size": ["masks/b.png"]}
    assert "the mask is 81x60 (width x height), its picture images/b.jpg is 80x60" in str(findings.listed)
    assert [record.path for record in source.records] == [str(tmp_path / "images" / "a.jpg")]
    source, findings = read_form(tmp_path, "masks", "bad_pictures=skip")
    assert len(source.records) == 1


def test_odd_masks(tmp_path):
    for name in "abcdef":
        write_picture(tmp_path / "images" / f"{name}.jpg")
    write_mask(tmp_path / "masks" / "a.png", ids(*TWO))
    write_mask(tmp_path / "masks" / "b.png", ids())  # no object
    write_mask(tmp_path / "masks" / "c" / "1.png", ids())  # an object without a pixel
    write_mask(tmp_path / "masks" / "d.png", ids((255, 1, 1, 5), (255, 20, 20, 5)))  # two parts, one value
    noise = np.random.default_rng(1).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    write_mask(tmp_path / "masks" / "e.png", noise)
    write_mask(tmp_path / "masks" / "other.png", ids(*TWO))
    source, findings = read_form(tmp_path, "masks")
    assert [len(record.labels) for record in source.records] == [2, 0, 0, 1, 0]
    places = found(findings)
    assert places.pop("rle_empty") == ["images/c.jpg: masks/c/1.png.segmentation.counts"]
    assert places == {
        "label_picture_missing": ["masks/other.png"],
        "picture_unlabelled": ["images/f.jpg"],
        "mask_one_value": ["masks/d.png id 255"],
        "label_file_syntax": ["masks/e.png"],
    }
    assert "looks like a photo" in str(findings.listed["label_file_syntax"])


PNG = cv2.imencode(".png", ids(*TWO))[1].tobytes()


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width, height, bits, rows):
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0))
    return PNG[:8] + header + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _bomb(width, height):
    return _png(width, height, 8, b"\0" * 100)


@pytest.mark.parametrize(
    ("bits", "row", "values"),
    [(1, [0b10110000], [1, 0, 1, 1]), (2, [0b00011011], [0, 1, 2, 3]), (4, [0x0F, 0x71], [0, 15, 7, 1])],
)
def test_grey_values_of_few_bits_are_as_they_are_stored(bits, row, values):
    """PNG (w3.org/TR/png, 7.2): the leftmost pixel is in the highest bits of a byte."""
    assert mask_values(_png(4, 1, bits, bytes([0, *row]))).tolist() == [values]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "not a picture"),
        (b"text", "not a picture"),
        (PNG[:8], "cut off"),
        (PNG[:60], "cut off"),
        (PNG[:-4], "cut off"),
        (PNG[:50] + bytes([PNG[50] ^ 1]) + PNG[51:], "damaged"),
        (_bomb(60_000, 60_000), "3600000000 pixels"),
        (_bomb(2**31 - 1, 2**31 - 1), "pixels"),
        (_bomb(80, 60), "cannot be decoded"),
        (PNG[:8] + _chunk(b"IEND", b""), "without a header"),
        (b"GIF89a" + b"\0" * 20, "not a picture"),
    ],
)
def test_bad_files_are_one_line(data, expected):
    with pytest.raises(DataError, match=expected) as caught:
        mask_values(data)
    assert "\n" not in str(caught.value)


def test_each_object_is_the_pixels_of_its_value(tmp_path):
    """Drawn ids, beside comparing the whole mask with each value."""
    rng = np.random.default_rng(3)
    for number in range(20):
        height, width = rng.integers(1, 40, 2)
        mask = np.repeat(np.repeat(rng.integers(0, 6, (height, width)), 5, 0), 5, 1).astype(np.uint8)
        write_picture(tmp_path / "images" / f"{number:02}.png", 5 * width, 5 * height)
        write_mask(tmp_path / "masks" / f"{number:02}.png", mask)
    source, findings = read_form(tmp_path, "masks")
    assert not set(findings.counts) - {"mask_one_value"}
    assert len(source.records) == 20
    for number, record in enumerate(source.records):
        mask = cv2.imread(str(tmp_path / "masks" / f"{number:02}.png"), cv2.IMREAD_GRAYSCALE)
        values = [value for value in range(1, 6) if (mask == value).any()]
        assert len(record.labels) == len(values)
        for index, value in enumerate(values):
            assert (pixels(record, index) == (mask == value)).all()


def test_auto_finds_it_and_the_check_reads_all(tmp_path):
    write_picture(tmp_path / "train" / "images" / "a.jpg")
    write_mask(tmp_path / "train" / "masks" / "a.png", ids(*TWO))
    write_picture(tmp_path / "val" / "images" / "b.jpg", 60, 80)  # stored otherwise than its mask
    write_mask(tmp_path / "val" / "masks" / "b.png", ids(*TWO))
    config = load_config(["dataset=auto", f"coco_root={tmp_path}", "coco_classes=[background,thing]"])
    assert annotation_settings(config).format == "masks"
    check = check_data(data_check_settings(config), quiet=True)
    assert check.exit_code == 0
    assert check.source.class_names == ("background", "thing")
    check = check_data(data_check_settings(config, "val"), quiet=True)
    assert check.findings.counts["picture_size"] == 1
    assert check.exit_code == 2


def test_auto_wants_pictures_beside_masks(tmp_path):
    write_mask(tmp_path / "masks" / "a.png", ids(*TWO))
    with pytest.raises(DataError, match="no labels of a known form"):
        annotation_settings(load_config(["dataset=auto", f"coco_root={tmp_path}"]))
