"""Faults of picture files."""

from __future__ import annotations

import io
import struct
import warnings
from typing import Callable

import numpy as np
from PIL import Image, PngImagePlugin

from tests.fuzz.drawn_set import DrawnSplit, compressed_rle, outline, picture_bytes
from tests.fuzz.faults import fault, one, some

ORIENTATION = 0x0112  # EXIF


def decoded(split: DrawnSplit, image: dict) -> Image.Image:
    """An image's picture as RGB; a grey one where Pillow does not read what another fault has written."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(split.pictures[image["file_name"]])) as picture:
                # without the comments of the file, which go into the next one otherwise
                return Image.fromarray(np.asarray(picture.convert("RGB")))
    except (OSError, ValueError):
        return Image.new("RGB", (image["width"], image["height"]), (90, 90, 90))


def replace_pictures(
    split: DrawnSplit, generator: np.random.Generator, write: Callable[[Image.Image], bytes]
) -> None:
    """Replace some pictures' bytes by what `write` makes of the picture. Their names stay."""
    for image in some(generator, split.images):
        split.pictures[image["file_name"]] = write(decoded(split, image))


def resize(split: DrawnSplit, image: dict, width: int, height: int, data: bytes) -> None:
    """Give an image another size and other bytes; its objects keep their share of it."""
    scale = (width / image["width"], height / image["height"]) * 2
    for item in split.objects_of(image):
        item["bbox"] = [round(side * factor, 3) for side, factor in zip(item["bbox"], scale)]
        item["area"] = round(item["bbox"][2] * item["bbox"][3] * 7 / 8, 3)
        if "segmentation" in item:
            polygon = outline(item["bbox"])
            is_rle = isinstance(item["segmentation"], dict)
            item["segmentation"] = compressed_rle(polygon, height, width) if is_rle else [polygon]
    image.update(width=width, height=height)
    split.pictures[image["file_name"]] = data


@fault("damage")
def pictures_missing(split: DrawnSplit, generator: np.random.Generator) -> None:
    for image in some(generator, split.images):
        split.pictures.pop(image["file_name"], None)


@fault("damage")
def pictures_cut_off(split: DrawnSplit, generator: np.random.Generator) -> None:
    for image in some(generator, split.images):
        data = split.pictures.get(image["file_name"]) or b"\xff\xd8"
        split.pictures[image["file_name"]] = data[: int(generator.uniform(0.001, 0.999) * len(data))]


@fault("damage")
def pictures_damaged(split: DrawnSplit, generator: np.random.Generator) -> None:
    for image in some(generator, split.images):
        data = bytearray(split.pictures.get(image["file_name"]) or b"\xff\xd8")
        for position in generator.integers(0, len(data), 8):
            data[position] = int(generator.integers(256))
        split.pictures[image["file_name"]] = bytes(data)


@fault("damage")
def pictures_of_zero_bytes(split: DrawnSplit, generator: np.random.Generator) -> None:
    for image in some(generator, split.images):
        split.pictures[image["file_name"]] = b""


@fault("damage")
def pictures_that_are_none(split: DrawnSplit, generator: np.random.Generator) -> None:
    for image in some(generator, split.images):
        split.pictures[image["file_name"]] = one(
            generator, (b"text", b"<html></html>", b"\xff\xd8\xff", None, b"\x89PNG")
        )


@fault("pictures")
def pictures_of_one_pixel(split: DrawnSplit, generator: np.random.Generator) -> None:
    for image in some(generator, split.images):
        width, height = one(generator, ((1, 1), (1, 300), (300, 1), (2, 2)))
        resize(split, image, width, height, picture_bytes(Image.new("RGB", (width, height), (90, 20, 7))))


@fault("pictures")
def pictures_in_strips(split: DrawnSplit, generator: np.random.Generator) -> None:
    for image in some(generator, split.images)[:1]:
        width, height = one(generator, ((3000, 2), (2, 3000), (9000, 2), (2000, 5)))
        resize(split, image, width, height, picture_bytes(Image.new("RGB", (width, height), (9, 200, 7))))


@fault("pictures", keeps_objects=True)
def pictures_of_16_bits(split: DrawnSplit, generator: np.random.Generator) -> None:
    factor = int(one(generator, (1, 4, 16, 64, 257)))
    form = one(generator, ("PNG", "PNG", "TIFF"))

    def write(picture: Image.Image) -> bytes:
        values = np.asarray(picture.convert("L")).astype(np.uint16) * factor
        return picture_bytes(Image.fromarray(values), form)

    replace_pictures(split, generator, write)


