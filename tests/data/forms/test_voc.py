"""Pascal VOC data sets, written by hand from the development kit of VOC2012."""

import numpy as np
import pytest
from PIL import Image

from src.data.forms.readers.parts.voc_masks import voc_colour
from src.errors import DataError

from .labels import found, pixels, read_form, write_picture

BOX = "<xmin>11</xmin><ymin>11</ymin><xmax>30</xmax><ymax>20</ymax>"


def xml(*objects, name="a.png", size="<size><width>80</width><height>60</height><depth>3</depth></size>"):
    return f"<annotation><folder>VOC</folder><filename>{name}</filename>{size}{''.join(objects)}</annotation>"


def item(name, box=BOX, more=""):
    return f"<object><name>{name}</name><pose>Left</pose>{more}<bndbox>{box}</bndbox></object>"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_ids(path, values, palette=True):
    """A PNG of pixel values, with VOC's palette."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(values, np.uint8), "P" if palette else "L")
    if palette:
        image.putpalette([channel for index in range(256) for channel in voc_colour(index)])
    image.save(path)


def test_palette():
    # the colours that the development kit shows for aeroplane, person, tvmonitor and void
    assert [voc_colour(i) for i in (0, 1, 15, 20, 255)] == [
        (0, 0, 0),
        (128, 0, 0),
        (192, 128, 128),
        (0, 64, 128),
        (224, 224, 192),
    ]


def test_boxes_of_a_list(tmp_path):
    root = tmp_path / "VOCdevkit" / "VOC2012"
    part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
    write(
        root / "Annotations/a.xml", xml(item("cat", more=part), item("dog", more="<difficult>1</difficult>"))
    )
    write(root / "Annotations/b.xml", xml(name="b.png"))
    write(root / "Annotations/c.xml", xml(item("cow"), name="c.png"))
    write(root / "ImageSets/Main/train.txt", "b\r\na\r\n")
    write(root / "ImageSets/Main/cat_train.txt", "a  1\nb -1\n")
    for name in "abc":
        write_picture(root / "JPEGImages" / f"{name}.png")
    for place in (tmp_path, root):
        source, findings = read_form(place, "auto")
        empty, record = source.records
        assert source.class_names == ("background", "cat", "dog")
        assert not source.has_masks
        assert len(empty.labels) == 0
        # pixels 11 to 30 counted from 1
        assert record.boxes.tolist() == [[10, 10, 30, 20]] * 2
        assert record.crowd.tolist() == [False, True]
        assert not findings.counts


def test_masks_of_a_list(tmp_path):
    objects = np.zeros((60, 80), np.uint8)
    objects[10:20, 10:30] = 1
    objects[40:50, 40:60] = 2
    objects[30:35, 0:80] = 255
    classes = np.where(objects == 1, 8, np.where(objects == 2, 15, objects))
    write_ids(tmp_path / "SegmentationObject/a.png", objects)
    write_ids(tmp_path / "SegmentationClass/a.png", classes)
    write(tmp_path / "ImageSets/Segmentation/train.txt", "a\n")
    write(tmp_path / "ImageSets/Main/train.txt", "a\n")
    write(tmp_path / "Annotations/a.xml", xml(item("cat"), item("person", more="<difficult>1</difficult>")))
    write_picture(tmp_path / "JPEGImages" / "a.png")
    source, findings = read_form(tmp_path, "voc")
    (record,) = source.records
    assert source.class_names == ("background", "cat", "person")
    assert record.labels.tolist() == [1, 2]
    assert record.boxes.tolist() == [[10, 10, 30, 20], [40, 40, 60, 50]]
    assert (pixels(record, 0) == (objects == 1)).all()
    assert record.crowd.tolist() == [False, True]
    assert not findings.counts
    boxes, _ = read_form(tmp_path, "voc", "train_data_type=Main/train")
    assert not boxes.has_masks


@pytest.mark.parametrize("palette", [True, False])
def test_masks_without_xml_and_a_label_map(tmp_path, monkeypatch, palette):
    """CVAT's export of segmentation masks."""
    write_ids(tmp_path / "SegmentationObject/a.png", [[0, 0, 2, 3], [255, 2, 2, 3]], palette)
    write_ids(tmp_path / "SegmentationClass/a.png", [[0, 0, 1, 2], [255, 1, 1, 2]], palette)
    write(tmp_path / "ImageSets/Segmentation/default.txt", "a\n")
    colours = [",".join(map(str, voc_colour(index))) for index in (0, 1, 2)]
    lines = [f"{name}:{colour}::" for name, colour in zip(("background", "old: cat", "dog"), colours)]
    write(tmp_path / "labelmap.txt", "\n".join(["# label:color_rgb:parts:actions", *lines]))
    write_picture(tmp_path / "a.png", 4, 2)
    source, findings = read_form(tmp_path, "auto")
    (record,) = source.records
    assert source.class_names == ("background", "dog", "old: cat")
    assert read_form(tmp_path, "auto", "train_data_type=default")[0].digest == source.digest
    monkeypatch.chdir(tmp_path)
    assert read_form(".", "auto")[0].class_names == source.class_names
    assert read_form(".", "auto")[0].digest == source.digest
    assert record.labels.tolist() == [2, 1]
    assert pixels(record, 0).tolist() == [[False, False, True, False], [False, True, True, False]]
    assert not findings.counts


