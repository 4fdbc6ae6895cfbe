"""What the tests of whole runs share: the data, and one run that is left alone."""

import pytest

from src.data.shapes.drawn_data import draw_shapes
from tests.engine.jobs import STEPS, Job


@pytest.fixture(scope="session")
def words(tmp_path_factory):
    """What every run takes: 22 pictures, and 60 steps over six epochs of two pictures a step."""
    folder = tmp_path_factory.mktemp("runs")
    draw_shapes(folder / "data", 24, 5, size=(128, 128), seed=3)
    return [
        f"coco_root={folder / 'data'}",
        f"mindrecord_dir={folder / 'mindrecord'}",
        f"max_steps={STEPS}",
        "batch_size=2",
    ]


@pytest.fixture(scope="session")
def straight(words, tmp_path_factory):
    """The run that is left alone; it goes on while tests do other things, until `end` is asked for.

    It compiles its graph. Runs that read a kept graph have to equal it, and its time is what the time of
    saving is compared with.
    """
    job = Job(tmp_path_factory.mktemp("straight"), *words, "compile_cache=off")
    yield job
    job.close()
