"""Augmented examples: boxes and masks against the pixels of objects that are known by their colour."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as mask_api

from src.config import load_config
from src.data.images.box_masks import paste_mask
from src.data.images.placement import Placement, Window
from src.data.images.rasterize import segmentation_to_mask
from src.data.mindrecord.converter import ensure_mindrecord
from src.data.mindrecord.row_format import StoredObjects
from src.data.mindrecord.shard_reader import ShardReader
from src.data.pipeline.training_example import batch_layout, fill_example, place_objects
from src.dataset import create_maskrcnn_dataset, resolve_classes
from src.errors import ConfigError

HEIGHT, WIDTH = 96, 128
# corners and middles of the colour cube: a blend of two of them comes close to no third
COLORS = np.array(
    [
        [0, 0, 0],
        [255, 0, 0],
        [0, 255, 0],
        [0, 0, 255],
        [255, 255, 0],
        [255, 0, 255],
        [0, 255, 255],
        [255, 255, 255],
        [230, 120, 60],
    ],
    np.uint8,
)


def colored_data(root, rle=False, pictures=8):
    """Pictures of one convex polygon each: class c is painted with COLORS[c] on black.

    As polygons, or as RLE.
    """
    (root / "train2017").mkdir(parents=True)
    (root / "annotations").mkdir()
    rng = np.random.default_rng(5)
    images, annotations = [], []
    for number in range(1, pictures + 1):
        x1, y1 = rng.integers(2, 50, 2)
        x2, y2 = x1 + rng.integers(30, 70), y1 + rng.integers(25, 40)
        points = np.array([[x1 + 6, y1], [x2, y1 + 9], [x2 - 8, y2], [x1, y2 - 5]], np.float64)
        mask = segmentation_to_mask([points.ravel().tolist()], HEIGHT, WIDTH)
        Image.fromarray(mask[..., None] * COLORS[number]).save(root / f"train2017/{number}.png")
        packed = mask_api.encode(np.asfortranarray(mask))
        segmentation = (
            {"size": [HEIGHT, WIDTH], "counts": packed["counts"].decode()}
            if rle
            else [points.ravel().tolist()]
        )
        images.append({"id": number, "file_name": f"{number}.png", "height": HEIGHT, "width": WIDTH})
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": number,
                "iscrowd": 0,
                "segmentation": segmentation,
                "bbox": mask_api.toBbox(packed).tolist(),
                "area": float(mask.sum()),
            }
        )
    categories = [{"id": number, "name": f"class {number}"} for number in range(1, pictures + 1)]
    (root / "annotations/instances_train2017.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    return root


def examples(root, tmp_path, *words, epochs=4):
    """Every example of some epochs: dicts of arrays without the batch dimension."""
    config = load_config(
        [
            f"coco_root={root}",
            "coco_classes=auto",
            f"img_width={WIDTH}",
            f"img_height={HEIGHT}",
            "max_instance_count=4",
            "gt_mask_size=112",
            "expand_ratio=0",
            "img_mean=[0,0,0]",
            f"mindrecord_dir={tmp_path}/m",
            *words,
        ]
    )
    folder, manifest = ensure_mindrecord(config)
    config = resolve_classes(config, manifest)
    reader = ShardReader(folder)
    arrays = {name: np.full(shape, 77, kind) for name, (kind, shape) in batch_layout(config, 1).items()}
    for epoch in range(epochs):
        for row in range(manifest.pictures):
            fill_example(config, reader, epoch, row, True, arrays, 0)
            yield {name: array[0].copy() for name, array in arrays.items()}


def check(example, overlap):
    """Each object's box (to a pixel or two of its picture) and mask against the pixels of its class's colour;
    how many objects were compared.
    """
    compared = 0
    scale = max(example["image_meta"][2:4])
    tolerance = (
        1.01 if scale == 1 else 0.51 + 1.5 * max(1, scale)
    )  # where it is resized, colours blend at the edges
    count = int(example["gt_valid"].sum())
    assert example["gt_valid"].tolist() == [True] * count + [False] * (len(example["gt_valid"]) - count)
    for name in ("gt_boxes", "gt_labels", "gt_masks"):
        assert not example[name][count:].any()
    labels = example["gt_labels"][:count].tolist()
    for slot, label in enumerate(labels):
        if labels.count(label) > 1:
            continue
        pixels = (np.abs(example["image"].astype(int) - COLORS[label]) <= 40).all(2)
        box = example["gt_boxes"][slot]
        side = (box[2:] - box[:2]).min()
        assert (
            (box[:2] >= 0).all()
            and box[2] <= example["image_meta"][1]
            and box[3] <= example["image_meta"][0]
            and side > 0
        )
        if side < 12:
            continue
        pasted = paste_mask(example["gt_masks"][slot] / 255, box, HEIGHT, WIDTH) > 0
        rows, columns = np.nonzero(pixels)
        assert (
            np.abs(
                [
                    columns.min() - box[0],
                    rows.min() - box[1],
                    columns.max() + 1 - box[2],
                    rows.max() + 1 - box[3],
                ]
            ).max()
            <= tolerance
        )
        assert (pasted & pixels).sum() / (pasted | pixels).sum() > overlap
        compared += 1
    return compared


@pytest.mark.parametrize("rle", [False, True])
@pytest.mark.parametrize(
    "words",
    [
        ["crop_ratio=1", "crop_min_side=0.4"],
        ["large_scale_jitter=[0.4,2.0]"],
        ["multi_scale=[64,96]"],
        ["crop_ratio=0.7", "large_scale_jitter=[0.5,2.0]"],
    ],
)
def test_boxes_and_masks_of_cut_and_scaled_pictures_are_those_of_their_pixels(tmp_path, words, rle):
    compared = sum(
        check(example, 0.85) for example in examples(colored_data(tmp_path / "data", rle), tmp_path, *words)
    )
    assert compared > 20


@pytest.mark.parametrize("rle", [False, True])
@pytest.mark.parametrize("words", [[], ["crop_ratio=1"]])
def test_pasted_objects_hide_what_is_under_them(tmp_path, words, rle):
    """Pixels, boxes and masks of pasted objects, and of the objects that they partly cover.

    What is covered wholly is gone.
    """
    seen, several, compared = 0, 0, 0
    for example in examples(
        colored_data(tmp_path / "data", rle), tmp_path, "copy_paste_ratio=1", *words, epochs=6
    ):
        seen += 1
        several += int(example["gt_valid"].sum()) > 1
        compared += check(example, 0.8 if words else 0.9)
    assert seen == 48 and several > 10 and compared > 45


def test_copy_paste_needs_masks_and_room(coco_folder, tmp_path):
    config = load_config(
        [
            f"coco_root={coco_folder(masks=False)}",
            "coco_classes=auto",
            f"mindrecord_dir={tmp_path}/m",
            "copy_paste_ratio=0.5",
        ]
    )
    folder, _ = ensure_mindrecord(config)
    with pytest.raises(ConfigError, match="copy_paste_ratio=0.5 needs masks"):
        create_maskrcnn_dataset(config, folder, 0)
    for example in examples(
        colored_data(tmp_path / "data"),
        tmp_path / "full",
        "copy_paste_ratio=1",
        "max_instance_count=1",
        epochs=2,
    ):
        assert example["gt_valid"].tolist() in ([True], [False])


def test_colors_alone_change_with_color_jitter(tmp_path):
    root = colored_data(tmp_path / "data")
    plain = list(examples(root, tmp_path, epochs=2))
    jittered = list(examples(root, tmp_path, "color_jitter=[0.4,0.4,0.4,0.1]", epochs=2))
    assert all(
        np.array_equal(a[name], b[name]) for a, b in zip(plain, jittered) for name in a if name != "image"
    )
    assert sum(not np.array_equal(a["image"], b["image"]) for a, b in zip(plain, jittered)) > 10


def placed(segmentation, box, window, scale=1, has_masks=True):
    """The PlacedObjects of one object of a 100x100 picture, of which a window is shown at a scale."""
    window = Window(*window)
    objects = StoredObjects(
        "x", 100, 100, np.array([box], np.float32), np.array([3], np.int32), [segmentation]
    )
    size = int(window.height * scale), int(window.width * scale)
    return place_objects(objects, Placement(100, 100, *size, 0, 0, *size, window=window), 28, has_masks)


def test_a_cut_objects_box_follows_its_mask():
    """An L: its upper arm is at columns 10 to 20, its lower one at rows 80 to 90.

    Cut above row 60, the box is the upper arm's alone.
    """
    polygon = np.array([10, 10, 20, 10, 20, 80, 90, 80, 90, 90, 10, 90], np.float32)
    found = placed([polygon], [10, 10, 90, 90], (0, 0, 60, 100))
    assert found.boxes.tolist() == [[10, 10, 20, 60]] and found.labels.tolist() == [3]
    assert found.masks.min() > 127
    without_masks = placed([polygon], [10, 10, 90, 90], (0, 0, 60, 100), has_masks=False)
    assert without_masks.boxes.tolist() == [[10, 10, 90, 60]]
    # the corner that no arm reaches shows nothing of it, though it lies within its box
    assert len(placed([polygon], [10, 10, 90, 90], (10, 40, 50, 50)).labels) == 0
    assert len(placed([polygon], [10, 10, 90, 90], (92, 92, 8, 8), has_masks=False).labels) == 0
    # an uncut object keeps its box as it was annotated
    assert placed([polygon], [10.25, 10.5, 90, 90], (5, 5, 90, 90)).boxes.tolist() == [[5.25, 5.5, 85, 85]]


def test_an_object_of_no_pixels_is_dropped():
    """A square of 10x10 at a tenth is one pixel; at a twentieth, a quarter of one."""
    square = np.array([10, 10, 20, 10, 20, 20, 10, 20], np.float32)
    for has_masks in (True, False):
        assert len(placed([square], [10, 10, 20, 20], (0, 0, 100, 100), 0.1, has_masks).labels) == 1
        assert len(placed([square], [10, 10, 20, 20], (0, 0, 100, 100), 0.05, has_masks).labels) == 0


def test_pictures_look_the_same_in_opencv(tmp_path):
    """The colours that the checks above rely on: nothing blends where nothing is resized."""
    example = next(examples(colored_data(tmp_path / "data"), tmp_path, "flip_ratio=0"))
    picture = cv2.imread(str(tmp_path / f"data/train2017/{example['image_id']}.png"))[..., ::-1]
    assert np.array_equal(example["image"], picture)
