"""Fixtures that every test may use: the shared folder, and small data sets."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

if "PYTEST_XDIST_WORKER" in os.environ:
    # Several workers on a machine: one thread each. It has to be set before MindSpore and Numba are imported.
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")

import src  # noqa: E402, F401  sets variables that have to be set before MindSpore is imported

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("MASKRCNN_SHARED") or ROOT.parent / "shared")

# The test files that take longest, which run first, so that no worker ends with one of them alone. The files
# of a line go to one worker, because they share compiled networks or fixtures. The kernels' own tests come
# before those of two ranks: they compile the kernels and keep them, while two ranks would each compile them,
# for half a minute.
LONG = [
    (
        "tests/ascend_form/test_graphs.py",
        "tests/maskrcnn/test_mask_rcnn_r50.py",
        "tests/test_network_define.py",
        "tests/engine/training/test_build_step.py",
    ),
    (
        "tests/maskrcnn/ops/test_matcher.py",
        "tests/maskrcnn/ops/test_nms.py",
        "tests/maskrcnn/test_roi_align.py",
        "tests/maskrcnn/cpu/test_mask_kernel.py",
        "tests/maskrcnn/cpu/test_conv_kernel.py",
        "tests/engine/distributed/test_two_ranks.py",
        "tests/engine/distributed/test_rank_failures.py",
        "tests/engine/distributed/test_more_ranks.py",
    ),
    ("tests/commands/test_whole_job.py", "tests/commands/test_other_runs.py"),
    ("tests/ascend/test_backend.py", "tests/ascend/test_ranks.py"),
    ("tests/engine/training/test_resume.py",),
    ("tests/engine/training/test_full_size.py",),
    ("tests/parity/test_parity.py",),
    ("tests/notebooks/test_notebooks.py",),
    ("tests/engine/hooks/test_training_outputs.py",),
    ("tests/engine/tracking/test_tracked_training.py", "tests/engine/tracking/test_tracking.py"),
    ("tests/engine/test_onnx_export.py", "tests/onnx_graph/test_network.py"),
    ("tests/engine/runtime/test_compile_cache.py",),
    ("tests/test_predictor.py", "tests/commands/test_predict.py"),
]
POSITIONS = {file: (line, number) for line, files in enumerate(LONG) for number, file in enumerate(files)}


def file_of(nodeid):
    return nodeid.partition("::")[0]


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: POSITIONS.get(file_of(item.nodeid), (len(LONG), 0)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Each worker takes whole files, or a whole line of LONG."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return LONG[POSITIONS[file_of(nodeid)][0]][0] if file_of(nodeid) in POSITIONS else file_of(nodeid)

    config.option.loadscopereorder = False  # it would start with the files that have most tests
    return Scheduling(config, log)


@pytest.fixture(scope="session", autouse=True)
def temporary_files(tmp_path_factory):
    """Temporary files of this process, and of those that it starts, go where pytest removes them."""
    # A short name: the paths of sockets have at most 107 characters.
    folder = str(tmp_path_factory.mktemp("t"))
    os.environ["TMPDIR"] = folder
    tempfile.tempdir = folder


@pytest.fixture(scope="session", autouse=True)
def cpu():
    """MindSpore on the CPU. It has to be set before anything runs, and test files run in any order."""
    import mindspore as ms

    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")


@pytest.fixture(scope="session", autouse=True)
def graphs(tmp_path_factory):
    """The folder for the graphs that this session's runs keep, of all workers; not the user's own."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "cache"
    os.environ["XDG_CACHE_HOME"] = str(folder)
    return folder / "maskrcnn_mindspore" / "graphs"


@pytest.fixture(scope="session")
def shared():
    """The folder with real pictures, in its folder data: MASKRCNN_SHARED, or ../shared beside the project."""
    folder = SHARED
    if not folder.is_dir():
        pytest.skip(f"the shared folder is not there: {folder} (MASKRCNN_SHARED names it)")
    return folder


def _outline(box):
    """An octagon that touches all four sides of a box x1, y1, x2, y2, as a flat list x, y, x, y, ..."""
    x1, y1, x2, y2 = box
    dx = (x2 - x1) / 4
    dy = (y2 - y1) / 4
    points = [
        (x1 + dx, y1),
        (x2 - dx, y1),
        (x2, y1 + dy),
        (x2, y2 - dy),
        (x2 - dx, y2),
        (x1 + dx, y2),
        (x1, y2 - dy),
        (x1, y1 + dy),
    ]
    return [value for point in points for value in point]


@pytest.fixture
def coco_folder(tmp_path):
    """A function that makes a COCO-format data set of random octagons and returns its folder.

    Args of the function:
        pictures: The number in each split.
        size: (height, width) in pixels.
        objects: The number in each picture; the categories are "square" (id 3) and "disc" (id 7).
        masks: Whether objects have segmentations.
        name: The folder's name.
        change: Called with the content (a dict) of the training split's JSON before it is written.
    """

    def make(pictures=6, size=(96, 128), objects=3, masks=True, name="coco", change=None):
        root = tmp_path / name
        rng = np.random.default_rng(7)
        for split in ("train2017", "val2017"):
            (root / split).mkdir(parents=True)
            images = []
            annotations = []
            for number in range(1, pictures + 1):
                pixels = rng.integers(0, 90, (*size, 3), dtype=np.uint8)
                for _ in range(objects):
                    low = rng.uniform(0, 0.5, 2) * (size[1], size[0])
                    box = np.concatenate([low, low + rng.uniform(0.2, 0.5, 2) * (size[1], size[0])]).round(2)
                    x1, y1, x2, y2 = (int(value) for value in box)
                    pixels[y1:y2, x1:x2] = rng.integers(120, 256, 3)
                    annotation = {
                        "id": len(annotations) + 1,
                        "image_id": 10 * number,
                        "category_id": int(rng.choice([3, 7])),
                        "iscrowd": 0,
                        "bbox": [
                            float(box[0]),
                            float(box[1]),
                            float(box[2] - box[0]),
                            float(box[3] - box[1]),
                        ],
                        "area": float((box[2] - box[0]) * (box[3] - box[1]) * 7 / 8),
                    }
                    if masks:
                        annotation["segmentation"] = [[float(value) for value in _outline(box)]]
                    annotations.append(annotation)
                Image.fromarray(pixels).save(root / split / f"{number:06d}.jpg", quality=90)
                images.append(
                    {"id": 10 * number, "file_name": f"{number:06d}.jpg", "height": size[0], "width": size[1]}
                )
            content = {
                "images": images,
                "annotations": annotations,
                "categories": [{"id": 3, "name": "square"}, {"id": 7, "name": "disc"}],
            }
            if change is not None and split == "train2017":
                change(content)
            (root / "annotations").mkdir(exist_ok=True)
            (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
        return root

    return make
