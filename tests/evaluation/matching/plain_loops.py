"""COCO's matching rule and what follows from it, written as plain loops over one picture and class at a time.

Independent of src/evaluation/matching: IoUs come from corners, and from masks that are decoded.
"""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional

from pycocotools import mask as mask_api


class PlainMatch(NamedTuple):
    """A detection with its partner's position in the annotations (None: none); ignored: it does not count."""

    detection: dict
    partner: Optional[int]
    ignored: bool


def iou_of(found: dict, truth: dict, kind: str, crowd: bool) -> float:
    if kind == "segm":
        a = mask_api.decode(found["segmentation"]).astype(bool)
        b = mask_api.decode(truth["segmentation"]).astype(bool)
        both = int((a & b).sum())
        area = int(a.sum())
        union = area if crowd else int((a | b).sum())
        return both / union if both else 0.0
    ax, ay, aw, ah = found["bbox"]
    bx, by, bw, bh = truth["bbox"]
    width = min(ax + aw, bx + bw) - max(ax, bx)
    height = min(ay + ah, by + bh) - max(ay, by)
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (aw * ah if crowd else aw * ah + bw * bh - width * height)


def plain_matches(inputs, settings, threshold: float, size: str = "all") -> List[PlainMatch]:
    """All detections that count, with their partners at one threshold."""
    low, high = settings.area_ranges[size]
    annotations = inputs.truth.annotations
    result = []
    for image_id in inputs.image_ids:
        for category_id in inputs.category_ids:
            place = (image_id, category_id)
            objects = [
                i for i, item in enumerate(annotations) if (item["image_id"], item["category_id"]) == place
            ]
            ignored = {
                i: bool(annotations[i]["iscrowd"]) or not low <= annotations[i]["area"] <= high
                for i in objects
            }
            found = [item for item in inputs.detections if (item["image_id"], item["category_id"]) == place]
            found.sort(key=lambda item: -item["score"])
            taken = set()
            for item in found[: settings.max_dets[-1]]:
                partner = None
                for of_ignored in (False, True):
                    best = threshold
                    for i in objects:
                        crowd = bool(annotations[i]["iscrowd"])
                        if ignored[i] != of_ignored or (i in taken and not crowd):
                            continue
                        iou = iou_of(item, annotations[i], inputs.truth.kind, crowd)
                        if iou >= best:
                            best = iou
                            partner = i
                    if partner is not None:
                        break
                if partner is None:
                    result.append(PlainMatch(item, None, not low <= item["area"] <= high))
                else:
                    taken.add(partner)
                    result.append(PlainMatch(item, partner, ignored[partner]))
    return result


def plain_counts(inputs, matches: List[PlainMatch], category_id: int, score: float) -> Dict[str, int]:
    """True, false and missed of a class with the detections of at least a score."""
    own = [
        match
        for match in matches
        if match.detection["category_id"] == category_id
        and match.detection["score"] >= score
        and not match.ignored
    ]
    true = sum(match.partner is not None for match in own)
    objects = sum(
        item["category_id"] == category_id and not item["iscrowd"] for item in inputs.truth.annotations
    )
    return {"true": true, "false": len(own) - true, "missed": objects - true}


def plain_confusion(inputs, matches: List[PlainMatch], threshold: float, score: float) -> List[List[int]]:
    """The confusion matrix; the background is the last row and column."""
    annotations = inputs.truth.annotations
    place = {category_id: i for i, category_id in enumerate(inputs.category_ids)}
    background = len(place)
    matrix = [[0] * (background + 1) for _ in range(background + 1)]
    counted = [match for match in matches if match.detection["score"] >= score and not match.ignored]
    free = {i for i, item in enumerate(annotations) if not item["iscrowd"]}
    for match in counted:
        if match.partner is not None:
            own = place[match.detection["category_id"]]
            matrix[own][own] += 1
            free.remove(match.partner)
    left = [match.detection for match in counted if match.partner is None]
    left.sort(key=lambda item: (-item["score"], place[item["category_id"]], item["row"]))
    for item in left:
        candidates = []
        for i in free:
            truth = annotations[i]
            if truth["image_id"] == item["image_id"] and truth["category_id"] != item["category_id"]:
                iou = iou_of(item, truth, inputs.truth.kind, False)
                if iou >= threshold:
                    candidates.append((iou, place[truth["category_id"]], i))
        if candidates:
            _, row, i = max(candidates)
            free.remove(i)
        else:
            row = background
        matrix[row][place[item["category_id"]]] += 1
    for i in free:
        matrix[place[annotations[i]["category_id"]]][background] += 1
    return matrix
