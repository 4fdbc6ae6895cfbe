"""The demo from its script to its last line, with a narrow network and a few steps."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import cv2

from tests.conftest import ROOT
from tests.small_job import SMALL


def test_the_demo_runs_to_its_end_and_leaves_what_it_lists(tmp_path):
    small = [word for word in SMALL if not word.startswith(("coco_classes", "img_", "gt_mask_size"))]
    done = subprocess.run(
        ["bash", str(ROOT / "scripts" / "run_demo.sh"), *small, "max_steps=3"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
        env={**os.environ, "PYTHON": sys.executable, "XDG_CACHE_HOME": str(tmp_path / "cache")},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    folder = tmp_path / "demo"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(metrics) == {"bbox", "segm", "pictures", "pictures_left_out"}
    assert (folder / "mask_rcnn.mindir").stat().st_size > 100_000
    assert len(list((folder / "checkpoint").glob("mask_rcnn-*.ckpt"))) == 1
    pictures = sorted((folder / "pictures").iterdir())
    assert len(pictures) == 6
    # Two of 192 pixels a side, drawn three times as large, with gaps of 8 pixels, under titles of 30.
    assert cv2.imread(str(pictures[0])).shape == (576 + 30 + 16, 2 * 576 + 24, 3)
    listed = [line.split()[-1] for line in done.stdout.splitlines() if line.startswith("  ")]
    assert [name for name in listed[-7:] if not (tmp_path / name).exists()] == []
    assert listed[-1] == "demo/report.html" and "demo/report.html" in done.stdout.splitlines()[-1]
    page = (folder / "report.html").read_text(encoding="utf-8")
    for identifier in ("figures", "training", "segm", "bbox", "pictures-part", "data", "settings"):
        assert f'<h2 id="{identifier}">' in page, identifier
    assert page.count('<figure class="picture"') > 5 and len(page) < 10e6
