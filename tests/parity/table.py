"""What the parity run compares, and the limits: NumPy only, from two sets of arrays to the rows of a table.

`reference` holds the arrays of a reference file (tests/reference/README.md says what each is). `ours` holds
the same stages as this project computes them, in full, under the same names. A large stage is compared at the
entries that the reference keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

STAGE_LIMIT = 1e-4  # features, RPN outputs, RoIAlign, logits: of the stage's standard deviation
PARTNER_SHARE = 0.995  # of the reference's proposals or detections, those that have a partner
PARTNER_IOU = 0.999  # of two partners
SCORE_LIMIT = 1e-4  # difference of two partners' scores
MASK_LIMIT = 2e-3  # difference of two partners' mask probabilities
ASSIGNMENT_LIMIT = 5e-4  # share of anchors or RoIs
LOSS_LIMIT = 1e-4  # of the loss
NORM_LIMIT = 1e-3  # of the gradient's norm
VALUE_LIMIT = 5e-3  # of the gradient's root mean square

LOSSES = ("rpn_cls", "rpn_reg", "rcnn_cls", "rcnn_reg", "rcnn_mask")
LEVELS = ("p2", "p3", "p4", "p5", "p6")
# {name in a reference file: title of the row}
STAGES = {
    f"{kind}.{level}": f"{title} {level.upper()}"
    for kind, title in (("feature", "FPN"), ("rpn_logits", "RPN logits"), ("rpn_deltas", "RPN deltas"))
    for level in LEVELS
}
HEAD_STAGES = {
    "roi_align7": "RoIAlign 7x7",
    "class_logits": "class logits",
    "box_deltas": "box deltas",
    "roi_align14": "RoIAlign 14x14",
    "mask_logits": "mask logits",
}
ASSIGNMENTS = {"rpn_labels": "anchor labels", "roi_assigned_labels": "RoI labels"}
DETECTIONS = {"detections": "detections, of the reference's proposals", "whole": "detections, whole network"}
DETECTION_LEAVES = ("boxes", "labels", "scores", "masks28")


@dataclass(frozen=True)
class Row:
    """A line of the table.

    `absolute` is the largest absolute error, `measured` is what is compared with `limit`, and `note` is
    printed below the table.
    """

    stage: str
    absolute: float
    measured: str
    limit: str
    ok: bool
    note: str = ""


def gradient_names(reference: Mapping) -> list[str]:
    """torchvision's names of the parameters that the reference has a gradient for."""
    return [
        name[len("grad.") : -len(".norm")]
        for name in reference
        if name.startswith("grad.") and name.endswith(".norm")
    ]


def missing_entries(reference: Mapping, pictures: int = 2) -> list[str]:
    """The names that `compare` reads and a reference file does not have."""
    names = ["anchors", *ASSIGNMENTS, *(f"loss.{name}" for name in LOSSES)]
    for name in (*STAGES, *HEAD_STAGES):
        if name not in reference:
            names += [f"{name}.{leaf}" for leaf in ("shape", "index", "value")]
    for n in range(pictures):
        names += [f"proposals.{n}", *(f"detections.{n}.{leaf}" for leaf in DETECTION_LEAVES)]
    parameters = gradient_names(reference)
    names += [f"grad.{name}.{leaf}" for name in parameters for leaf in ("index", "value")]
    if not parameters:
        names.append("grad.*.norm")
    return [name for name in names if name not in reference]


def compare(reference: Mapping, ours: Mapping, pictures: int = 2) -> list[Row]:
    """All rows, in the order in which a picture passes through the network."""
    rows = [compare_values(reference, ours, name, title) for name, title in STAGES.items()]
    rows.append(compare_anchors(reference["anchors"], ours["anchors"]))
    names = [f"proposals.{n}" for n in range(pictures)]
    rows.append(compare_proposals([reference[name] for name in names], [ours[name] for name in names]))
    rows += [compare_values(reference, ours, name, title) for name, title in HEAD_STAGES.items()]
    for source, title in DETECTIONS.items():
        rows += compare_detections(
            [_detections(reference, "detections", n) for n in range(pictures)],
            [_detections(ours, source, n) for n in range(pictures)],
            title,
        )
    rows += [compare_assignment(reference, ours, name, title) for name, title in ASSIGNMENTS.items()]
    for call, (losses, gradients) in enumerate(zip(ours["losses"], ours["gradients"]), 1):
        rows += [compare_loss(reference, losses, name, call) for name in LOSSES]
        rows += compare_gradients(reference, gradients, call, ours.get("perturbed", ()))
    return rows


