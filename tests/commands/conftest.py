"""What the tests of the commands share: one small training, and its evaluation."""

import pytest

from src.data.shapes.drawn_data import draw_shapes
from tests.small_job import SMALL, run


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """(a folder with a data set in data/ and three training steps in train/, the process that trained)."""
    folder = tmp_path_factory.mktemp("job")
    draw_shapes(folder / "data", 8, 3, size=(128, 128), seed=3)
    words = [*SMALL, "coco_root=data", "max_steps=3", "batch_size=2", "save_checkpoint_steps=2"]
    return folder, run("train.py", folder, *words)


@pytest.fixture(scope="session")
def conversion(trained):
    """The conversion that the training made."""
    return next(path for path in (trained[0] / "mindrecord").iterdir() if path.is_dir())


@pytest.fixture(scope="session")
def checkpoint(trained):
    return trained[0] / "train" / "checkpoint" / "mask_rcnn-1_3.ckpt"


@pytest.fixture(scope="session")
def evaluated(trained, checkpoint):
    """The process of eval.py; its files are in eval/, and its graph is in graphs/."""
    # The network's settings come from the checkpoint: only the data is named.
    return run(
        "eval.py",
        trained[0],
        "coco_root=data",
        f"checkpoint_path={checkpoint}",
        "device_target=CPU",
        "test_score_thr=0.01",
        "compile_cache=graphs",
    )
