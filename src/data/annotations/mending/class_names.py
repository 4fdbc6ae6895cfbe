"""A file's class names beside those of coco_classes."""

from __future__ import annotations

import difflib
import json
import shlex
import unicodedata
from typing import Dict, List, Sequence, Tuple

from ...findings import Findings, short

TRAINING, EVALUATION, COMMON = "training", "evaluation", "common"
_LISTED = 5  # how many names a message lists


def match_class_names(
    found: Dict[str, int], coco_classes: Sequence[str], findings: Findings, use: str = TRAINING
) -> Tuple[Dict[str, int], Tuple[str, ...]]:
    """The file's classes under the names of `coco_classes`.

    Args:
        found: {class name: category id} of the file, without the background.
        coco_classes: the configuration's names by label, from "background" on.
        findings: names that differ in their Unicode normalisation only, and unknown ones, are added here.
        use: TRAINING; EVALUATION of a network that knows coco_classes; or COMMON, an evaluation of the
            classes that both have, in which unknown classes are left out of `found`.

    Returns:
        `found` with the names of coco_classes where they are the same in NFC, and the names by label: those
        of coco_classes, and after them the unknown ones, with which a check goes on.
    """
    names = tuple(coco_classes)
    by_form = {unicodedata.normalize("NFC", name): name for name in names}
    matched = {}
    for written, category_id in found.items():
        name = written
        if written not in names:
            name = by_form.get(unicodedata.normalize("NFC", written), written)
        if name != written:
            detail = f"{ascii(written)} is {ascii(name)} in coco_classes"
            findings.add("category_unicode", "categories", detail=detail)
        matched[name] = category_id
    unknown = [name for name in matched if name not in names]
    if not unknown:
        return matched, names
    common = {name: category_id for name, category_id in matched.items() if name in names}
    if use == COMMON and common:
        for name in unknown:
            findings.add("category_not_common", "categories", detail=short(name))
        return common, names
    findings.add("category_names", "", detail=_unknown_detail(unknown, list(matched), names, use, common))
    return matched, (*names, *unknown)


def _unknown_detail(unknown, found, names, use, common):
    """What is said about class names that coco_classes lacks, and the ways out."""
    known = [name for name in names if name != "background"]
    near = []
    for name in unknown[:_LISTED]:
        nearest = nearest_name(name, known)
        near += [f"{short(nearest)} for {short(name)}"] if nearest is not None else []
    if use == TRAINING:
        word = shlex.quote("coco_classes=" + json.dumps(["background", *found], ensure_ascii=False))
        ways = [f"write {word} or coco_classes=auto to take the file's names"]
        whose = "coco_classes has"
    else:
        ways = ["evaluate the classes of both with eval_classes=common"]
        if not common:
            ways = ["evaluate with annotations of these classes"]
        whose = "the network knows"
    if near:
        ways.insert(0, "rename in the file what is meant as the same")
    return (
        f"{len(unknown)} of its {len(found)} categories not in coco_classes: {_listed(unknown)}; "
        f"{whose} {_listed(known)}"
        + (f" (nearest: {', '.join(near)})" if near else "")
        + f"; {', or '.join(ways)}"
    )


def nearest_name(name: str, known: List[str]) -> str | None:
    """The name of `known` that is most like `name`, case and surrounding spaces aside; None if none is."""
    by_form = {one.strip().casefold(): one for one in known}
    nearest = difflib.get_close_matches(name.strip().casefold(), list(by_form), 1, 0.6)
    return by_form[nearest[0]] if nearest else None


def _listed(names):
    text = ", ".join(short(name) for name in names[:_LISTED])
    return text + (f", ... ({len(names)} in all)" if len(names) > _LISTED else "") if names else "no class"
