"""check_data.py and the check before a training, from the command line."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from src.config import load_config
from src.data.images.decode import read_picture
from src.dataset import read_source
from src.engine.data_report import report_data
from src.engine.display.browse import browse_data
from tests.conftest import ROOT
from tests.fuzz.picture_faults import tiff_bytes

CLASSES = "coco_classes=[background,square,disc]"


def run(command, folder, *words, code=0):
    done = subprocess.run(
        [sys.executable, str(ROOT / command), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, (
        f"{command} {words}: exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    )
    assert "Traceback" not in done.stderr
    return done


def snapshot(folder):
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()
    }


def test_what_pillow_says_of_odd_pictures_is_not_printed(coco_folder, tmp_path):
    """A broken EXIF block, and a TIFF of 13 channels, which is left out."""
    root = coco_folder(pictures=3)
    broken = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\1" * 99
    Image.new("RGB", (128, 96)).save(root / "train2017" / "000001.jpg", exif=broken)
    (root / "train2017" / "000002.jpg").write_bytes(tiff_bytes(np.zeros((96, 128, 13), np.uint8)))
    words = ("bad_pictures=skip", "--browse", "3")
    done = run("check_data.py", tmp_path, f"coco_root={root}", CLASSES, *words, code=1)
    assert done.stderr == ""
    assert "13 channels" in done.stdout


def test_a_picture_name_with_a_line_end_stays_on_its_line(coco_folder, tmp_path):
    name = "two\nlines.jpg"
    root = coco_folder(pictures=3, change=lambda content: content["images"][0].update(file_name=name))
    (root / "train2017" / "000001.jpg").rename(root / "train2017" / name)
    done = run("check_data.py", tmp_path, f"coco_root={root}", CLASSES, "--browse", "1")
    assert done.stdout.splitlines()[-1].endswith("10_two\\nlines.png")
    assert all(line.isprintable() for line in done.stdout.splitlines())
    done = run("predict.py", tmp_path, "checkpoint_path=none.ckpt", "no\nfile.jpg", code=2)
    assert done.stderr == "error: picture no\\nfile.jpg: No such file or directory\n"


def test_a_report_its_plots_and_pictures_to_look_at(coco_folder, tmp_path):
    root = coco_folder(pictures=5)
    out = tmp_path / "out"
    before = snapshot(root)
    done = run("check_data.py", tmp_path, f"coco_root={root}", CLASSES, "--out", "out", "--browse", "3")
    assert snapshot(root) == before  # it changes nothing
    report = json.loads((out / "data_report.json").read_text())
    assert report["exit_code"] == 0
    assert report["usable"] == {"pictures": 5, "objects": 15, "crowds": 0, "classes": 2, "masks": True}
    assert sum(report["statistics"]["instances_per_class"].values()) == 15
    assert "nothing stands in the way" in done.stdout
    assert cv2.imread(str(out / "data_report.png")).shape == (900, 1500, 3)
    names = sorted(path.name for path in (out / "data_browse").iterdir())
    assert names == ["10_000001.png", "30_000003.png", "50_000005.png"]
    assert all(name in done.stdout for name in names)
    assert not (tmp_path / "mindrecord").exists()


@pytest.mark.parametrize(
    "mistake, code, words",
    [("area", 0, "fixed"), ("bbox", 1, "skipped"), ("file_name", 2, "fatal"), ("json", 2, "not JSON")],
)
def test_exit_codes(coco_folder, tmp_path, mistake, code, words):
    def change(content):
        if mistake in ("area", "bbox"):
            content["annotations"][0][mistake] = None if mistake == "area" else [1, 1, 0, 0]
        elif mistake == "file_name":
            content["images"][0]["file_name"] = "none.jpg"

    root = coco_folder(pictures=2, change=change)
    if mistake == "json":
        (root / "annotations/instances_train2017.json").write_text("{")
    done = run("check_data.py", tmp_path, f"coco_root={root}", CLASSES, code=code)
    assert words in done.stdout
    assert not done.stderr.count("error")
    assert json.loads((tmp_path / "data_report.json").read_text())["exit_code"] == code


@pytest.mark.parametrize(
    "name, code, words",
    [
        ("coco_zero_height.json", 2, "without the parts that its format requires"),
        ("null_sizes_and_wrong_keys.json", 2, "picture that is missing"),
        ("crowd_rle_and_empty_segmentation.json", 2, "picture that is missing"),
        ("mixed_int_str_ids.json", 2, "picture that is missing"),
    ],
)
def test_files_of_other_tools_give_a_report(shared, tmp_path, capsys, name, code, words):
    """Their pictures are missing; what else is wrong with them is found too."""
    config = load_config(
        [f"coco_root={tmp_path}", f"ann_file={shared}/data/dirty/{name}", "coco_classes=auto"]
    )
    assert report_data(config, "val", tmp_path / "out") == code
    said = capsys.readouterr().out
    report = json.loads((tmp_path / "out/data_report.json").read_text())
    assert words in said
    assert name in said
    assert report["exit_code"] == code
    assert report["findings"]
    assert all(one["file"].endswith(name) and one["what"] and one["action"] for one in report["findings"])


def test_a_wrong_setting_is_one_line(tmp_path):
    done = run("check_data.py", tmp_path, "check_data=some", code=2)
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "full" in done.stderr
    assert run("check_data.py", tmp_path, "--limit", "0", code=2).stderr.startswith("error: --limit 0")
    assert "python check_data.py" in run("check_data.py", tmp_path, "--help").stdout


def test_training_ends_before_its_first_step_with_a_line_a_kind(coco_folder, tmp_path):
    def change(content):
        for item in content["annotations"][:3]:
            item["bbox"][2] = 0
        content["images"][1]["width"] = 100

    root = coco_folder(pictures=4, change=change)
    (root / "train2017/000003.jpg").write_bytes(b"")
    done = run("train.py", tmp_path, f"coco_root={root}", CLASSES, "device_target=CPU", code=2)
    said = [line for line in done.stderr.splitlines() if "instances_train2017.json" in line]
    words = (
        "3 x box without area",
        "1 x picture of another size",
        "1 x picture file of zero bytes",
        "1 x picture without objects",
    )
    assert [word for word in words if sum(word in line for line in said) != 1] == []
    error = done.stderr.splitlines()[-1]
    assert error.startswith("error: ")
    assert "its annotations say 100x96" in error
    assert "and 1 more" in error
    report = next((tmp_path / "mindrecord").glob("*.data_report.json"))
    assert f"mindrecord/{report.name}" in error
    assert json.loads(report.read_text())["counts"]["fatal"] == 2
    assert [path for path in (tmp_path / "mindrecord").iterdir() if path.is_dir()] == []


def test_browsing_shows_the_picture_and_what_training_gets(coco_folder, tmp_path):
    """Without augmentation, on a canvas of the picture's size, both halves show the same."""
    root = coco_folder(pictures=1, size=(448, 512))
    config = load_config(
        [
            f"coco_root={root}",
            CLASSES,
            "img_width=512",
            "img_height=448",
            "flip_ratio=0",
            "expand_ratio=0",
            "num_parallel_workers=1",
        ]
    )
    (path,) = browse_data(config, read_source(config), 4, tmp_path)
    sheet = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB).astype(int)
    left = sheet[-8 - 448 : -8, 8 : 8 + 512]
    right = sheet[-8 - 448 : -8, 16 + 512 : 16 + 1024]
    assert np.abs(left - right).mean() < 3
    assert np.abs(left - read_picture(root / "train2017/000001.jpg")).mean() > 10


