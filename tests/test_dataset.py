"""Training and evaluation batches: their form, their content, and errors in pictures and shards."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List

import cv2
import numpy as np
import pytest
from PIL import Image

from src.config import load_config
from src.data.annotations.records import Record
from src.data.images.box_masks import box_mask, paste_mask
from src.data.images.decode import read_picture
from src.data.mindrecord.shard_reader import ShardReader
from src.data.pipeline.evaluation_batches import evaluation_batches
from src.data_settings import evaluation_batch_settings
from src.dataset import create_maskrcnn_dataset, ensure_mindrecord, read_source, steps_per_epoch
from src.errors import ConfigError, DataError
from tests.data.pipeline.batches import PLAIN, prepare


def test_batches_keep_the_contract_and_hold_the_annotations(shared, tmp_path):
    """At 768x1280 on real pictures, nothing random: against records, Pillow's pixels, and arithmetic."""
    config = load_config([f"coco_root={shared}/data/coco", f"mindrecord_dir={tmp_path}/m", *PLAIN])
    folder, manifest = ensure_mindrecord(config)
    records = {record.image_id: record for record in read_source(config).records}
    batches = create_maskrcnn_dataset(config, folder, epoch=0)
    assert len(batches) == steps_per_epoch(config, manifest) == 45 and batches.has_masks
    image_ids = []
    for batch in batches:
        assert {name: (array.dtype.name, array.shape) for name, array in batch.items()} == {
            "image": ("uint8", (2, 768, 1280, 3)),
            "image_meta": ("float32", (2, 6)),
            "image_id": ("int64", (2,)),
            "sample_key": ("int32", (2,)),
            "gt_boxes": ("float32", (2, 128, 4)),
            "gt_labels": ("int32", (2, 128)),
            "gt_valid": ("bool", (2, 128)),
            "gt_masks": ("uint8", (2, 128, 112, 112)),
        }
        assert (batch["sample_key"] >= 0).all()
        for position, image_id in enumerate(batch["image_id"].tolist()):
            image_ids.append(image_id)
            example = {name: array[position] for name, array in batch.items()}
            check_targets(example, records[image_id])
            if len(image_ids) <= 12:
                check_masks_and_pixels(example, records[image_id])
    assert len(set(image_ids)) == 89 and len(image_ids) == 90


def check_targets(example: Dict[str, np.ndarray], record: Record) -> None:
    """Compare image_meta, boxes and labels of an example that nothing was augmented in with its record."""
    real = np.flatnonzero(~record.crowd)
    height, width, scale_y, scale_x, source_height, source_width = example["image_meta"].tolist()
    assert (source_height, source_width) == (record.height, record.width)
    assert scale_y == pytest.approx(height / source_height)
    assert scale_x == pytest.approx(width / source_width)
    assert scale_y == pytest.approx(min(768 / source_height, 1280 / source_width), rel=2e-3)
    count = len(real)
    assert example["gt_valid"].tolist() == [True] * count + [False] * (128 - count)
    boxes = record.boxes[real] * [scale_x, scale_y, scale_x, scale_y]
    assert np.allclose(example["gt_boxes"][:count], boxes, atol=1e-3)
    assert np.array_equal(example["gt_labels"][:count], record.labels[real])
    for name in ("gt_boxes", "gt_labels", "gt_masks"):
        assert not example[name][count:].any()


def check_masks_and_pixels(example: Dict[str, np.ndarray], record: Record) -> None:
    """Compare the masks with `box_mask`, and the picture with Pillow's, resized."""
    for slot, index in enumerate(np.flatnonzero(~record.crowd)):
        # Rows are stored in float32.
        box = record.boxes[index].astype(np.float32)
        segmentation = record.segmentations[index]
        if isinstance(segmentation, list):
            segmentation = [polygon.astype(np.float32) for polygon in segmentation]
        expected = box_mask(segmentation, box, record.height, record.width, 112)
        assert np.array_equal(example["gt_masks"][slot], expected)
    height = int(example["image_meta"][0])
    width = int(example["image_meta"][1])
    image = example["image"]
    assert not image[height:].any() and not image[:, width:].any()
    with Image.open(record.path) as file:
        expected = np.asarray(file.convert("RGB").resize((width, height), Image.BILINEAR), np.int64)
    assert np.abs(image[:height, :width] - expected).mean() < 1.5


