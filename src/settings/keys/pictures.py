"""Pictures: the canvas, augmentation, pixel values."""

from __future__ import annotations

from .key import Key

KEYS = (
    Key(
        "img_width",
        1280,
        "width of the canvas a picture is placed on, in pixels; a multiple of 32",
        low=64,
        canvas=True,
        exported=True,
    ),
    Key("img_height", 768, "height of the canvas, in pixels", low=64, canvas=True, exported=True),
    Key("keep_ratio", True, "keep the picture's aspect ratio when it is resized", canvas=True),
    Key("flip_ratio", 0.5, "probability of a horizontal flip (training)", low=0, high=1, in_graph=False),
    Key(
        "expand_ratio",
        1.0,
        "probability of drawing an expansion, which in half of the cases places the picture on a canvas "
        "up to 4x",
        low=0,
        high=1,
        in_graph=False,
    ),
    Key(
        "crop_ratio",
        0.0,
        "probability of a random crop, which keeps the centre of an object",
        low=0,
        high=1,
        in_graph=False,
    ),
    Key(
        "crop_min_side",
        0.3,
        "smallest side of a random crop over the picture's",
        low=0.001,
        high=1,
        in_graph=False,
    ),
    Key(
        "multi_scale",
        None,
        "short sides, e.g. [640, 704, 768], one of which is drawn for a picture; up to resize_long and "
        "the canvas",
        kind=(int,),
        low=32,
        in_graph=False,
    ),
    Key(
        "large_scale_jitter",
        None,
        "range of scales, e.g. [0.1, 2.0]: resized by a random one, then cut or padded to the canvas",
        kind=(float,),
        low=0.01,
        high=10,
        in_graph=False,
    ),
    Key(
        "color_jitter",
        None,
        "strengths for brightness, contrast, saturation (factors 1 +- strength) and hue (of the "
        "circle), e.g. [0.4, 0.4, 0.4, 0.1]",
        kind=(float,),
        low=0,
        in_graph=False,
    ),
    Key(
        "copy_paste_ratio",
        0.0,
        "probability of pasting objects of another picture (needs masks)",
        low=0,
        high=1,
        in_graph=False,
    ),
    Key(
        "repeat_factor_threshold",
        0.0,
        "classes in under this part of the pictures repeat theirs (LVIS: 0.001); 0: every picture once",
        low=0,
        high=1,
        in_graph=False,
    ),
    Key("max_instance_count", 128, "objects kept in a picture, the largest first", low=1, stored=True),
    Key(
        "mask_shape",
        (28, 28),
        "height and width of the mask head's output",
        derived=lambda values: (2 * values["roi_layer"]["mask_out_size"],) * 2,
        derived_from="roi_layer.mask_out_size",
    ),
    Key(
        "resize",
        "fit",
        "'fit' the canvas, or 'short_side': resize_short / resize_long as published weights want",
        choices=("fit", "short_side"),
        canvas=True,
    ),
    Key("resize_short", 800, "resize=short_side: target of the shorter side, in pixels", low=1, canvas=True),
    Key("resize_long", 1333, "resize=short_side: limit of the longer side, in pixels", low=1, canvas=True),
    Key(
        "padding",
        "zero",
        "what fills the canvas beside a picture: 'zero', or the 'mean' (others pad with zeros after "
        "normalising)",
        choices=("zero", "mean"),
        canvas=True,
    ),
    Key(
        "img_mean",
        (123.675, 116.28, 103.53),
        "pixel mean a channel in channel_order, subtracted on the device",
        length=3,
        network=True,
    ),
    Key(
        "img_std",
        (58.395, 57.12, 57.375),
        "pixel standard deviation a channel in channel_order, divided by on the device",
        above=0,
        length=3,
        network=True,
    ),
    Key(
        "channel_order",
        "RGB",
        "order in which the network takes a picture's channels: RGB, or BGR for weights trained so",
        choices=("RGB", "BGR"),
        network=True,
    ),
    Key(
        "gt_mask_size",
        112,
        "side of a ground-truth mask in its own box's frame, as it is sent to the device",
        low=28,
        high=512,
    ),
)