def tiff_bytes(values: np.ndarray) -> bytes:
    """A TIFF file, not compressed, of uint8 [height, width, channels]."""
    height, width, channels = values.shape
    start = 8 + 2 + 12 * 10 + 4
    depths = struct.pack(f"<{channels}H", *[8] * channels)
    # tag, type (3: 16 bits, 4: 32 bits), count, value
    tags = [
        *((256, 4, 1, width), (257, 4, 1, height), (258, 3, channels, start), (259, 3, 1, 1), (262, 3, 1, 2)),
        *((273, 4, 1, start + len(depths)), (277, 3, 1, channels), (278, 4, 1, height)),
        *((279, 4, 1, values.size), (284, 3, 1, 1)),
    ]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    return head + entries + struct.pack("<I", 0) + depths + values.tobytes()


@fault("pictures")
def pictures_of_five_bands(split: DrawnSplit, generator: np.random.Generator) -> None:
    count = int(one(generator, (2, 5, 5, 6, 13)))

    def write(picture: Image.Image) -> bytes:
        bands = np.resize(np.asarray(picture).transpose(2, 0, 1), (count, picture.height, picture.width))
        return tiff_bytes(bands.transpose(1, 2, 0))

    replace_pictures(split, generator, write)


@fault("pictures")
def pictures_in_other_modes(split: DrawnSplit, generator: np.random.Generator) -> None:
    forms = (
        *(("CMYK", "JPEG"), ("CMYK", "TIFF"), ("L", "JPEG"), ("L", "PNG"), ("1", "PNG"), ("LA", "PNG")),
        *(("RGBA", "PNG"), ("RGBA", "WEBP"), ("P", "PNG"), ("P", "GIF"), ("P", "BMP"), ("F", "TIFF")),
        *(
            ("I", "TIFF"),
            ("LAB", "TIFF"),
            ("YCbCr", "JPEG"),
            ("RGB", "BMP"),
            ("RGB", "WEBP"),
            ("RGB", "JPEG2000"),
        ),
        *(("RGB", "TGA"), ("RGB", "ICO"), ("RGB", "PPM"), ("RGB", "PCX"), ("I", "PPM")),
    )

    def write(picture: Image.Image) -> bytes:
        mode, form = one(generator, forms)
        if mode == "LAB":
            return picture_bytes(Image.new("LAB", picture.size), form)
        return picture_bytes(picture.convert(mode), form)

    replace_pictures(split, generator, write)


@fault("pictures", keeps_objects=True)
def pictures_with_transparent_palettes(split: DrawnSplit, generator: np.random.Generator) -> None:
    transparency = one(generator, (0, bytes(range(256)), b""))
    replace_pictures(
        split, generator, lambda picture: picture_bytes(picture.quantize(), "PNG", transparency=transparency)
    )


@fault("pictures", keeps_objects=True)
def pictures_animated(split: DrawnSplit, generator: np.random.Generator) -> None:
    form = one(generator, ("GIF", "PNG", "WEBP", "TIFF", "MPO"))

    def write(picture: Image.Image) -> bytes:
        others = [
            picture.rotate(180),
            picture.resize((20, 30)) if form in ("TIFF", "MPO") else picture.rotate(90),
        ]
        return picture_bytes(picture, form, save_all=True, append_images=others)

    replace_pictures(split, generator, write)


@fault("pictures")
def pictures_rotated_by_exif(split: DrawnSplit, generator: np.random.Generator) -> None:
    """The annotations fit the picture as it is stored, as it is shown, or neither."""
    for image in some(generator, split.images):
        exif = Image.Exif()
        exif[ORIENTATION] = one(generator, (1, 2, 3, 4, 5, 6, 7, 8, 0, 9, 6, 8, 6, 8))
        picture = decoded(split, image)
        if generator.random() < 0.5:
            picture = picture.transpose(Image.Transpose.ROTATE_90)
        form = one(generator, ("JPEG", "JPEG", "PNG", "WEBP", "TIFF"))
        split.pictures[image["file_name"]] = picture_bytes(picture, form, exif=exif)


@fault("pictures", keeps_objects=True)
def pictures_with_odd_exif(split: DrawnSplit, generator: np.random.Generator) -> None:
    exif = one(
        generator,
        (b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\1" * 99),
    )
    replace_pictures(split, generator, lambda picture: picture_bytes(picture, "JPEG", exif=exif))


@fault("pictures")
def pictures_with_much_text(split: DrawnSplit, generator: np.random.Generator) -> None:
    lengths = [2_000_000, 3_000_000, 70_000_000]

    def write(picture: Image.Image) -> bytes:
        texts = PngImagePlugin.PngInfo()
        # one picture of 70 MB is enough
        length = lengths.pop() if generator.random() < 0.3 and len(lengths) == 3 else lengths[0]
        texts.add_text("comment", "x" * length, zip=True)
        return picture_bytes(picture, "PNG", pnginfo=texts)

    replace_pictures(split, generator, write)