def test_a_flipped_example_is_the_mirrored_plain_one(coco_folder, tmp_path):
    config, folder, _ = prepare(coco_folder(), tmp_path, "expand_ratio=0")
    plain = {}
    for batch in create_maskrcnn_dataset(config.replace(flip_ratio=0.0), folder, 0):
        plain.update(
            {image_id: (batch, position) for position, image_id in enumerate(batch["image_id"].tolist())}
        )
    for batch in create_maskrcnn_dataset(config.replace(flip_ratio=1.0), folder, 0):
        for position, image_id in enumerate(batch["image_id"].tolist()):
            other, other_position = plain[image_id]
            width = int(batch["image_meta"][position, 1])
            mirrored = other["image"][other_position, :, :width][:, ::-1]
            difference = np.abs(batch["image"][position, :, :width].astype(int) - mirrored)
            assert difference.max() <= 1
            valid = batch["gt_valid"][position]
            boxes = batch["gt_boxes"][position][valid]
            plain_boxes = other["gt_boxes"][other_position][valid]
            assert np.allclose(boxes[:, [0, 2]], width - plain_boxes[:, [2, 0]], atol=1e-3)
            assert np.array_equal(boxes[:, [1, 3]], plain_boxes[:, [1, 3]])
            assert np.array_equal(batch["gt_masks"][position], other["gt_masks"][other_position][..., ::-1])


def draw_quadrilaterals(folder: Path) -> List[str]:
    """Draw a white quadrilateral on black in each of eight pictures; their rows of a txt file."""
    rows = []
    for number in range(8):
        image = np.zeros((120, 160), np.uint8)
        x1 = 20 + 4 * number
        y1 = 15
        x2 = 90 + 8 * number
        y2 = 100
        polygon = np.array([[x1, y1], [x2, y1 + 20], [x2, y2], [x1 + 30, y2]])
        cv2.fillPoly(image, [polygon], 255)
        Image.fromarray(image).save(folder / f"{number}.png")
        rows.append(f"{number}.png {x1},{y1},{x2},{y2},1;" + ",".join(map(str, polygon.ravel())))
    return rows


def test_masks_fit_the_pixels_of_augmented_pictures(tmp_path):
    """Flipped and expanded at random: pasting each mask into its box covers the white pixels."""
    root = tmp_path / "data"
    (root / "pictures").mkdir(parents=True)
    (root / "rows.txt").write_text("\n".join(draw_quadrilaterals(root / "pictures")))
    config = load_config(
        [
            "dataset=other",
            f"IMAGE_DIR={root}/pictures",
            f"ANNO_PATH={root}/rows.txt",
            "coco_classes=[background,a]",
            "img_width=512",
            "img_height=384",
            "img_mean=[0,0,0]",
            "gt_mask_size=112",
            f"mindrecord_dir={tmp_path}/m",
        ]
    )
    folder, manifest = ensure_mindrecord(config)
    assert manifest.has_masks
    overlaps = []
    for epoch in range(3):
        for batch in create_maskrcnn_dataset(config, folder, epoch):
            for image, masks, boxes in zip(batch["image"], batch["gt_masks"], batch["gt_boxes"]):
                white = image[..., 0] > 127
                pasted = paste_mask(masks[0] / 255, boxes[0], 384, 512) > 0
                overlaps.append((white & pasted).sum() / (white | pasted).sum())
    assert len(overlaps) == 24 and np.mean(overlaps) > 0.94 and min(overlaps) > 0.85


def test_data_without_masks_and_empty_pictures(coco_folder, tmp_path):
    def change(content):
        content["annotations"] = [item for item in content["annotations"] if item["image_id"] != 20]

    config, folder, manifest = prepare(coco_folder(masks=False, change=change), tmp_path, "keep_empty=True")
    batches = create_maskrcnn_dataset(config, folder, 0)
    assert not manifest.has_masks and not batches.has_masks
    counts = {}
    for batch in batches:
        assert (batch["gt_masks"] == 255).all()
        counts.update(zip(batch["image_id"].tolist(), batch["gt_valid"].sum(1).tolist()))
        assert not batch["gt_labels"][~batch["gt_valid"]].any()
        assert not batch["gt_boxes"][~batch["gt_valid"]].any()
    assert counts == {10: 3, 20: 0, 30: 3, 40: 3, 50: 3, 60: 3}


