"""The parity run of tests/parity: it passes, and it fails where anything differs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.parity import __main__ as parity
from tests.parity.stages import MAX_PERTURBATIONS, ParityError, perturbed_gradients
from tests.parity.table import compare

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def run():
    """(the reference's arrays, this project's with norms folded, as training and inference have them)."""
    reference = parity.load_reference(parity.REFERENCE)
    return reference, parity.compute(reference, ["fold_norms=True"])


@pytest.mark.slow
def test_every_stage_is_within_its_limit_with_norms_apart(run, capsys):
    """As configs/torchvision.yaml computes them, and the command without words."""
    code = parity.report(compare(run[0], parity.compute(run[0])))
    assert code == 0 and "FAILED" not in capsys.readouterr().out


def test_every_stage_is_within_its_limit(run, capsys):
    code = parity.report(compare(*run))
    output = capsys.readouterr().out
    with capsys.disabled():
        print("\n" + output)
    assert code == 0 and "FAILED" not in output and "perturbed" not in output
    stages = [line.split("  ")[0] for line in output.splitlines()]
    for name in (
        "FPN P2",
        "FPN P6",
        "RPN logits P4",
        "RPN deltas P6",
        "anchors",
        "proposals",
        "RoIAlign 7x7",
        "class logits",
        "box deltas",
        "RoIAlign 14x14",
        "mask logits",
        "anchor labels",
        "RoI labels",
        "loss rcnn_mask, call 2",
        "gradient values (95), call 2",
    ):
        assert name in stages


def shifted(name, amount):
    """Reference arrays with one stage changed by `amount` of its standard deviation at one entry."""

    def change(reference):
        array = reference[name].astype(np.float64)
        array.reshape(-1)[array.size // 2] += amount * array.std()
        reference[name] = array

    return change


def scaled(name, factor):
    """Reference arrays with one of them multiplied by `factor`."""

    def change(reference):
        reference[name] = reference[name] * factor

    return change


def moved_boxes(name, count, pixels=5):
    def change(reference):
        reference[name] = reference[name].copy()
        reference[name][-count:] += pixels

    return change


def relabelled(name, share):
    def change(reference):
        array = reference[name].copy()
        array.reshape(-1)[: int(np.ceil(share * array.size))] += 1
        reference[name] = array

    return change


def one_fewer(reference):
    for name in ("boxes", "labels", "scores", "masks28"):
        reference[f"detections.0.{name}"] = reference[f"detections.0.{name}"][:-1]


def other_scores(reference):
    reference["detections.1.scores"] = reference["detections.1.scores"] + np.float32(2e-4)


def other_masks(reference):
    reference["detections.1.masks28"] = reference["detections.1.masks28"].astype(np.float32) + 3e-3


def not_a_number(reference):
    reference["feature.p3.value"] = np.full_like(reference["feature.p3.value"], np.nan)


GRADIENT = "backbone.body.layer3.2.conv2.weight"


def other_gradient(reference):
    values = reference[f"grad.{GRADIENT}.value"].copy()
    size = 9 * 256 * 256
    values[0] += 1.5e-2 * reference[f"grad.{GRADIENT}.norm"] / np.sqrt(size)
    reference[f"grad.{GRADIENT}.value"] = values


def missing_gradient(reference):
    for leaf in ("norm", "index", "value"):
        del reference[f"grad.{GRADIENT}.{leaf}"]


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        (shifted("feature.p4.value", 2e-4), ["FPN P4"]),
        (shifted("rpn_deltas.p6.value", 2e-4), ["RPN deltas P6"]),
        (shifted("class_logits", 2e-4), ["class logits"]),
        (shifted("mask_logits.value", 2e-4), ["mask logits"]),
        (shifted("anchors", 1e-6), ["anchors"]),
        (moved_boxes("proposals.1", 12), ["proposals"]),
        (
            moved_boxes("detections.0.boxes", 2),
            ["detections, of the reference's proposals", "detections, whole network"],
        ),
        (one_fewer, ["detections, of the reference's proposals", "detections, whole network"]),
        (other_scores, ["detections, of the reference's proposals", "detections, whole network"]),
        (
            other_masks,
            ["detections, of the reference's proposals: masks28", "detections, whole network: masks28"],
        ),
        (relabelled("rpn_labels", 6e-4), ["anchor labels"]),
        (relabelled("roi_assigned_labels", 1e-3), ["RoI labels"]),
        (scaled("loss.rpn_reg", 1.0002), ["loss rpn_reg, call 1", "loss rpn_reg, call 2"]),
        (scaled(f"grad.{GRADIENT}.norm", 1.002), ["gradient norms", f"  {GRADIENT}"]),
        (other_gradient, ["gradient values", f"  {GRADIENT}"]),
        (missing_gradient, [f"gradient of {GRADIENT}, call 1", f"gradient of {GRADIENT}, call 2"]),
        (not_a_number, ["FPN P3"]),
    ],
    ids=(
        "feature,rpn,class logits,mask logits,anchors,proposals,boxes,count,scores,masks,anchor labels,"
        "roi labels,loss,gradient norm,gradient value,gradient missing,nan"
    ).split(","),
)
def test_a_difference_ends_with_exit_code_1_and_names_its_stage(run, capsys, change, stages):
    reference = dict(run[0])
    ours = run[1]
    change(reference)
    rows = compare(reference, ours)
    failed = [row.stage for row in rows if not row.ok]
    assert parity.report(rows) == 1 and "FAILED" in capsys.readouterr().out
    assert failed and all(any(stage.startswith(name) for name in stages) for stage in failed)
    assert all(any(stage.startswith(name) for stage in failed) for name in stages)


def test_the_second_call_of_a_gradient_is_looked_at(run):
    reference = run[0]
    ours = dict(run[1])
    second = dict(ours["gradients"][1])
    second[GRADIENT] = second[GRADIENT] * 1.01
    ours["gradients"] = [ours["gradients"][0], second]
    assert {
        row.stage.split(" (")[0] + row.stage[-8:]
        for row in compare(reference, ours)
        if not row.ok and "95" in row.stage
    } <= {"gradient norms, call 2", "gradient values, call 2"}
    assert any(not row.ok for row in compare(reference, ours))


def test_a_gradient_at_a_kink_may_be_that_of_perturbed_images(run):
    """A parameter within its limits with perturbed images counts as right, with a note; another does not."""
    reference = run[0]
    ours = dict(run[1])
    right = ours["gradients"][0]
    wrong = {**right, GRADIENT: right[GRADIENT] * 1.002}
    ours["gradients"] = [wrong, right]
    rows = compare(
        reference, {**ours, "perturbed": [{GRADIENT: wrong[GRADIENT]}, {GRADIENT: right[GRADIENT]}]}
    )
    assert all(row.ok for row in rows) and len(rows) == len(compare(*run))
    notes = {row.stage: row.note for row in rows if row.note}
    assert list(notes) == ["gradient norms (95), call 1", "gradient values (95), call 1"]
    assert (
        all(note.startswith("1 of 95 parameters with the images perturbed, ") for note in notes.values())
        and "2.00e-03 without" in notes["gradient norms (95), call 1"]
    )
    for perturbed in ([], [{GRADIENT: wrong[GRADIENT]}]):
        rows = compare(reference, {**ours, "perturbed": perturbed})
        assert not all(row.ok for row in rows) and not any(row.note for row in rows)


def test_perturbations_are_as_small_as_rounding_and_end(run):
    reference = run[0]
    right = run[1]["gradients"][0]
    wrong = {
        **right,
        GRADIENT: right[GRADIENT] * 1.01,
        "rpn.head.conv.0.0.bias": right["rpn.head.conv.0.0.bias"] * 1.01,
    }
    image = np.linspace(-2, 2, 60, dtype=np.float32).reshape(1, 4, 5, 3)
    images = []

    def step(perturbed):
        images.append(perturbed)
        if len(images) == 3:
            return {**wrong, GRADIENT: right[GRADIENT]}
        return right if len(images) == 5 else wrong

    repetitions = perturbed_gradients(reference, step, image, wrong)
    both = {GRADIENT, "rpn.head.conv.0.0.bias"}
    assert [set(one) for one in repetitions] == 3 * [both] + 2 * [{"rpn.head.conv.0.0.bias"}]
    assert all(0 < np.abs(perturbed - image).max() < 2.1e-6 for perturbed in images)
    assert all(perturbed.dtype == np.float32 for perturbed in images) and len(images) == 5
    always_wrong = perturbed_gradients(reference, lambda perturbed: wrong, image, wrong)
    assert len(always_wrong) == MAX_PERTURBATIONS
    assert perturbed_gradients(reference, step, image, right) == [] and len(images) == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"height": 250}, "height 250: a multiple of 32"),
        ({"width": 32}, "width 32: a multiple of 32, and at least 64"),
        ({"names": None}, "has no 'names'"),
        ({"feature.p3.index": None}, "has no 'feature.p3.index'"),
        ({"loss.rcnn_reg": None}, "has no 'loss.rcnn_reg'"),
        ({"detections.1.scores": None}, "has no 'detections.1.scores'"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(run, tmp_path, changes, message):
    content = {**run[0], **changes}
    np.savez(tmp_path / "other.npz", **{name: value for name, value in content.items() if value is not None})
    with pytest.raises(ParityError) as caught:
        parity.load_reference(tmp_path / "other.npz")
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["empty", "one array", "cut", "damaged"])
def test_a_damaged_file_is_one_line(tmp_path, kind):
    content = bytearray(parity.REFERENCE.read_bytes())
    if kind == "damaged":
        content[len(content) // 2 : len(content) // 2 + 64] = bytes(64)
    path = tmp_path / "other.npz"
    if kind == "one array":
        np.save(tmp_path / "other.npy", np.zeros(3))
        (tmp_path / "other.npy").rename(path)
    else:
        path.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "damaged": content}[kind])
    with pytest.raises(ParityError, match="other.npz: not a reference file") as caught:
        parity.load_reference(path)
    assert "\n" not in str(caught.value)


def test_the_command_ends_with_2_and_one_line_where_the_file_is_none(tmp_path):
    (tmp_path / "text.npz").write_text("nothing")
    for path in (tmp_path / "text.npz", tmp_path / "absent.npz"):
        done = subprocess.run(
            [sys.executable, "-m", "tests.parity", str(path)], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and str(path) in done.stderr


@pytest.mark.slow
def test_the_command_ends_with_1_for_a_damaged_file(run, tmp_path):
    reference = dict(run[0])
    reference["loss.rcnn_cls"] = reference["loss.rcnn_cls"] * np.float32(1.01)
    np.savez(tmp_path / "damaged.npz", **reference)
    done = subprocess.run(
        [sys.executable, "-m", "tests.parity", str(tmp_path / "damaged.npz")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "FAILED: loss rcnn_cls, call 1; loss rcnn_cls, call 2\n" in done.stdout