def test_suggested_settings_are_a_file_that_trains(coco_folder, tmp_path):
    """--suggest before a KEY=VALUE word has its default; the file holds the data's own keys as written."""
    root = coco_folder(pictures=6)
    words = ("--suggest", f"coco_root={root}", "coco_classes=auto", "batch_size=4", "device_target=CPU")
    done = run("check_data.py", tmp_path, *words)
    lines = done.stdout.splitlines()
    assert lines[-2:] == [
        "wrote suggested.yaml; this trains with it:",
        "    python train.py --config suggested.yaml",
    ]
    assert "note: written otherwise, and not taken: batch_size=4 (suggested: 2)" in lines
    assert "note: only 6 pictures: what is learnt is these by heart" in done.stdout
    assert "no evaluation split" not in done.stdout
    config = load_config([], tmp_path / "suggested.yaml")
    assert (config.coco_root, config.coco_classes, config.batch_size) == (str(root), "auto", 2)
    assert "check_data" not in config.written
    # 128x96 pictures with objects of a fifth to a half of their sides keep their size: 128x128.
    assert (config.img_width, config.img_height, config.max_instance_count) == (128, 128, 8)
    # 6 pictures, 3 updates an epoch: each is shown a hundred times at most, which is over 250 updates.
    assert (config.epoch_size, config.eval_interval) == (100, 100)


def test_what_cannot_be_suggested_from(coco_folder, tmp_path):
    root = coco_folder(pictures=3)
    words = (f"coco_root={root}", "coco_classes=auto", "device_target=CPU", "--suggest", "out/a b.yaml")
    done = run("check_data.py", tmp_path, *words)
    assert done.stdout.splitlines()[-1].startswith("note: 9 objects to learn from: nothing can be suggested")
    assert not (tmp_path / "out" / "a b.yaml").exists()
    done = run("check_data.py", tmp_path, *words, "--split", "val", code=2)
    assert done.stderr.startswith("error: --suggest with --split val:")
    (tmp_path / "mine.yaml").write_text("# tuned by hand\nbatch_size: 3\n")
    done = run("check_data.py", tmp_path, *words[:-1], "mine.yaml", code=2)
    assert done.stderr.startswith("error: --suggest mine.yaml: is there and holds something else")
    assert (tmp_path / "mine.yaml").read_text() == "# tuned by hand\nbatch_size: 3\n"
    done = run("check_data.py", tmp_path, *words[:-1], str(tmp_path), code=2)
    assert "is a folder" in done.stderr
    (root / "train2017" / "000001.jpg").unlink()
    done = run("check_data.py", tmp_path, *words, code=2)
    assert done.stdout.splitlines()[-1] == "nothing is suggested, as training would not start"


def test_suggestions_for_weights_follow_their_anchors(coco_folder, tmp_path):
    """A file of weights that names its anchors: they are not suggested anew, and nor is its network."""
    import mindspore as ms

    from src.weights.checkpoint_file import write_checkpoint

    weights = tmp_path / "own.ckpt"
    write_checkpoint(
        weights, {"a": ms.Parameter(ms.Tensor([1.0]))}, {"anchor_scales": [2], "anchor_ratios": [1]}
    )
    root = coco_folder(pictures=6)
    words = (f"coco_root={root}", "coco_classes=auto", "device_target=Ascend", f"pre_trained={weights}")
    done = run("check_data.py", tmp_path, *words, "--suggest")
    assert "the anchors are those of the weights" in done.stdout
    config = load_config([], tmp_path / "suggested.yaml")
    assert (config.pre_trained, config.device_target) == (str(weights), "Ascend")
    assert not config.written & {"anchor_scales", "resnet_block", "norm"}
