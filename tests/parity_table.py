"""What the parity run compares and how near it has to be: NumPy only, from two sets of arrays to the rows of a table.

`reference` holds the arrays of a reference file (reference/README.md of the shared folder says what each is), `ours` the same stages
as this project computes them, in full, under the same names; a large stage is compared at the entries that the reference keeps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STAGE_LIMIT = 1e-4  # features, RPN outputs, RoIAlign, logits: of the stage's standard deviation
PARTNERS, PARTNER_IOU, SCORE_LIMIT, MASK_LIMIT = 0.995, 0.999, 1e-4, 2e-3
ASSIGNMENT_LIMIT = 5e-4  # share of anchors or RoIs
LOSS_LIMIT = 1e-4  # of the loss
NORM_LIMIT, VALUE_LIMIT = 1e-3, 5e-3  # of the gradient's norm; of its root mean square
LOSSES = ("rpn_cls", "rpn_reg", "rcnn_cls", "rcnn_reg", "rcnn_mask")
LEVELS = ("p2", "p3", "p4", "p5", "p6")
STAGES = tuple(f"{kind}.{level}" for kind in ("feature", "rpn_logits", "rpn_deltas") for level in LEVELS)
HEAD_STAGES = ("roi_align7", "class_logits", "box_deltas", "roi_align14", "mask_logits")


@dataclass(frozen=True)
class Row:
    """A line of the table: the largest absolute error, what is held against the limit, the limit, and whether it holds."""

    stage: str
    absolute: float
    measured: str
    limit: str
    ok: bool
    note: str = ""


def missing_entries(reference, pictures=2):
    """The names of what `compare` reads and a reference file does not have."""
    names = ["anchors", "rpn_labels", "roi_assigned_labels", *(f"loss.{name}" for name in LOSSES)]
    names += [
        name if name in reference else f"{name}.{leaf}"
        for name in (*STAGES, *HEAD_STAGES)
        for leaf in ("shape", "index", "value")
    ]
    for n in range(pictures):
        names += [
            f"proposals.{n}",
            *(f"detections.{n}.{leaf}" for leaf in ("boxes", "labels", "scores", "masks28")),
        ]
    norms = [name for name in reference if name.startswith("grad.") and name.endswith(".norm")]
    names += (
        [name[: -len("norm")] + leaf for name in norms for leaf in ("index", "value")]
        if norms
        else ["grad.*.norm"]
    )
    return [name for name in names if name not in reference]


def compare(reference, ours, pictures=2):
    """All rows, in the order in which a picture flows."""
    rows = [compare_values(reference, ours, name) for name in STAGES]
    rows.append(compare_anchors(reference["anchors"], ours["anchors"]))
    rows.append(
        compare_proposals(
            [reference[f"proposals.{n}"] for n in range(pictures)],
            [ours[f"proposals.{n}"] for n in range(pictures)],
        )
    )
    rows += [compare_values(reference, ours, name) for name in HEAD_STAGES]
    for source in ("detections", "whole"):
        title = (
            "detections, of the reference's proposals"
            if source == "detections"
            else "detections, whole network"
        )
        rows += compare_detections(
            [_detections(reference, "detections", n) for n in range(pictures)],
            [_detections(ours, source, n) for n in range(pictures)],
            title,
        )
    rows += [compare_assignment(reference, ours, name) for name in ("rpn_labels", "roi_assigned_labels")]
    for call, (losses, gradients) in enumerate(zip(ours["losses"], ours["gradients"]), 1):
        rows += [compare_loss(reference, losses, name, call) for name in LOSSES]
        rows += compare_gradients(reference, gradients, call, ours.get("nudged", ()))
    return rows


def compare_values(reference, ours, name):
    """A stage's values, at the sampled entries where the reference keeps no more; 1e-4 of their standard deviation."""
    if name + ".value" in reference:
        shape, want = tuple(reference[name + ".shape"]), reference[name + ".value"]
    else:
        shape, want = reference[name].shape, reference[name].reshape(-1)
    got = np.asarray(ours[name])
    if got.shape != shape:
        return Row(name, np.nan, f"shape {got.shape}", f"shape {shape}", False)
    got = got.reshape(-1)[reference[name + ".index"]] if name + ".value" in reference else got.reshape(-1)
    error = _largest(got, want)
    relative = error / max(float(want.std()), 1e-12)
    return Row(name, error, f"{relative:.2e}", f"{STAGE_LIMIT:.0e}", bool(relative <= STAGE_LIMIT))


