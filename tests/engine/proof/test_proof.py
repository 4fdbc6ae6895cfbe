"""`export.py --prove` and `--show` as a user sees them, on a network with drawn weights."""

from __future__ import annotations

import json
import shutil

import cv2
import pytest

from src.engine.proof.proof import Proof, refuse_fall
from src.engine.proof.proof_lines import proof_path, read_proof, write_proof
from src.errors import DataError, UserError
from tests.exported_network import annotated_folder, network_folder
from tests.small_job import run

WORDS = ("checkpoint_path=small.ckpt", "device_target=CPU", "test_score_thr=0.3")


@pytest.fixture(scope="module")
def folder():
    """small.ckpt, photo.png, tall.png, and data/ with two annotated pictures."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    annotated_folder()
    return network_folder()


@pytest.fixture(scope="module")
def proved(folder):
    """(the file, what export.py said) of an ONNX file that was proved on annotated pictures."""
    done = run(
        "export.py", folder, *WORDS, "coco_root=data", "--file-format", "ONNX", "--out", "proved", "--prove"
    )
    return folder / "proved.onnx", done.stdout


def test_a_proof_is_printed_and_written_into_the_file_and_beside_it(proved):
    path, said = proved
    proof = read_proof(path)
    assert proof["truth"] == "annotations" and proof["pictures"] == 2 and proof["limit"] == 0.01
    assert proof["partners"] >= 0.95 and proof["same_objects"] >= 0.95
    for kind in ("bbox_AP", "segm_AP"):
        assert proof["checkpoint"][kind] == pytest.approx(proof["file"][kind], abs=1e-3)
    # The child without MindSpore holds less; neither holds nothing.
    assert 20 < proof["file"]["memory_mb"] < proof["checkpoint"]["memory_mb"]
    assert proof["file"]["seconds"] > 0 and proof["checkpoint"]["seconds"] > 0
    for piece in ("bbox AP", "segm AP", "seconds a picture", "the same detections", "2 pictures"):
        assert piece in said
    import onnx

    entries = {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}
    assert json.loads(entries["maskrcnn_proof"]) == proof
    assert json.loads(entries["maskrcnn_origin"])["precision"] == "float32"


def test_show_prints_what_the_file_holds(proved):
    said = run("export.py", proved[0].parent, "--show", "proved.onnx").stdout
    for piece in (
        "image: tensor(uint8) ['batch', 128, 128, 3]",
        "masks: tensor(float) ['batch', 100, 28, 28]",
        "square, disc, star",
        "checkpoint: small.ckpt",
        "mindspore: ",
        "test_score_thr: 0.3",
        "bbox AP",
    ):
        assert piece in said


def test_mindir_is_proved_on_pictures_without_annotations(folder):
    """The truth is what the checkpoint finds; the same network finds it again.

    The drawn weights give boxes of a hundredth of a pixel, whose IoU is no longer above .99 after rounding.
    """
    out = ("--out", "plain", "--prove", "photo.png", "tall.png")
    run("export.py", folder, *WORDS, *out)
    proof = read_proof(folder / "plain.mindir")
    assert proof["truth"] == "the checkpoint's detections" and proof["pictures"] == 2
    assert proof["same_objects"] == 1 and 0.5 < proof["partners"] <= 1
    for kind in ("bbox_AP", "segm_AP"):
        assert proof["file"][kind] == pytest.approx(proof["checkpoint"][kind], abs=0.01)
    assert proof["checkpoint"]["bbox_AP"] > 0.5
    said = run("export.py", folder, "--show", "plain.mindir").stdout
    assert "image: uint8 [1, 128, 128, 3]" in said and "square, disc, star" in said and "bbox AP" in said


@pytest.mark.slow
def test_an_export_without_a_proof_removes_that_of_an_earlier_file(folder):
    earlier = folder / "again.mindir"
    earlier.write_bytes(b"an earlier file")
    write_proof(earlier, {"pictures": 3})
    run("export.py", folder, *WORDS, "--out", "again")
    assert not proof_path(earlier).exists()
    assert "proof: none" in run("export.py", folder, "--show", "again.mindir").stdout


def test_a_file_whose_ap_falls_is_not_kept(folder):
    """8 bits, and no fall is allowed. An earlier file of the name stays as it is."""
    earlier = folder / "refused.onnx"
    earlier.write_bytes(b"an earlier file")
    out = ("--out", "refused", "--prove", "--ap-limit", "0", "photo.png", "tall.png")
    done = run("export.py", folder, *WORDS, "--file-format", "ONNX_INT8", *out, code=2)
    assert "refused.onnx: its AP is" in done.stderr and "--ap-limit 0" in done.stderr
    assert "the same detections" in done.stdout
    assert earlier.read_bytes() == b"an earlier file"
    assert not proof_path(earlier).exists() and not list(folder.glob("*partial*"))


@pytest.mark.parametrize(
    ("words", "piece"),
    [
        (["--file-format", "ONNX_INT8"], "calibrated with pictures"),
        (["photo.png"], "pictures are for --prove"),
        (["--file-format", "AIR", "--prove"], "AIR"),
        (["--prove", "--ap-limit", "-1", "photo.png"], "--ap-limit -1"),
        (["--prove", "--pictures", "0", "photo.png"], "--pictures 0"),
        (["--prove", "coco_root=nowhere"], "nowhere"),
    ],
)
def test_what_is_refused_is_one_line(folder, words, piece):
    done = run("export.py", folder, *WORDS, "--out", "no", *words, code=2)
    assert done.stderr.splitlines()[-1].startswith("error: ") and piece in done.stderr.splitlines()[-1]
    assert not list(folder.glob("no.*"))


@pytest.mark.parametrize(
    ("file", "piece"), [("photo.png", "photo.png: an ONNX"), ("nowhere.onnx", "no such file")]
)
def test_what_cannot_be_shown_is_one_line(folder, file, piece):
    done = run("export.py", folder, *WORDS, "--show", file, code=2)
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and piece in done.stderr


def test_pictures_without_objects_prove_nothing(folder):
    """The picture that is proved with is annotated with a crowd alone, which no AP counts."""
    data = folder / "crowds"
    shutil.copytree(folder / "data", data)
    for file in (data / "annotations").iterdir():
        content = json.loads(file.read_text())
        for item in content["annotations"]:
            item["iscrowd"] = 1
        file.write_text(json.dumps(content))
    words = [*WORDS, "coco_root=crowds", "--file-format", "ONNX", "--out", "no", "--prove"]
    done = run("export.py", folder, *words, code=2)
    assert "no objects that count" in done.stderr.splitlines()[-1]
    assert not list(folder.glob("no.*"))


def made_proof(**figures):
    both = {"bbox_AP": 0.5, "segm_AP": None, "seconds": 1, "memory_mb": 9}
    return Proof("annotations", 1, both, {**both, **figures}, 1.0, 1.0, 0.01, "a CPU")


def test_the_limit():
    refuse_fall(made_proof(bbox_AP=0.491), "x")
    refuse_fall(made_proof(bbox_AP=0.9), "x")
    with pytest.raises(UserError, match="x: its AP is 0.0110 below"):
        refuse_fall(made_proof(bbox_AP=0.489), "x")


def test_a_proof_belongs_to_its_file(tmp_path):
    file = tmp_path / "net.mindir"
    file.write_bytes(b"network")
    write_proof(file, {"pictures": 3})
    assert read_proof(file) == {"pictures": 3}
    file.write_bytes(b"another")
    with pytest.raises(DataError, match="a proof of another file"):
        read_proof(file)
    proof_path(file).write_text("[]")
    with pytest.raises(DataError, match="not a proof"):
        read_proof(file)


def test_pictures_of_the_check_are_real(folder, proved):
    """Two validation pictures, and not the drawn one: the detections are counted over both."""
    _, said = proved
    assert cv2.imread(str(folder / "photo.png")) is not None
    assert "which gives" in said and "of the network's" in said