def test_masks_in_colours(tmp_path):
    objects = np.array([[0, 1, 1], [0, 2, 255]])
    classes = np.array([[0, 8, 8], [0, 12, 255]])
    for folder, values in (("SegmentationObject", objects), ("SegmentationClass", classes)):
        path = tmp_path / folder / "a.png"
        path.parent.mkdir()
        Image.fromarray(np.array([[voc_colour(v) for v in row] for row in values], np.uint8)).save(path)
    write_picture(tmp_path / "JPEGImages" / "a.png", 3, 2)
    source, findings = read_form(tmp_path, "auto")
    assert source.class_names == ("background", "cat", "dog")
    assert not findings.counts
    assert sorted(pixels(source.records[0], i).sum() for i in range(2)) == [1, 2]


def test_files_beside_their_pictures(tmp_path):
    """labelImg and Roboflow: a folder a split; names that were changed; pictures without a file."""
    write(tmp_path / "train" / "ä b.xml", "\ufeff" + xml(item("cat"), name="C:\\old\\x.png"))
    write(tmp_path / "train" / "c.xml", xml(item("cat"), name="other.png", size=""))
    for name in ("ä b", "other", "unlabelled"):
        write_picture(tmp_path / "train" / f"{name}.png")
    source, findings = read_form(tmp_path, "auto")
    names = [record.path.rsplit("/", 1)[-1] for record in source.records]
    assert names == ["other.png", "ä b.png", "unlabelled.png"]
    assert [len(record.labels) for record in source.records] == [1, 1, 0]
    assert not findings.counts


def test_polygons_beside_boxes(tmp_path):
    """Roboflow's export of a project with masks."""
    corners = "<x1>10</x1><y1>20</y1><x2>30</x2><y2>20</y2><x3>30</x3><y3>50</y3><x4>10</x4><y4>50</y4>"
    box = "<xmin>10</xmin><xmax>30</xmax><ymin>20</ymin><ymax>50</ymax>"
    polygon = item("cat", box, f"<polygon>{corners}</polygon>")
    write(tmp_path / "a.xml", xml(polygon, item("dog", more="<polygon/>")))
    write_picture(tmp_path / "a.png")
    source, findings = read_form(tmp_path, "auto")
    assert source.has_masks
    assert source.records[0].boxes.tolist() == [[10, 20, 30, 50], [10, 10, 30, 20]]
    assert pixels(source.records[0], 0).sum() == 20 * 30 and pixels(source.records[0], 0)[20:50, 10:30].all()
    assert found(findings) == {"box_as_mask": ["a.xml: object 2"]}