def compare_anchors(want, got):
    if got.shape != want.shape:
        return Row("anchors", np.nan, f"shape {got.shape}", f"shape {want.shape}", False)
    error = _largest(got, want)
    return Row("anchors", error, f"{error:.2e}", "exact", bool(error == 0))


def pairwise_iou(a, b):
    """IoU float64 [N, M] of boxes [N, 4] and [M, 4]."""
    a, b = a[:, None].astype(np.float64), b[None].astype(np.float64)
    overlap = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None).prod(
        -1
    )
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - overlap
    return overlap / np.maximum(union, 1e-12)


def partners(want, got):
    """int [N]: for each of the reference's boxes the one of ours that is its partner, or -1; no box of ours is the partner of two.

    want, got: dicts of boxes [N, 4] and, for detections, labels [N] and scores [N]: the label has to be the same, the score within 1e-4.
    """
    iou = pairwise_iou(want["boxes"], got["boxes"])
    fits = iou > PARTNER_IOU
    if "labels" in want:
        fits &= want["labels"][:, None] == got["labels"][None]
        fits &= np.abs(want["scores"][:, None].astype(np.float64) - got["scores"][None]) <= SCORE_LIMIT
    chosen = np.full(len(want["boxes"]), -1)
    for i in range(len(chosen)):
        candidates = np.flatnonzero(fits[i])
        if candidates.size:
            chosen[i] = candidates[iou[i, candidates].argmax()]
            fits[:, chosen[i]] = False
    return chosen


def compare_proposals(want, got):
    """One row over the pictures: arrays [N, 4], a picture each."""
    want, got = [{"boxes": boxes} for boxes in want], [{"boxes": boxes} for boxes in got]
    return _partner_row("proposals", want, got, [partners(a, b) for a, b in zip(want, got)])


def compare_detections(want, got, title):
    """Two rows over the pictures: boxes, labels and scores; and the masks of partners."""
    found = [partners(a, b) for a, b in zip(want, got)]
    errors = [
        _largest(b["masks28"][chosen[chosen >= 0]], a["masks28"][chosen >= 0])
        for a, b, chosen in zip(want, got, found)
    ]
    error = float(np.max(errors))
    return [
        _partner_row(title, want, got, found),
        Row(
            f"{title}: masks28",
            error,
            f"{error:.2e}",
            f"{MASK_LIMIT:.0e} absolute",
            bool(error <= MASK_LIMIT),
        ),
    ]


def _partner_row(title, want, got, found):
    counts = [(len(a["boxes"]), len(b["boxes"])) for a, b in zip(want, got)]
    total = sum(count for count, _ in counts)
    share = sum(int((chosen >= 0).sum()) for chosen in found) / total if total else 1.0
    error = max(
        [
            _largest(b["boxes"][chosen[chosen >= 0]], a["boxes"][chosen >= 0])
            for a, b, chosen in zip(want, got, found)
        ]
    )
    measured = f"{share:.2%} of {total}"
    unequal = [f"{ours} for {theirs}" for theirs, ours in counts if ours != theirs]
    measured += f", counts {', '.join(unequal)}" if unequal else ""
    return Row(
        title, error, measured, f">= {PARTNERS:.1%}, equal counts", bool(share >= PARTNERS and not unequal)
    )


def compare_assignment(reference, ours, name):
    want, got = reference[name], np.asarray(ours[name])
    if got.shape != want.shape:
        return Row(name, np.nan, f"shape {got.shape}", f"shape {want.shape}", False)
    share = float((got != want).mean())
    return Row(
        name, _largest(got, want), f"{share:.3%} differ", f"{ASSIGNMENT_LIMIT:.2%}", share <= ASSIGNMENT_LIMIT
    )


