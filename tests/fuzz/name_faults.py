"""Faults of picture names."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

import numpy as np

from tests.fuzz.drawn_set import DrawnSplit
from tests.fuzz.faults import fault, one, some

ODD_NAMES = (
    ("a picture {n}.jpg", " lead {n}.jpg", "two  spaces {n}.jpg", "end {n} .jpg", "tab\t{n}.jpg"),
    ("v1.5.final.{n}.jpg", ".hidden{n}.jpg", "no_ending_{n}", "a..{n}.jpg", "{n}.JPG", "{n}.jpg."),
    ("lr=0.1_{n}.jpg", "batch_size={n}.jpg", "={n}.jpg"),
    ("[{n}].jpg", "a({n}).jpg", "{{{n}}}.jpg", "a*{n}.jpg", "a?{n}.jpg"),
    ("图片{n}.jpg", "写真 {n}.png", "🙂{n}.jpg", "ñandú{n}.jpg"),
    (
        "it's {n}.jpg",
        'say "{n}".jpg',
        "$HOME{n}.jpg",
        "%d{n}.jpg",
        "~{n}.jpg",
        "#{n}.jpg",
        "a;{n}.jpg",
        "a,1,2,3,4 {n}.jpg",
    ),
    ("-{n}.jpg", "--out{n}.jpg", "@{n}.jpg"),
    ("line\n{n}.jpg", "a\x1b[31m{n}.jpg", "bell\x07{n}.jpg"),
    ("n" * 200 + "{n}.jpg", "deep/" * 30 + "{n}.jpg"),
)


@fault("names", keeps_objects=True)
def names_odd(split: DrawnSplit, generator: np.random.Generator) -> None:
    for group in (one(generator, ODD_NAMES), one(generator, ODD_NAMES)):
        for image in some(generator, split.images):
            if isinstance(image.get("file_name"), str):
                split.rename(image, one(generator, group).format(n=image["id"]))


@fault("names", weight=0.5)
def names_without_files(split: DrawnSplit, generator: np.random.Generator) -> None:
    names = (
        "",
        ".",
        "..",
        "/",
        "\ud800.jpg",
        "a\x00b.jpg",
        "n" * 5000,
        7,
        None,
        [],
        {},
        True,
        "../val2017/000001.jpg",
        "~",
    )
    names += (
        "/etc/hostname",
        "..\\000001.jpg",
        "http://example.org/x.jpg",
        "file:///x.jpg",
        "C:\\pictures\\x.jpg",
        "\ufeffx.jpg",
    )
    for image in some(generator, split.images)[:2]:
        image["file_name"] = one(generator, names)


@fault("names", keeps_objects=True)
def names_in_other_unicode_forms(split: DrawnSplit, generator: np.random.Generator) -> None:
    on_disk, in_file = one(generator, (("NFC", "NFD"), ("NFD", "NFC"), ("NFC", "NFKD")))
    for image in some(generator, split.images):
        if isinstance(image.get("file_name"), str):
            name = f"Übung é {image['id']}.jpg"
            written = unicodedata.normalize(in_file, name)
            split.rename(image, written, unicodedata.normalize(on_disk, name))


@fault("names", keeps_objects=True)
def names_with_backslashes(split: DrawnSplit, generator: np.random.Generator) -> None:
    for image in some(generator, split.images):
        if isinstance(image.get("file_name"), str):
            folder = one(generator, ("images", "a b", "图"))
            on_disk = f"{folder}/{image['id']}.jpg"
            written = on_disk.replace("/", "\\")
            split.rename(image, written, on_disk if generator.random() < 0.8 else written)


@fault("names", keeps_objects=True)
def names_in_sub_folders(split: DrawnSplit, generator: np.random.Generator) -> None:
    for image in some(generator, split.images):
        if isinstance(image.get("file_name"), str):
            folder = one(generator, ("a", "b", "a/b/c", "./a", "a//b", split.name))
            split.rename(image, f"{folder}/{image['id']}/1.jpg")


@fault("names")
def names_of_the_same_picture(split: DrawnSplit, generator: np.random.Generator) -> None:
    for image in some(generator, split.images)[:3]:
        if isinstance(image.get("file_name"), str):
            image["file_name"] = one(
                generator, ("000001.jpg", "./000001.jpg", "000001.JPG", "a/../000001.jpg")
            )


@fault("names")
def names_without_ending(split: DrawnSplit, generator: np.random.Generator) -> None:
    for image in some(generator, split.images):
        if isinstance(image.get("file_name"), str):
            image["file_name"] = image["file_name"].rsplit(".", 1)[0]


@fault("names", keeps_objects=True)
def lvis_form(split: DrawnSplit, generator: np.random.Generator) -> None:
    ending = one(generator, ("", "", "?size=1", "#x"))
    for image in split.images:
        name = image.get("file_name")
        if isinstance(name, str) and "/" not in name and name.isprintable():
            url = f"http://images.cocodataset.org/{split.name}/{quote(name)}{ending}"
            image["coco_url"] = url
            image.pop("file_name")
    for item in split.objects:
        if item.get("iscrowd") == 0:
            item.pop("iscrowd")