BAD = {
    item("cat", BOX, "<polygon><x1>1</x1><y1>2</y1><x2>3</x2><y2>4</y2></polygon>"): "label_shape",
    item("cat", BOX, "<polygon><x1>1</x1><x2>3</x2><y2>4</y2><x3>1</x3><y3>9</y3></polygon>"): "label_shape",
    item("cat", "<xmin>1</xmin><ymin>2</ymin><xmax>3</xmax>"): "label_shape",
    item("cat", BOX.replace("11", "nan")): "label_shape",
    item("cat", BOX.replace("11", "x")): "label_shape",
    item("", BOX): "label_shape",
    "<object><name>cat</name></object>": "label_shape",
    item("cat", BOX.replace(">30<", ">5<")): "box_empty",
    item("cat", BOX.replace("11", "200").replace(">30<", ">300<").replace(">20<", ">300<")): "box_outside",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_objects_are_left_out(tmp_path, text):
    write(tmp_path / "a.xml", xml(item("cat"), text))
    write_picture(tmp_path / "a.png")
    source, findings = read_form(tmp_path, "voc")
    assert len(source.records[0].labels) == 1
    assert list(findings.counts) == [BAD[text]]
    assert next(iter(findings.listed.values()))[0].location.startswith("a.xml: object 2")


BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("start", [BOMB, OUTSIDE])
def test_entities_are_refused(tmp_path, start):
    write(tmp_path / "a.xml", start + xml(item("&a;")))
    write(tmp_path / "b.xml", xml(item("cat")))
    write_picture(tmp_path / "b.png")
    _, findings = read_form(tmp_path, "voc")
    assert found(findings) == {"label_file_syntax": ["a.xml"]}
    assert "entity" in findings.listed["label_file_syntax"][0].detail


@pytest.mark.parametrize("text", ["", xml(item("cat"))[:-20], "<other/>"])
def test_bad_files_are_named(tmp_path, text):
    write(tmp_path / "a.xml", text)
    write(tmp_path / "b.xml", xml(item("cat"), name="b.png"))
    write_picture(tmp_path / "b.png")
    source, findings = read_form(tmp_path, "voc")
    assert len(source.records) == 1
    kind = "label_file_form" if text == "<other/>" else "label_file_syntax"
    assert found(findings) == {kind: ["a.xml"]}


def test_masks_of_another_size_or_broken(tmp_path):
    for name in "abc":
        write_ids(tmp_path / "SegmentationObject" / f"{name}.png", np.ones((60, 80)))
        write_ids(tmp_path / "SegmentationClass" / f"{name}.png", np.full((60, 80), 8))
        write_picture(tmp_path / "JPEGImages" / f"{name}.png")
    write_ids(tmp_path / "SegmentationClass/b.png", np.full((6, 8), 8))
    data = (tmp_path / "SegmentationObject/c.png").read_bytes()
    (tmp_path / "SegmentationObject/c.png").write_bytes(data[:60])
    _, findings = read_form(tmp_path, "voc")
    assert found(findings) == {
        "label_file_form": ["SegmentationClass/b.png"],
        "label_shape": ["SegmentationObject/b.png: object 1"],
        "label_file_syntax": ["SegmentationObject/c.png"],
    }


@pytest.mark.parametrize("in_colours", [False, True])
def test_the_class_of_most_pixels(tmp_path, in_colours):
    """Drawn objects and classes, beside counting the pixels of each object one by one."""
    rng = np.random.default_rng(5)
    names = ["background", *"abcd"]
    expected = {}
    for number in range(15):
        objects, classes = (rng.choice([*range(5), 255], (9, 12)) for _ in range(2))
        for folder, values in (("SegmentationObject", objects), ("SegmentationClass", classes)):
            path = tmp_path / folder / f"{number:02}.png"
            write_ids(path, values)
            if in_colours:
                Image.open(path).convert("RGB").save(path)
        write_picture(tmp_path / "JPEGImages" / f"{number:02}.png", 12, 9)
        for value in range(1, 5):
            counts = {label: ((objects == value) & (classes == label)).sum() for label in range(1, 5)}
            # of classes with as many pixels the one with the lowest value, or colour
            order = sorted(counts, key=lambda label: voc_colour(label) if in_colours else label)
            if any(counts.values()):
                expected[number, (objects == value).tobytes()] = max(order, key=counts.get)
    lines = [f"{name}:{','.join(map(str, voc_colour(index)))}::" for index, name in enumerate(names)]
    write(tmp_path / "labelmap.txt", "\n".join(lines))
    source, findings = read_form(tmp_path, "voc")
    assert source.class_names == tuple(names)
    read = {
        (number, pixels(record, index).tobytes()): label
        for number, record in enumerate(source.records)
        for index, label in enumerate(record.labels.tolist())
    }
    assert read == expected
    assert set(findings.counts) <= {"label_shape"}  # of an object without a pixel of a class


def test_a_missing_mask_is_named(tmp_path):
    for name in "ab":
        write_picture(tmp_path / "JPEGImages" / f"{name}.png")
    write_ids(tmp_path / "SegmentationObject/a.png", np.ones((60, 80)))
    write_ids(tmp_path / "SegmentationClass/a.png", np.full((60, 80), 8))
    write(tmp_path / "ImageSets/Segmentation/train.txt", "a\nb\n")
    source, findings = read_form(tmp_path, "voc")
    assert [len(record.labels) for record in source.records] == [1, 0]
    assert found(findings) == {"label_file_unreadable": ["SegmentationObject/b.png"]}


def test_a_class_that_no_list_has(tmp_path):
    write_ids(tmp_path / "SegmentationObject/a.png", np.ones((60, 80)))
    write_ids(tmp_path / "SegmentationClass/a.png", np.full((60, 80), 21))
    write_picture(tmp_path / "JPEGImages" / "a.png")
    with pytest.raises(DataError, match="no object with a class"):
        read_form(tmp_path, "voc")


def test_beside_yolo_both_are_listed(tmp_path):
    write(tmp_path / "a.xml", xml(item("cat")))
    write(tmp_path / "a.txt", "0 .5 .5 .1 .1\n")
    write(tmp_path / "classes.txt", "cat\n")
    write_picture(tmp_path / "a.png")
    with pytest.raises(
        DataError, match=r"2 forms.*dataset=yolo: YOLO \(classes.txt\); dataset=voc: Pascal VOC"
    ):
        read_form(tmp_path, "auto")