def compare_loss(reference, losses, name, call):
    want, got = float(reference[f"loss.{name}"]), float(losses[name])
    error = abs(got - want)
    relative = error / max(abs(want), 1e-12)
    return Row(
        f"loss {name}, call {call}",
        error,
        f"{relative:.2e}",
        f"{LOSS_LIMIT:.0e}",
        bool(relative <= LOSS_LIMIT),
    )


def gradient_errors(reference, name, gradient):
    """((relative, absolute) error of the norm, (relative, absolute) error of the sampled values) of torchvision's parameter `name`."""
    want, gradient = float(reference[f"grad.{name}.norm"]), np.asarray(gradient, np.float64)
    norm = abs(np.linalg.norm(gradient) - want)
    value = _largest(gradient.reshape(-1)[reference[f"grad.{name}.index"]], reference[f"grad.{name}.value"])
    return (norm / max(want, 1e-12), norm), (value / max(want / np.sqrt(gradient.size), 1e-12), value)


def gradient_holds(errors):
    return errors[0][0] <= NORM_LIMIT and errors[1][0] <= VALUE_LIMIT


def compare_gradients(reference, gradients, call, nudged=()):
    """Two rows for all parameters (norms and sampled values, the worst of each), and two more for every one that passes a limit.

    gradients: {torchvision's name: array}. A parameter that only one side has a gradient for is a row of its own. nudged: more of them, of
    the parameters at a kink (tests/parity.py); a parameter that is within its limits in one of these is, and the row's note says so.
    """
    names = [
        name[len("grad.") : -len(".norm")]
        for name in reference
        if name.startswith("grad.") and name.endswith(".norm")
    ]
    rows = [
        Row(f"gradient of {name}, call {call}", np.nan, "only one side has it", "both", False)
        for name in sorted(set(names) ^ set(gradients))
    ]
    plain, best = {}, {}
    for name in (name for name in names if name in gradients):
        plain[name] = gradient_errors(reference, name, gradients[name])
        others = (
            ()
            if gradient_holds(plain[name])
            else (gradient_errors(reference, name, one[name]) for one in nudged if name in one)
        )
        best[name] = next((errors for errors in others if gradient_holds(errors)), plain[name])
    moved = [name for name in best if best[name] is not plain[name]]
    for part, (title, limit) in enumerate((("gradient norms", NORM_LIMIT), ("gradient values", VALUE_LIMIT))):
        relative, error = _worst(errors[part] for errors in best.values())
        note = (
            f"{len(moved)} of {len(best)} parameters with the pictures nudged, {_worst(plain[name][part] for name in plain)[0]:.2e} without"
            if moved
            else ""
        )
        rows.append(
            Row(
                f"{title} ({len(best)}), call {call}",
                error,
                f"{relative:.2e}",
                f"{limit:.0e}",
                bool(relative <= limit),
                note,
            )
        )
        rows += [
            Row(f"  {name}", errors[part][1], f"{errors[part][0]:.2e}", f"{limit:.0e}", False)
            for name, errors in best.items()
            if not errors[part][0] <= limit
        ]
    return rows


def _worst(pairs):
    return max(pairs, key=lambda pair: pair[0] if pair[0] == pair[0] else np.inf)


def table(rows):
    """The rows as text."""
    lines = [("stage", "largest error", "relative", "limit", "ok")]
    lines += [
        (row.stage, f"{row.absolute:.2e}", row.measured, row.limit, "ok" if row.ok else "FAILED")
        for row in rows
    ]
    widths = [max(len(line[i]) for line in lines) for i in range(5)]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines
    )


def _detections(arrays, source, picture):
    return {
        name: np.asarray(arrays[f"{source}.{picture}.{name}"])
        for name in ("boxes", "labels", "scores", "masks28")
    }


def _largest(got, want):
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    return float(np.abs(got - want).max()) if want.size else 0.0
