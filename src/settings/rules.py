"""The rules of the settings: every key's own range, derived keys, and rules over several keys."""

from __future__ import annotations

from typing import Any, Collection, Dict, Sequence

from ..errors import ConfigError
from .keys.key import Key, describe_range

# Of each pair, the first may not be larger than the second.
_ORDERED = (
    ("neg_iou_thr", "pos_iou_thr"),
    ("neg_iou_thr_stage2", "pos_iou_thr_stage2"),
    ("pretrain_epoch_size", "epoch_size"),
    ("resize_short", "resize_long"),
)


def finalize(keys: Sequence[Key], values: Dict[str, Any], written: Collection[str]) -> Dict[str, Any]:
    """The complete values.

    Args:
        keys: All keys; a derived one comes after those it follows from.
        values: A value of every key.
        written: The keys that the user wrote. A derived key among them must have the value that follows.

    Raises:
        ConfigError: A value is out of its range, or two keys contradict each other; the line names both.
    """
    values = dict(values)
    _check_ranges(keys, values)
    _check_canvas(keys, values)
    _check_augmentation(values)
    _check_evaluation(values)
    _check_test_time(values)

    def derive(name, value, origin):
        if name in written and values[name] != value:
            raise ConfigError(
                f"{name}={_plain(values[name])} contradicts {origin}, which gives {_plain(value)}: "
                "leave it out or change the other"
            )
        values[name] = value

    if values["large_scale_jitter"] is not None:
        derive("expand_ratio", 0.0, "large_scale_jitter (which has its own way to make objects small)")
    for key in keys:
        if key.derived is not None:
            derive(key.name, key.derived(values), key.derived_from.format(**values))
    if values["early_stop"] is not None and values["eval_interval"] is None:
        raise ConfigError(
            f"early_stop={values['early_stop']} needs evaluations while training: set eval_interval (1, say)"
        )
    _derive_compute_type(values)
    if values["coco_classes"] != "auto":
        _check_classes(values["coco_classes"])
        count = len(values["coco_classes"])
        derive("num_classes", count, f"coco_classes ({count} names with the background)")
    return values


def _plain(value):
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _check_ranges(keys, values):
    if not values["compile_cache"]:
        raise ConfigError("compile_cache=: 'auto', 'off' or a folder expected")
    for key in keys:
        value = values[key.name]
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, (str, tuple, dict, type(None))):
                continue
            is_too_small = (key.low is not None and item < key.low) or (
                key.above is not None and item <= key.above
            )
            if is_too_small or (key.high is not None and item > key.high):
                raise ConfigError(f"{key.name}={_plain(value)}: {describe_range(key)} expected")
    for low, high in _ORDERED:
        if values[low] > values[high]:
            raise ConfigError(f"{low}={values[low]} is over {high}={values[high]}")


def _check_canvas(keys, values):
    strides = values["anchor_strides"]
    doubles = all(large == 2 * small for small, large in zip(strides, strides[1:]))
    if len(strides) != 5 or not doubles or strides[0] != 4:
        raise ConfigError(
            f"anchor_strides={list(strides)}: a ResNet's pyramid has the five strides 4, 8, 16, 32, 64"
        )
    for name in ("img_width", "img_height"):
        if values[name] % 32:
            nearest = max(32, round(values[name] / 32) * 32)
            raise ConfigError(f"{name}={values[name]}: a multiple of 32 expected; the nearest is {nearest}")
    for key in keys:
        if key.length is not None and len(values[key.name]) != key.length:
            expected = "four stages" if key.name.startswith("resnet_") else f"{key.length} numbers"
            raise ConfigError(f"{key.name}={list(values[key.name])}: {expected} expected")
    for value in values["resnet_out_channels"]:
        if value % 4:
            raise ConfigError(
                f"resnet_out_channels={list(values['resnet_out_channels'])}: multiples of 4 expected "
                "(a block's inner width is a quarter)"
            )
    if values["roi_layer"]["type"] != "RoIAlign":
        raise ConfigError(f"roi_layer.type={values['roi_layer']['type']}: RoIAlign expected")
    for name, low in (("out_size", 1), ("mask_out_size", 1), ("sample_num", 0)):
        if values["roi_layer"][name] < low:
            raise ConfigError(f"roi_layer.{name}={values['roi_layer'][name]}: at least {low} expected")


def _check_augmentation(values):
    scales = values["large_scale_jitter"]
    if scales is not None:
        if len(scales) != 2 or scales[0] > scales[1]:
            raise ConfigError(
                f"large_scale_jitter={list(scales)}: the lowest and the highest scale expected, "
                "e.g. [0.1, 2.0]"
            )
        if values["multi_scale"] is not None:
            raise ConfigError(
                "large_scale_jitter and multi_scale both choose a picture's size: leave one out"
            )
    sides = values["multi_scale"]
    longest = min(values["img_height"], values["img_width"])
    if sides is not None and max(sides) > longest:
        raise ConfigError(
            f"multi_scale={list(sides)}: a short side of {max(sides)} never fits "
            f"img_height={values['img_height']} img_width={values['img_width']}; at most {longest}"
        )
    strengths = values["color_jitter"]
    if strengths is not None and (len(strengths) != 4 or strengths[3] > 0.5):
        raise ConfigError(
            f"color_jitter={list(strengths)}: four strengths expected, the last (hue) at most 0.5, "
            "e.g. [0.4, 0.4, 0.4, 0.1]"
        )


def _check_evaluation(values):
    numbers = values["eval_max_dets"]
    if numbers != "auto" and (len(numbers) != 3 or not _rises(numbers)):
        raise ConfigError(f"eval_max_dets={list(numbers)}: three rising numbers expected, e.g. [1, 10, 300]")
    for name in ("eval_iou_thresholds", "eval_area_limits"):
        if not _rises(values[name]):
            raise ConfigError(f"{name}={list(values[name])}: rising numbers expected")


def _check_test_time(values):
    for word in values["test_tta"]:
        if word not in ("flip", "scales"):
            raise ConfigError(
                f"test_tta={list(values['test_tta'])}: 'flip' and 'scales' expected, e.g. [flip, scales]"
            )


def _rises(numbers):
    return all(low < high for low, high in zip(numbers, numbers[1:]))


def _derive_compute_type(values):
    if values["amp_level"] == "auto":
        return
    compute = "float32" if values["amp_level"] == "O0" else "float16"
    if values["compute_type"] not in ("auto", compute):
        raise ConfigError(
            f"compute_type={values['compute_type']} contradicts amp_level={values['amp_level']}, "
            f"which computes in {compute}: leave one of them out"
        )
    values["compute_type"] = compute


def _check_classes(names):
    if len(names) < 2:
        raise ConfigError(f"coco_classes={list(names)}: 'background' and at least one class expected")
    if not all(name.strip() for name in names):
        raise ConfigError(f"coco_classes={list(names)}: a name is empty")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"coco_classes: '{twice[0]}' stands there twice")
    if names[0] != "background":
        raise ConfigError(f"coco_classes: the first name is '{names[0]}'; it has to be 'background'")