def compare_values(reference: Mapping, ours: Mapping, name: str, title: str) -> Row:
    """A stage's values, at the sampled entries where the reference keeps no more."""
    is_sampled = name + ".value" in reference
    want = reference[name + ".value"] if is_sampled else reference[name]
    shape = tuple(reference[name + ".shape"]) if is_sampled else want.shape
    got = np.asarray(ours[name])
    if got.shape != shape:
        return _wrong_shape(title, got.shape, shape)
    if is_sampled:
        got = got.reshape(-1)[reference[name + ".index"]]
    error = _largest(got, want)
    relative = error / max(float(want.std()), 1e-12)
    return Row(title, error, f"{relative:.2e}", f"{STAGE_LIMIT:.0e}", bool(relative <= STAGE_LIMIT))


def compare_anchors(want: np.ndarray, got: np.ndarray) -> Row:
    if got.shape != want.shape:
        return _wrong_shape("anchors", got.shape, want.shape)
    error = _largest(got, want)
    return Row("anchors", error, f"{error:.2e}", "exact", bool(error == 0))


def pairwise_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU float64 [N, M] of boxes [N, 4] and [M, 4]."""
    a = a[:, None].astype(np.float64)
    b = b[None].astype(np.float64)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    overlap = np.clip(sides, 0, None).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - overlap
    return overlap / np.maximum(union, 1e-12)


def partners(want: Mapping, got: Mapping) -> np.ndarray:
    """For each of the reference's boxes the index of its partner among ours, or -1: int [N].

    No box of ours is the partner of two. Partners have the same label, and scores that differ by 1e-4 at
    most.

    Args:
        want: boxes [N, 4] and, for detections, labels [N] and scores [N].
        got: The same of this project.
    """
    iou = pairwise_iou(want["boxes"], got["boxes"])
    fits = iou > PARTNER_IOU
    if "labels" in want:
        fits &= want["labels"][:, None] == got["labels"][None]
        fits &= np.abs(want["scores"][:, None].astype(np.float64) - got["scores"][None]) <= SCORE_LIMIT
    pairs = np.full(len(want["boxes"]), -1)
    for i in range(len(pairs)):
        candidates = np.flatnonzero(fits[i])
        if candidates.size:
            pairs[i] = candidates[iou[i, candidates].argmax()]
            fits[:, pairs[i]] = False
    return pairs


def compare_proposals(want: Sequence[np.ndarray], got: Sequence[np.ndarray]) -> Row:
    """One row over the pictures: arrays [N, 4], a picture each."""
    want = [{"boxes": boxes} for boxes in want]
    got = [{"boxes": boxes} for boxes in got]
    return _partner_row("proposals", want, got, [partners(a, b) for a, b in zip(want, got)])


def compare_detections(want: Sequence[Mapping], got: Sequence[Mapping], title: str) -> list[Row]:
    """Two rows over the pictures: boxes, labels and scores; and the masks of partners."""
    pairs = [partners(a, b) for a, b in zip(want, got)]
    error = _partner_error("masks28", want, got, pairs)
    is_ok = bool(error <= MASK_LIMIT)
    masks = Row(f"{title}: masks28", error, f"{error:.2e}", f"{MASK_LIMIT:.0e} absolute", is_ok)
    return [_partner_row(title, want, got, pairs), masks]


def _partner_row(title, want, got, pairs):
    counts = [(len(a["boxes"]), len(b["boxes"])) for a, b in zip(want, got)]
    total = sum(count for count, _ in counts)
    share = sum(int((one >= 0).sum()) for one in pairs) / total if total else 1.0
    error = _partner_error("boxes", want, got, pairs)
    measured = f"{share:.2%} of {total}"
    unequal = [f"{ours} for {theirs}" for theirs, ours in counts if ours != theirs]
    measured += f", counts {', '.join(unequal)}" if unequal else ""
    is_ok = bool(share >= PARTNER_SHARE and not unequal)
    return Row(title, error, measured, f">= {PARTNER_SHARE:.1%}, equal counts", is_ok)


def _partner_error(leaf, want, got, pairs):
    """The largest difference of partners over the pictures."""
    errors = [_largest(b[leaf][one[one >= 0]], a[leaf][one >= 0]) for a, b, one in zip(want, got, pairs)]
    return float(np.max(errors))


def compare_assignment(reference: Mapping, ours: Mapping, name: str, title: str) -> Row:
    want = reference[name]
    got = np.asarray(ours[name])
    if got.shape != want.shape:
        return _wrong_shape(title, got.shape, want.shape)
    share = float((got != want).mean())
    is_ok = share <= ASSIGNMENT_LIMIT
    return Row(title, _largest(got, want), f"{share:.3%} differ", f"{ASSIGNMENT_LIMIT:.2%}", is_ok)


def compare_loss(reference: Mapping, losses: Mapping, name: str, call: int) -> Row:
    want = float(reference[f"loss.{name}"])
    error = abs(float(losses[name]) - want)
    relative = error / max(abs(want), 1e-12)
    is_ok = bool(relative <= LOSS_LIMIT)
    return Row(f"loss {name}, call {call}", error, f"{relative:.2e}", f"{LOSS_LIMIT:.0e}", is_ok)


def gradient_errors(reference: Mapping, name: str, gradient: np.ndarray) -> tuple:
    """Errors of `gradient`, this project's, for the parameter that is `name` in torchvision.

    Returns:
        (relative, absolute) error of the norm, and (relative, absolute) error of the sampled values.
    """
    want = float(reference[f"grad.{name}.norm"])
    gradient = np.asarray(gradient, np.float64)
    norm = abs(np.linalg.norm(gradient) - want)
    value = _largest(gradient.reshape(-1)[reference[f"grad.{name}.index"]], reference[f"grad.{name}.value"])
    root_mean_square = want / np.sqrt(gradient.size)
    return (norm / max(want, 1e-12), norm), (value / max(root_mean_square, 1e-12), value)


def gradient_holds(errors: tuple) -> bool:
    """Whether what `gradient_errors` returned is within its limits."""
    return errors[0][0] <= NORM_LIMIT and errors[1][0] <= VALUE_LIMIT


def compare_gradients(
    reference: Mapping, gradients: Mapping, call: int, perturbed: Sequence[Mapping] = ()
) -> list[Row]:
    """Two rows for all parameters, norms and sampled values, the worst of each, and more for those that fail.

    A parameter that passes a limit has a row of its own, and so has one that only one side has a gradient
    for. `perturbed` holds gradients of perturbed images (tests/parity): a parameter that is within its
    limits in one of them counts as right, and the row's note says so.
    """
    names = gradient_names(reference)
    rows = [
        Row(f"gradient of {name}, call {call}", np.nan, "only one side has it", "both", False)
        for name in sorted(set(names) ^ set(gradients))
    ]
    plain = {}
    best = {}
    for name in (name for name in names if name in gradients):
        plain[name] = best[name] = gradient_errors(reference, name, gradients[name])
        if not gradient_holds(plain[name]):
            others = (gradient_errors(reference, name, one[name]) for one in perturbed if name in one)
            best[name] = next((errors for errors in others if gradient_holds(errors)), plain[name])
    replaced = [name for name in best if best[name] is not plain[name]]
    for part, (title, limit) in enumerate((("gradient norms", NORM_LIMIT), ("gradient values", VALUE_LIMIT))):
        relative, error = _worst(errors[part] for errors in best.values())
        note = ""
        if replaced:
            without = _worst(errors[part] for errors in plain.values())[0]
            note = (
                f"{len(replaced)} of {len(best)} parameters with the images perturbed, {without:.2e} without"
            )
        title = f"{title} ({len(best)}), call {call}"
        rows.append(Row(title, error, f"{relative:.2e}", f"{limit:.0e}", bool(relative <= limit), note))
        for name, errors in best.items():
            relative, error = errors[part]
            if not relative <= limit:
                rows.append(Row(f"  {name}", error, f"{relative:.2e}", f"{limit:.0e}", False))
    return rows


def table(rows: Iterable[Row]) -> str:
    """The rows as text."""
    lines = [("stage", "largest error", "relative", "limit", "ok")]
    for row in rows:
        result = "ok" if row.ok else "FAILED"
        lines.append((row.stage, f"{row.absolute:.2e}", row.measured, row.limit, result))
    widths = [max(len(line[i]) for line in lines) for i in range(5)]
    lines.insert(1, tuple("-" * width for width in widths))
    padded = ([cell.ljust(width) for cell, width in zip(line, widths)] for line in lines)
    return "\n".join("  ".join(cells).rstrip() for cells in padded)


def _wrong_shape(title, got, want):
    return Row(title, np.nan, f"shape {got}", f"shape {want}", False)


def _worst(pairs):
    """The pair of the largest first number; a NaN counts as infinite."""
    return max(pairs, key=lambda pair: pair[0] if pair[0] == pair[0] else np.inf)


def _detections(arrays, source, picture):
    return {leaf: np.asarray(arrays[f"{source}.{picture}.{leaf}"]) for leaf in DETECTION_LEAVES}


def _largest(got, want):
    got = np.asarray(got, np.float64)
    want = np.asarray(want, np.float64)
    return float(np.abs(got - want).max()) if want.size else 0.0
