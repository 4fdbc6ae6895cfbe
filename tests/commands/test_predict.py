"""predict.py as a user starts it: folders, videos, files that cannot be read, all kinds of output.

The network is an ONNX file, with which a process starts in a second.
"""

import csv
import json
import os
import shutil

import cv2
import numpy as np
import pytest

from src.data.shapes.picture import draw_picture
from tests.exported_network import exported_file
from tests.small_job import run

THRESHOLD = ("--threshold", "0.5")


@pytest.fixture(scope="module")
def network():
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    return exported_file("ONNX")


@pytest.fixture
def pictures(network, tmp_path):
    """tmp_path with in/a.png, in/sub/a.png, in/sub/b.jpg and in/torn.jpg, half a picture."""
    (tmp_path / "in" / "sub").mkdir(parents=True)
    shutil.copy(network.parent / "photo.png", tmp_path / "in" / "a.png")
    shutil.copy(network.parent / "tall.png", tmp_path / "in" / "sub" / "a.png")
    _, data = cv2.imencode(".jpg", draw_picture((160, 120), "plain", 3).image)
    (tmp_path / "in" / "sub" / "b.jpg").write_bytes(data.tobytes())
    (tmp_path / "in" / "torn.jpg").write_bytes(data.tobytes()[: len(data) // 2])
    (tmp_path / "in" / "text.png").write_text("no picture")
    return tmp_path


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_folder_with_files_that_cannot_be_read(network, pictures):
    """They are named and left out, the rest is done, the exit code is 1; every form of output is there."""
    words = ["in", "--json", "rle", "--csv", "--crops", "--labelme", *THRESHOLD]
    done = run("predict.py", pictures, f"checkpoint_path={network}", *words, code=1)
    assert "Traceback" not in done.stderr
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert (
        len(warnings) == 3 and "picture in/text.png" in warnings[0] and "picture in/torn.jpg" in warnings[1]
    )
    assert warnings[2] == "warning: 2 of 5 files could not be read and are left out"
    assert "prediction: 5/5 pictures (100%)" in done.stderr and "picture/s" in done.stderr
    out = pictures / "predictions"
    names = ["a", "a_2", "b"]
    lines = done.stdout.splitlines()
    assert lines[:3] == [
        f"wrote predictions/{name}.png{more}"
        for name, more in (("a", ""), ("a_2", " (in/sub/a.png)"), ("b", ""))
    ]
    rows = json.loads((out / "results.json").read_text())
    assert len(rows) > 3 and {row["image_id"] for row in rows} <= {1, 2, 3, 4, 5}
    files = {row["file_name"] for row in rows}
    assert files <= {"in/a.png", "in/sub/a.png", "in/sub/b.jpg"}
    assert all(row["score"] >= 0.5 for row in rows)
    with open(out / "detections.csv", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["file_name"] for row in table] == [row["file_name"] for row in rows]
    crops = [name for name in files_in(out) if name.startswith("crops/")]
    assert len(crops) == sum(int(row["area"]) > 0 for row in table)
    assert files_in(out / "labelme") == [f"{name}.json" for name in names]
    for name in names:
        content = json.loads((out / "labelme" / f"{name}.json").read_text())
        assert (out / "labelme" / content["imagePath"]).resolve().is_file()
    assert files_in(out) == sorted(
        [*crops, "detections.csv", "results.json"]
        + [f"labelme/{name}.json" for name in names]
        + [f"{name}.png" for name in names]
    )
    # labels that may have been corrected meanwhile stay
    (out / "labelme" / "b.json").write_text("corrected")
    done = run("predict.py", pictures, f"checkpoint_path={network}", *words, code=2)
    assert "predictions/labelme/a.json: is there, and 2 more" in done.stderr
    assert (out / "labelme" / "b.json").read_text() == "corrected"


def test_a_second_run_passes_its_own_drawings_over(network, pictures):
    words = [f"checkpoint_path={network}", "in/sub", "--out", "in/sub/drawn"]
    first = run("predict.py", pictures, *words)
    assert files_in(pictures / "in" / "sub" / "drawn") == ["a.png", "b.png"]
    assert run("predict.py", pictures, *words).stdout == first.stdout


def test_tiles_and_mirrored_views(network, pictures):
    words = [f"checkpoint_path={network}", "in/**/a.png", "--json", "polygons", "--no-drawings", *THRESHOLD]
    run("predict.py", pictures, *words, "--out", "plain")
    run("predict.py", pictures, *words, "--out", "more", "--tta", "flip,scales", "--tiles", "96")
    assert files_in(pictures / "plain") == files_in(pictures / "more") == ["results.json"]
    plain, more = (json.loads((pictures / name / "results.json").read_text()) for name in ("plain", "more"))
    assert plain != more and {row["file_name"] for row in more} == {"in/a.png", "in/sub/a.png"}


@pytest.mark.parametrize("options", [(), ("--tta", "flip", "--tiles", "80", "--overlap", ".3")])
def test_evaluation_finds_what_prediction_finds(network, coco_folder, tmp_path, options):
    """Row by row, with views and without: the AP that eval.py gives is that of predict.py's results."""
    coco_folder(pictures=2)
    words = [f"checkpoint_path={network}", *options]
    run("eval.py", tmp_path, *words, "coco_root=coco", "device_target=CPU", "test_batch_size=1")
    run("predict.py", tmp_path, *words, "coco/val2017", "--threshold", "0", "--json", "rle", "--no-drawings")
    found = json.loads((tmp_path / "predictions" / "results.json").read_text())
    for kind in ("bbox", "segmentation"):
        name = {"bbox": "bbox", "segmentation": "segm"}[kind]
        evaluated = json.loads((tmp_path / "eval" / f"results_{name}.json").read_text())
        # Of the network's classes the data has square (3) and disc (7); pictures are 10 and 20 there.
        predicted = sorted(
            (row["image_id"] * 10, {1: 3, 2: 7}[row["category_id"]], row["score"], json.dumps(row[kind]))
            for row in found
            if row["category_id"] in (1, 2)
        )
        assert len(predicted) > 5 and predicted == sorted(
            (row["image_id"], row["category_id"], row["score"], json.dumps(row[kind])) for row in evaluated
        )


def write_video(path, frames, rate=10):
    height, width = frames[0].shape[:2]
    codec = cv2.VideoWriter_fourcc(*("MJPG" if path.suffix == ".avi" else "mp4v"))
    writer = cv2.VideoWriter(str(path), codec, rate, (width, height))
    for frame in frames:
        writer.write(frame)
    writer.release()


def test_videos(network, tmp_path):
    """Drawn frame by frame, with the detections of each frame; one of no frames is named and left out."""
    frames = [draw_picture((160, 120), "plain", seed).image for seed in range(4)]
    write_video(tmp_path / "film.avi", frames)
    (tmp_path / "torn.mp4").write_bytes(b"no video")
    shutil.copy(network.parent / "photo.png", tmp_path / "film.png")
    words = ["film.avi", "torn.mp4", "film.png", "--json", "rle", "--csv", "--threshold", "0.4"]
    done = run("predict.py", tmp_path, f"checkpoint_path={network}", *words, code=1)
    assert "warning: video torn.mp4: not a video" in done.stderr and "film.avi: 4/4 frames" in done.stderr
    out = tmp_path / "predictions"
    assert files_in(out) == ["detections.csv", "film.mp4", "film.png", "film_frames.json", "results.json"]
    drawn = cv2.VideoCapture(str(out / "film.mp4"))
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == 4 and drawn.get(cv2.CAP_PROP_FPS) == 10
    _, frame = drawn.read()
    assert frame.shape[0] % 120 == 0 and frame.shape[1] % 160 == 0  # enlarged by a whole number
    listed = json.loads((out / "film_frames.json").read_text())
    assert [item["frame"] for item in listed] == [0, 1, 2, 3]
    assert [item["seconds"] for item in listed] == [0, 0.1, 0.2, 0.3]
    with open(out / "detections.csv", encoding="utf-8") as file:
        table = [row for row in csv.DictReader(file) if row["file_name"] == "film.avi"]
    assert [row["frame"] for row in table] == [
        str(item["frame"]) for item in listed for _ in item["detections"]
    ]


def test_a_video_alone(network, tmp_path):
    """There is no file of COCO results, which videos have no part in."""
    write_video(tmp_path / "film.avi", [draw_picture((160, 120), "plain", 1).image])
    done = run("predict.py", tmp_path, f"checkpoint_path={network}", "film.avi", "--json", "rle")
    assert files_in(tmp_path / "predictions") == ["film.mp4", "film_frames.json"]
    assert "results.json" not in done.stdout


@pytest.mark.parametrize(
    "words, piece",
    [
        (["in/a.png", "--tta", "flap"], "'flip' and 'scales'"),
        (["in/a.png", "--tiles", "huge"], "test_tiles=huge: a whole number"),
        (["in/a.png", "--tiles", "8"], "at least 32"),
        (["in/a.png", "--overlap", "1.5"], "test_tile_overlap=1.5"),
        (["in/a.png", "--json", "xml"], "'xml'"),
        (["in/*.gif"], "pattern in/*.gif"),
        (["missing"], "picture missing: No such file"),
        (["in/sub", "in/none.mp4"], "none.mp4: No such file"),
        ([], "no picture was named"),
    ],
)
def test_mistakes_are_one_line(network, pictures, words, piece):
    done = run("predict.py", pictures, f"checkpoint_path={network}", *words, code=2)
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and piece in done.stderr
    assert done.stdout == "" and not (pictures / "predictions").exists()


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
def test_memory_stays_flat(network, tmp_path, monkeypatch):
    """160 pictures of 0.74 MB when decoded. Of the last 100, all of them kept would be 74 MB."""
    from src.config import load_config
    from src.engine import predict_files as job
    from src.engine.prediction.outputs import PredictionSettings

    picture = np.repeat(np.repeat(draw_picture((128, 96), "plain", 5).image, 5, 0), 4, 1)
    cv2.imwrite(str(tmp_path / "0.png"), picture)
    for i in range(1, 160):
        os.link(tmp_path / "0.png", tmp_path / f"{i}.png")
    seen = []
    update = job.Progress.update

    def measured(progress, *args, **figures):
        update(progress, *args, **figures)
        seen.append(resident_bytes())

    monkeypatch.setattr(job.Progress, "update", measured)
    config = load_config([f"checkpoint_path={network}"])
    settings = PredictionSettings(str(tmp_path / "out"), 0.3, drawings=False, json="rle", csv=True)
    assert job.predict_files(config, [tmp_path], settings) == 0
    assert len(seen) == 160 and max(seen[140:]) - max(seen[40:60]) < 20e6
