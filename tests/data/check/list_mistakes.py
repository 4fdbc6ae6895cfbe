"""Mistakes in the lists of categories, images and annotations, in their ids, and in what is in a picture."""

from __future__ import annotations

from tests.data.check.checking import Mistake

FIRST = "annotations[0]"


def first(**changes):
    """A change of the first annotation (image 10, id 1)."""
    return lambda content: content["annotations"][0].update(changes)


def picture(**changes):
    """A change of the second image (id 20)."""
    return lambda content: content["images"][1].update(changes)


def category(**changes):
    """A third category."""
    return lambda content: content["categories"].append({"id": 9, "name": "third", **changes})


def no_objects(content):
    """The second picture has no objects."""
    content["annotations"] = [item for item in content["annotations"] if item["image_id"] != 20]


def _only_crowds(content):
    """The second picture has nothing but crowds."""
    for item in content["annotations"]:
        item["iscrowd"] = int(item["image_id"] == 20)


def _zero(content):
    """The first category has id 0."""
    content["categories"][0]["id"] = 0
    for item in content["annotations"]:
        item["category_id"] = 0


def _renumbered(part, number):
    """A change of the second image's or category's id, and of what refers to it."""

    def change(content):
        before = content[part][1]["id"]
        content[part][1]["id"] = number
        key = {"images": "image_id", "categories": "category_id"}[part]
        for item in content["annotations"]:
            item[key] = number if item[key] == before else item[key]

    return change


def _no_height(content):
    content["images"][1].pop("height")


def _category_id_as_text(content):
    content["categories"][1].update(id="7")


def _annotation_is_a_list(content):
    content["annotations"][0] = [1]


def _id_used_twice(content):
    content["annotations"][1].update(id=1)


def _background(content):
    content["categories"].append({"id": 0, "name": "background"})
    content["annotations"][0].update(category_id=0)


def _object_twice(content):
    content["annotations"].append({**content["annotations"][0], "id": 99})


def _is_crowd(content):
    item = content["annotations"][0]
    item["is_crowd"] = item.pop("iscrowd")


