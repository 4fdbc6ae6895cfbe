"""The txt form, with and without masks."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from src.config import load_config
from src.data.annotations.txt_reader import read_txt
from src.data_settings import annotation_settings
from src.dataset import read_source, resolve_classes
from src.errors import ConfigError, DataError


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures" / "train2017"
    folder.mkdir(parents=True)
    for number in (1, 2, 3):
        Image.fromarray(np.full((400, 500, 3), 40 * number, np.uint8)).save(folder / f"000000{number}.jpg")
    return tmp_path / "pictures"


def read(pictures, text, *words):
    path = pictures.parent / "rows.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    config = load_config(["dataset=other", f"IMAGE_DIR={pictures}", f"ANNO_PATH={path}", *words])
    return read_txt(annotation_settings(config))


def test_the_rows_of_the_documentation(pictures):
    source = read(
        pictures,
        "train2017/0000001.jpg 0,259,401,399,7 35,28,324,201,2 0,30,59,80,2\ntrain2017/0000002.jpg\n",
    )
    first, second = source.records
    assert first.image_id == 1
    assert (first.height, first.width) == (400, 500)
    assert first.path == str(pictures / "train2017/0000001.jpg")
    assert first.boxes.tolist() == [[0, 259, 401, 399], [35, 28, 324, 201], [0, 30, 59, 80]]
    assert first.labels.tolist() == [7, 2, 2]
    assert second.image_id == 2
    assert second.boxes.shape == (0, 4)
    assert not source.has_masks
    assert first.segmentations is None
    assert source.has_annotations
    assert source.class_names[7] == "train"
    assert source.category_ids[7] == 7
    assert not first.crowd.any()


def test_masks(pictures):
    source = read(
        pictures,
        "train2017/0000001.jpg 10,10,50,40,1;10,10,50,10,50,40;12,20,14,20,14,30,12,30"
        " 0,0,9,9,2;0,0,9,0,9,9\n",
    )
    assert source.has_masks
    assert [[polygon.tolist() for polygon in polygons] for polygons in source.records[0].segmentations] == [
        [[10, 10, 50, 10, 50, 40], [12, 20, 14, 20, 14, 30, 12, 30]],
        [[0, 0, 9, 0, 9, 9]],
    ]


def test_windows_line_ends_byte_order_mark_blank_lines(pictures):
    source = read(
        pictures,
        b"\xef\xbb\xbftrain2017/0000001.jpg 1,2,30,40,1\r\n\r\ntrain2017/0000003.jpg 1,2,30,40,2\r\n",
    )
    assert [record.image_id for record in source.records] == [1, 3]
    assert source.records[1].labels.tolist() == [2]


@pytest.mark.parametrize(
    "row, words",
    [
        ("train2017/0000002.jpg 1,2,30,40,0", "class 0 is the background"),
        ("train2017/0000002.jpg 1,2,30,40,81", "over num_classes-1 = 80"),
        ("train2017/0000002.jpg 1,2,30,40", "4 numbers"),
        ("train2017/0000002.jpg 1,2,30,40,1,1", "6 numbers"),
        ("train2017/0000002.jpg 1,2,x,40,1", "not a number"),
        ("train2017/0000002.jpg 1,2,30,40,1.5", "not a whole number"),
        ("train2017/0000002.jpg 1,2,30,40,-1", "not a whole number"),
        ("1,2,30,40,1", "a picture's path expected"),
        ("train2017/none.jpg 1,2,30,40,1", "No such file"),
        ("../x.jpg 1,2,30,40,1", "leads out"),
        ("train2017 1,2,3,4,1", "directory"),
        ("train2017/0000002.jpg 1,2,30,40,1;1,2,3,4,x,6", "not a number"),
        ("train2017/0000002.jpg 1,2,30,40,1;1,2,30,2,30,40", "with polygons"),
    ],
)
def test_errors_name_the_line(pictures, row, words):
    with pytest.raises(DataError) as error:
        read(pictures, f"train2017/0000001.jpg 1,2,30,40,1\n{row}\n")
    assert words in str(error.value)
    assert "rows.txt:2:" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_box_without_polygons_among_masks(pictures):
    with pytest.raises(DataError, match="rows.txt:3: a box without polygons"):
        read(
            pictures,
            "train2017/0000001.jpg 1,2,30,40,1;1,2,30,2,30,40\n\ntrain2017/0000002.jpg 1,2,30,40,1\n",
        )


def test_bad_boxes_are_counted(pictures):
    source = read(
        pictures,
        "train2017/0000001.jpg 5,5,5,9,1 9,9,2,2,1 nan,0,4,4,1 600,0,700,9,1 -9,5,20,999,1 1,1,2,2,1\n",
    )
    assert source.records[0].boxes.tolist() == [[0, 5, 20, 400], [1, 1, 2, 2]]
    notes = "\n".join(source.notes)
    assert "2 x box without area" in notes
    assert "1 x box that is not finite" in notes
    assert "line 1 box 3" in notes


def test_not_utf8_empty_and_missing(pictures, tmp_path):
    with pytest.raises(DataError, match="rows.txt:2: not UTF-8"):
        read(pictures, b"train2017/0000001.jpg 1,2,30,40,1\n\xff\xff.jpg\n")
    with pytest.raises(DataError, match="no rows"):
        read(pictures, "\n \n")
    with pytest.raises(DataError, match="No such file"):
        read_source(load_config(["dataset=other", f"IMAGE_DIR={tmp_path}", "ANNO_PATH=none.txt"]))
    for words in (["IMAGE_DIR=x"], ["ANNO_PATH=x"]):
        with pytest.raises(ConfigError, match="dataset=other needs"):
            read_source(load_config(["dataset=other", *words]))


def test_class_names(pictures):
    row = "train2017/0000001.jpg 1,2,30,40,3\n"
    source = read(pictures, row, "coco_classes=auto")
    assert source.class_names == ("background", "class_1", "class_2", "class_3")
    config = resolve_classes(load_config(["dataset=other", "coco_classes=auto"]), source)
    assert config.num_classes == 4
    assert len(read(pictures, row, "coco_classes=auto", "num_classes=6").class_names) == 6
    with pytest.raises(DataError, match="class 3 is over num_classes-1 = 2"):
        read(pictures, row, "coco_classes=[background,a,b]")


def test_evaluation_reads_ann_file(pictures):
    (pictures.parent / "val.txt").write_text("train2017/0000003.jpg 1,2,30,40,1\n")
    config = load_config(
        [
            "dataset=other",
            f"IMAGE_DIR={pictures}",
            "ANNO_PATH=none",
            f"ann_file={pictures.parent / 'val.txt'}",
        ]
    )
    assert read_source(config, "val").records[0].path.endswith("0000003.jpg")