def save_in_every_form(scene: np.ndarray, folder: Path) -> List[str]:
    """Save a picture, uint8 [H, W, 3], in the forms that picture files come in; the files' names, sorted."""
    folder.mkdir()
    image = Image.fromarray(scene)
    # Stored rotated clockwise, shown as the scene.
    exif = Image.Exif()
    exif[274] = 8
    image.transpose(Image.Transpose.ROTATE_270).save(folder / "rotated.jpg", exif=exif, quality=95)
    image.convert("L").save(folder / "grey.jpg", quality=95)
    image.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    image.convert("RGBA").save(folder / "rgba.png")
    image.quantize(8).save(folder / "palette.gif")
    Image.fromarray(scene[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    return sorted(os.listdir(folder))


def test_every_kind_of_picture_reads_right(tmp_path):
    """Grey, CMYK, RGBA, palette, 16-bit and EXIF-rotated pictures of one scene, from a txt file.

    Its left half is dark, its right half light.
    """
    folder = tmp_path / "pictures"
    scene = np.full((96, 128, 3), 30, np.uint8)
    scene[:, 64:] = 220
    names = save_in_every_form(scene, folder)
    rows = [f"{name} 64,0,128,96,1;64,0,128,0,128,96,64,96" for name in names]
    (tmp_path / "rows.txt").write_text("\n".join(rows))
    config = load_config(
        [
            "dataset=other",
            f"IMAGE_DIR={folder}",
            f"ANNO_PATH={tmp_path}/rows.txt",
            "coco_classes=[background,a]",
            *PLAIN,
            "img_width=128",
            "img_height=96",
            f"mindrecord_dir={tmp_path}/m",
        ]
    )
    mindrecord, manifest = ensure_mindrecord(config)
    assert manifest.pictures == 6
    # Without the columns where JPEG blurs the edge.
    columns = np.r_[:56, 72:128]
    for batch in create_maskrcnn_dataset(config, mindrecord, 0):
        for position, image_id in enumerate(batch["image_id"].tolist()):
            difference = np.abs(batch["image"][position].astype(int) - scene)
            assert difference[:, columns].max() <= 12, names[image_id - 1]
            assert batch["gt_boxes"][position, 0].tolist() == [64, 0, 128, 96]
            assert (batch["gt_masks"][position, 0][2:-2, 2:-2] == 255).all()
    six = evaluation_batch_settings(config.replace(test_batch_size=6))
    for batch in evaluation_batches(six, read_source(config).records):
        assert np.abs(batch["image"].astype(int) - scene)[:, :, columns].max() <= 12


def test_a_picture_that_cannot_be_decoded_is_named_in_training(coco_folder, tmp_path):
    """A PNG that is cut off in its pixels passes the header check of conversion."""

    def change(content):
        content["images"][2]["file_name"] = "cut.png"

    root = coco_folder(change=change)
    with Image.open(root / "train2017/000003.jpg") as image:
        image.save(root / "train2017/cut.png")
    data = (root / "train2017/cut.png").read_bytes()
    (root / "train2017/cut.png").write_bytes(data[: len(data) // 2])
    config, folder, _ = prepare(root, tmp_path, "check_data=off")
    with pytest.raises(DataError, match="cut.png of image 30: cannot be decoded"):
        list(create_maskrcnn_dataset(config, folder, 0))


def test_a_damaged_shard_is_named(coco_folder, tmp_path):
    config, folder, _ = prepare(coco_folder(), tmp_path)
    path = folder / "train-0000.mindrecord"
    data = bytearray(path.read_bytes())
    data[int(ShardReader(folder).rows["offset"][2]) + 500] ^= 255
    path.write_bytes(data)
    with pytest.raises(DataError, match="train-0000.mindrecord: the row of image 30 is damaged"):
        list(create_maskrcnn_dataset(config, folder, 0))


def test_evaluation_batches(coco_folder, tmp_path):
    config = load_config(
        [
            f"coco_root={coco_folder(pictures=5, size=(90, 130))}",
            "coco_classes=auto",
            "img_width=256",
            "img_height=192",
        ]
    )
    source = read_source(config, "val")
    settings = evaluation_batch_settings(config)
    batches = list(evaluation_batches(settings, source.records))
    assert [batch["count"] for batch in batches] == [2, 2, 1]
    assert np.concatenate([batch["image_id"] for batch in batches]).tolist() == [10, 20, 30, 40, 50, 50]
    for batch in batches:
        assert batch["image"].shape == (2, 192, 256, 3) and batch["image"].dtype == np.uint8
        assert batch["image_meta"].dtype == np.float32 and batch["image_id"].dtype == np.int64
        assert np.allclose(batch["image_meta"], [177, 256, 177 / 90, 256 / 130, 90, 130])
        assert not batch["image"][:, 177:].any()
    assert np.array_equal(batches[2]["image"][0], batches[2]["image"][1])
    with Image.open(source.records[3].path) as file:
        expected = np.asarray(file.resize((256, 177), Image.BILINEAR), np.int64)
    assert np.abs(batches[1]["image"][1, :177] - expected).mean() < 1.5
    assert np.array_equal(
        read_picture(source.records[3].path), np.asarray(Image.open(source.records[3].path))
    )
    assert [batch["count"] for batch in evaluation_batches(settings, source.records)] == [2, 2, 1]
    os.remove(source.records[4].path)
    with pytest.raises(DataError, match="000005.jpg"):
        list(evaluation_batches(settings, source.records))


def test_a_canvas_too_small_is_said_before_the_first_batch(coco_folder, tmp_path):
    config, folder, _ = prepare(coco_folder(), tmp_path)
    config = config.replace(resize="short_side")
    for make in (
        lambda: create_maskrcnn_dataset(config, folder, 0),
        lambda: evaluation_batches(evaluation_batch_settings(config), read_source(config).records),
    ):
        with pytest.raises(ConfigError, match="img_width=1344 img_height=1344"):
            make()
    with pytest.raises(DataError, match="no whole conversion"):
        create_maskrcnn_dataset(config, tmp_path / "none", 0)