LIST_MISTAKES = [
    Mistake("category_form", "fatal", "categories[2]", None, None, category(name=5)),
    Mistake("category_form", "fatal", "categories[2]", None, None, category(id="nine")),
    Mistake("category_form", "fatal", "categories[2]", None, None, category(name=" ")),
    Mistake("category_form", "fatal", "categories[2]", None, None, category(name="half a pair \ud83d")),
    Mistake("category_twice", "fatal", "categories[2]", None, None, category(id=3)),
    Mistake("category_twice", "fatal", "categories[2]", None, None, category(name="disc")),
    Mistake("category_names", "fatal", "", None, None, category()),
    Mistake("category_zero", "kept", "categories[0].id", None, None, _zero),
    Mistake("category_gaps", "kept", "categories", None, None, first()),
    Mistake("image_form", "fatal", "images[1]", None, None, picture(id="twenty")),
    Mistake("image_form", "fatal", "images[1]", 20, None, picture(file_name=None)),
    Mistake("image_form", "fatal", "images[1]", 20, None, picture(file_name=5, coco_url="http://a/b.jpg")),
    Mistake("image_form", "fatal", "images[1]", 20, None, picture(file_name="", coco_url="http://a/")),
    Mistake(
        "image_url",
        "fixed",
        "images[1]",
        20,
        None,
        picture(file_name=None, coco_url="http://a/b/000002.jpg?c=d"),
    ),
    Mistake("name_backslash", "fixed", "images[1].file_name", 20, None, picture(file_name=".\\000002.jpg")),
    Mistake("image_outside", "fatal", "images[1].file_name", 20, None, picture(file_name="..\\..\\x.jpg")),
    Mistake("image_outside", "fatal", "images[1].file_name", 20, None, picture(file_name="C:\\x.jpg")),
    Mistake("image_outside", "fatal", "images[1].file_name", 20, None, picture(file_name="\\\\host\\x.jpg")),
    Mistake("image_twice", "fatal", "images[1]", 10, None, picture(id=10)),
    Mistake("image_file_twice", "kept", "images[1].file_name", 20, None, picture(file_name="000001.jpg")),
    Mistake("image_outside", "fatal", "images[1].file_name", 20, None, picture(file_name="/etc/hostname")),
    Mistake(
        "image_outside", "fatal", "images[1].file_name", 20, None, picture(file_name="../val2017/000001.jpg")
    ),
    Mistake("image_size_missing", "fixed", "images[1]", 20, None, picture(width=None)),
    Mistake("image_size_missing", "fixed", "images[1]", 20, None, _no_height),
    Mistake("image_size_missing", "fixed", "images[1]", 20, None, picture(width=0)),
    Mistake("image_size_missing", "fixed", "images[1]", 20, None, picture(width=10**9, height=10**9)),
    Mistake("picture_size", "fatal", "images[1]", 20, None, picture(width=127)),
    Mistake("picture_missing", "fatal", "images[1]", 20, None, picture(file_name="none.jpg")),
    Mistake("picture_missing", "fatal", "images[1]", 20, None, picture(file_name="none.jpg", width=None)),
    Mistake("respelled", "fixed", "images[1].id", 20, None, picture(id="20")),
    Mistake("respelled", "fixed", "images[1].width", 20, None, picture(width="128")),
    Mistake("respelled", "fixed", "images[1].id", 20, None, picture(id=20.0)),
    Mistake("respelled", "fixed", "categories[1].id", None, None, _category_id_as_text),
    Mistake("respelled", "fixed", f"{FIRST}.image_id", 10, 1, first(image_id=10.0)),
    Mistake("respelled", "fixed", f"{FIRST}.category_id", 10, 1, first(category_id="3")),
    Mistake("respelled", "fixed", f"{FIRST}.id", 10, 1, first(id="1")),
    Mistake("large_id", "kept", f"{FIRST}.id", 10, 2**40, first(id=2**40)),
    Mistake("large_id", "kept", "images[1].id", 2**40, None, _renumbered("images", 2**40)),
    Mistake("large_id", "kept", "categories[1].id", None, None, _renumbered("categories", 2**40)),
    Mistake("annotation_form", "skipped", FIRST, None, None, _annotation_is_a_list),
    Mistake("annotation_image", "skipped", f"{FIRST}.image_id", 999, 1, first(image_id=999)),
    Mistake("annotation_image", "skipped", f"{FIRST}.image_id", None, 1, first(image_id="ten")),
    Mistake("annotation_category", "skipped", f"{FIRST}.category_id", 10, 1, first(category_id=4)),
    Mistake("annotation_category", "skipped", f"{FIRST}.category_id", 10, 1, first(category_id=0)),
    Mistake("annotation_background", "skipped", f"{FIRST}.category_id", 10, 1, _background),
    Mistake("object_twice", "kept", "annotations[9]", 10, 99, _object_twice),
    Mistake("annotation_id", "fixed", "annotations[1].id", 10, 1, _id_used_twice),
    Mistake("annotation_id", "fixed", f"{FIRST}.id", 10, None, first(id=2**70)),
    Mistake("crowd_spelled", "fixed", f"{FIRST}.is_crowd", 10, 1, _is_crowd),
    Mistake("crowd_value", "fixed", f"{FIRST}.iscrowd", 10, 1, first(iscrowd=True)),
    Mistake("crowd_value", "fixed", f"{FIRST}.iscrowd", 10, 1, first(iscrowd=2)),
    Mistake("crowd_value", "fixed", f"{FIRST}.iscrowd", 10, 1, first(iscrowd="0")),
    Mistake("empty_picture", "skipped", "images[1]", 20, None, no_objects),
    Mistake("crowd_only", "skipped", "images[1]", 20, None, _only_crowds),
    Mistake("nothing", "fatal", "", None, None, lambda content: content.update(annotations=[])),
    Mistake("nothing", "fatal", "", None, None, lambda content: content.pop("annotations")),
]
