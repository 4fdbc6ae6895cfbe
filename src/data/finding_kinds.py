"""Every kind of problem that the checks of a data set can find, and what is done about it."""

from __future__ import annotations

from typing import Dict, NamedTuple

FATAL = "fatal"  # the data cannot be used
SKIPPED = "skipped"  # something is left out
FIXED = "fixed"  # read as it was meant
KEPT = "kept"  # used as it is, but worth a look
ACTIONS = (FATAL, SKIPPED, FIXED, KEPT)  # the most serious first


class Kind(NamedTuple):
    """One kind of finding.

    Attributes:
        action: what is done about it, one of ACTIONS.
        text: what it is, as users read it; it ends with what is done about it.
    """

    action: str
    text: str


KINDS: Dict[str, Kind] = {
    # the annotation file
    "file_unreadable": Kind(FATAL, "annotation file that cannot be read"),
    "file_syntax": Kind(FATAL, "file that is not JSON, or not text in UTF-8, UTF-16 or UTF-32"),
    "file_encoding": Kind(FIXED, "file in UTF-16 or UTF-32, read as such"),
    "file_form": Kind(FATAL, "file without the parts that its format requires"),
    "byte_order_mark": Kind(FIXED, "byte-order mark at the start of the file, passed over"),
    "windows_line_ends": Kind(FIXED, "Windows line end, read as a line end"),
    # label files of labelling tools
    "label_file_unreadable": Kind(FATAL, "label file that cannot be read"),
    "label_file_syntax": Kind(FATAL, "label file that is cut off, or not of the syntax of its form"),
    "label_file_form": Kind(FATAL, "label file without the parts that its form requires"),
    "label_picture_missing": Kind(FATAL, "label file whose picture is not found"),
    "label_shape": Kind(SKIPPED, "shape that is not one of the form's, left out"),
    "label_without_area": Kind(SKIPPED, "point or line, which has no area, left out"),
    "label_ignored": Kind(SKIPPED, "shape that its label says to ignore, left out"),
    "label_others": Kind(
        SKIPPED, "further annotations of a task, left out: the ground truth is read, or else the newest"
    ),
    "mask_size": Kind(FATAL, "mask file of another size than its picture"),
    "mask_one_value": Kind(
        KEPT,
        "mask file with one value in parts that lie apart, read as one object; objects need a value each",
    ),
    "picture_unlabelled": Kind(SKIPPED, "picture without a mask file, left out"),
    "box_as_mask": Kind(KEPT, "rectangle in data with masks, whose mask is the whole rectangle"),
    # classes
    "category_unlisted": Kind(FATAL, "class that the form's list of classes lacks"),
    "category_form": Kind(FATAL, "category without a usable id and name"),
    "category_twice": Kind(FATAL, "category id or name that is used twice"),
    "category_names": Kind(FATAL, "category that coco_classes does not name"),
    "category_not_common": Kind(
        SKIPPED, "category that the network does not know, left out of the evaluation (eval_classes=common)"
    ),
    "category_unicode": Kind(
        FIXED, "class name in another Unicode normalisation (NFC, NFD) than in coco_classes, read as the same"
    ),
    "category_root": Kind(
        FIXED, "category 0 without objects, the supercategory of all others (as Roboflow has it), left out"
    ),
    "category_zero": Kind(KEPT, "category with id 0, a class like the others (labels are counted from 1)"),
    "category_gaps": Kind(KEPT, "gaps in the category ids, closed by counting labels from 1"),
    # all objects at once
    "coordinates_normalised": Kind(FATAL, "coordinates from 0 to 1, which look normalised; pixels expected"),
    "masks_unusable": Kind(FATAL, "segmentations of which nearly none (under 10%) can be used"),
    # pictures in the file
    "image_form": Kind(FATAL, "image without a usable id and file_name"),
    "image_twice": Kind(FATAL, "image id that is used twice"),
    "image_file_twice": Kind(
        KEPT,
        "picture file listed under more than one image id, kept: objects of one are background in the other",
    ),
    "image_outside": Kind(FATAL, "picture name that leads out of the picture folder"),
    "image_link": Kind(KEPT, "picture that is a link to a file outside the picture folder, followed"),
    "image_size_missing": Kind(FIXED, "picture without a usable size in the file, read from the picture"),
    "respelled": Kind(FIXED, "whole number written as text or as a fraction, read as a number"),
    "large_id": Kind(KEPT, "id over 2^32, which other tools may cut, kept"),
    "image_url": Kind(FIXED, "image without file_name, called by the last part of its coco_url (as in LVIS)"),
    "name_backslash": Kind(FIXED, "picture name with backslashes, read as /"),
    "name_unicode": Kind(
        FIXED, "picture name in another Unicode normalisation (NFC, NFD) than the file's, which is taken"
    ),
    "name_spaces": Kind(FIXED, "picture name with spaces, read as one name"),
    # picture files
    "picture_missing": Kind(FATAL, "picture that is missing"),
    "picture_empty": Kind(FATAL, "picture file of zero bytes"),
    "picture_truncated": Kind(FATAL, "picture that is cut off"),
    "picture_not": Kind(FATAL, "file that is not a picture"),
    "picture_bomb": Kind(FATAL, "picture of more pixels than are safe to decode"),
    "picture_unreadable": Kind(FATAL, "picture that cannot be read or decoded"),
    "picture_size": Kind(FATAL, "picture of another size than the file says"),
    "picture_turned": Kind(FIXED, "picture rotated by its EXIF orientation, as viewers show it"),
    "picture_stored": Kind(KEPT, "picture annotated as it is stored, its EXIF orientation ignored"),
    "picture_grey": Kind(FIXED, "grey picture, becomes RGB"),
    "picture_16bit": Kind(FIXED, "16-bit picture, becomes 8-bit by the bits that it uses"),
    "picture_channels": Kind(FIXED, "picture with channels besides grey or RGB, which are dropped"),
    "picture_cmyk": Kind(FIXED, "CMYK picture, becomes RGB"),
    "picture_alpha": Kind(FIXED, "picture with transparency, which is dropped"),
    "picture_palette": Kind(FIXED, "palette picture, becomes RGB"),
    "picture_animated": Kind(FIXED, "animated picture, its first frame is taken"),
    # annotations
    "annotation_form": Kind(SKIPPED, "annotation that is not an object, left out"),
    "annotation_image": Kind(SKIPPED, "annotation of an image id that the file does not list, left out"),
    "annotation_not_common": Kind(
        SKIPPED, "object of a category that the network does not know, left out (eval_classes=common)"
    ),
    "annotation_category": Kind(SKIPPED, "annotation of a category id that the file does not list, left out"),
    "annotation_background": Kind(
        SKIPPED, "object of a class called background, left out: the name means no object; rename the class"
    ),
    "object_twice": Kind(KEPT, "object with the picture, class, box and mask of an earlier one, kept"),
    "annotation_id": Kind(FIXED, "annotation id missing or used twice, the annotation is kept"),
    "crowd_spelled": Kind(FIXED, "is_crowd for iscrowd, read as iscrowd"),
    "crowd_value": Kind(
        FIXED, "iscrowd that is not the number 0 or 1, a crowd unless it is 0, false or no number"
    ),
    "box_form": Kind(SKIPPED, "box that is not four numbers, left out"),
    "box_infinite": Kind(SKIPPED, "box that is not finite, left out"),
    "box_empty": Kind(SKIPPED, "box without area (zero or negative width or height), left out"),
    "box_outside": Kind(SKIPPED, "box outside the picture, left out"),
    "box_partly": Kind(FIXED, "box reaching out of the picture, clipped"),
    "box_missing": Kind(FIXED, "object without a box, which is taken around its mask"),
    "box_corners": Kind(FIXED, "box given as corners x1, y1, x2, y2 (its mask says so), read as such"),
    "boxes_as_corners": Kind(FATAL, "boxes that look like corners x1, y1, x2, y2"),
    "area_form": Kind(FIXED, "area that is missing or not a number from 0, computed"),
    "area_wrong": Kind(KEPT, "area unlike its mask or box, kept (evaluation sorts objects by it)"),
    "polygon_form": Kind(SKIPPED, "polygon that is not a list of numbers, left out"),
    "polygon_short": Kind(SKIPPED, "polygon of under three points, left out"),
    "polygon_odd": Kind(SKIPPED, "polygon of odd length, left out"),
    "polygon_far": Kind(SKIPPED, "polygon that is not finite or far out of the picture, left out"),
    "polygon_outside": Kind(SKIPPED, "polygon outside the picture, left out"),
    "polygon_partly": Kind(FIXED, "polygon reaching out of the picture, clipped"),
    "polygon_crossing": Kind(KEPT, "polygon that crosses itself, kept and filled by COCO's rule"),
    "polygon_no_pixel": Kind(KEPT, "polygon too small to cover a pixel, kept and drawn finer"),
    "segmentation_flat": Kind(FIXED, "segmentation that is one flat list of numbers, read as one polygon"),
    "segmentation_pairs": Kind(FIXED, "polygon of [x, y] pairs, read as x, y, x, y, ..."),
    "segmentation_points": Kind(FIXED, 'polygon of points {"x": x, "y": y}, read as x, y, x, y, ...'),
    "segmentation_nested": Kind(FIXED, "polygon within one list too many, read as a polygon"),
    "segmentation_via": Kind(
        FIXED, "shape of the VGG Image Annotator, read as a polygon (round ones with 128 corners)"
    ),
    "segmentation_text": Kind(FIXED, "segmentation that is written as text, read as what the text says"),
    "rle_bytes_text": Kind(FIXED, "RLE counts that are Python's bytes as text (b'...'), read as the bytes"),
    "rle_corrupt": Kind(SKIPPED, "RLE that is corrupt, left out"),
    "rle_size": Kind(SKIPPED, "RLE of another size than its picture, left out"),
    "rle_empty": Kind(SKIPPED, "RLE without a pixel, left out"),
    "segmentation_form": Kind(SKIPPED, "segmentation that is neither polygons nor RLE, left out"),
    "mask_missing": Kind(SKIPPED, "object without a usable mask in a file with masks, left out"),
    "mask_apart": Kind(SKIPPED, "object whose mask lies outside its box, left out"),
    "mask_box": Kind(KEPT, "mask and box that disagree (IoU under 0.5), kept"),
    # rows of a txt file
    "row_form": Kind(FATAL, "row that is not a path and boxes x1,y1,x2,y2,class"),
    "row_number": Kind(FATAL, "box with something that is not a number"),
    "row_class": Kind(FATAL, "class that is not one of 1 to num_classes-1"),
    "masks_mixed": Kind(FATAL, "boxes with polygons and boxes without in one file"),
    # training
    "empty_picture": Kind(
        SKIPPED, "picture without objects, left out of training (keep_empty=True keeps it)"
    ),
    "crowd_only": Kind(
        SKIPPED, "picture with nothing but crowds, left out of training (keep_empty=True keeps it)"
    ),
    "many_crowds": Kind(
        KEPT,
        "a quarter of all objects or more are crowds, from which training learns nothing (CVAT's COCO export "
        "makes crowds of its brush's masks: export 'CVAT for images 1.1')",
    ),
    "too_many": Kind(
        SKIPPED, "picture with more than max_instance_count objects, the smallest are left out of training"
    ),
    "canvas": Kind(FATAL, "picture that does not fit the canvas"),
    "nothing": Kind(FATAL, "no picture with an object to learn from"),
}
# pictures that cannot be used: fatal, or left out with bad_pictures=skip
PICTURE_KINDS = (
    "picture_missing",
    "picture_empty",
    "picture_truncated",
    "picture_not",
    "picture_bomb",
    "picture_unreadable",
    "picture_size",
    "label_picture_missing",
    "mask_size",
)
# fatal kinds that leave objects without their picture, their class or a usable position: that annotations
# refer to nothing then, and that pictures have no objects, only follows
CAUSES_OF_MISSING_OBJECTS = (
    "image_form",
    "category_form",
    "category_twice",
    "coordinates_normalised",
    "masks_unusable",
    "boxes_as_corners",
    "row_form",
    "row_number",
    "row_class",
)
