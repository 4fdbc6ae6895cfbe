"""Every form goes through the check of data, as check_data.py and train.py call it."""

import pytest
from PIL import Image

from src.config import load_config
from src.data.check.data_check import check_data
from src.data_settings import data_check_settings
from tests.data.annotations.drawn_files import Choices
from tests.fuzz.form_files import SETS

OBJECTS = {
    "labelme": 3,
    "yolo": 3,
    "voc": 2,
    "voc_masks": 2,
    "label_studio": 4,
    "via": 4,
    "via_csv": 4,
    "via3": 2,
    "cvat": 12,
    "supervisely": 6,
    "masks": 4,
    "masks_apart": 2,
    "cityscapes": 8,
}


@pytest.mark.parametrize("name", SETS)
def test_a_small_set_of_each_form_is_found_and_checked(tmp_path, name):
    """The brushes of the Label Studio set are corrupt, and CVAT's lines have no area: both are left out."""
    for picture in SETS[name].pictures:
        (tmp_path / picture).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30, 20)).save(tmp_path / picture)
    for path, content in SETS[name].draw(Choices(bytes(range(40)))).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    settings = data_check_settings(
        load_config(["dataset=auto", f"coco_root={tmp_path}", "coco_classes=auto", "max_instance_count=8"])
    )
    assert settings.annotations.format == SETS[name].form
    check = check_data(settings, quiet=True)
    assert check.exit_code == (1 if name in ("label_studio", "cvat") else 0)
    assert sum(len(record.labels) for record in check.source.records) == OBJECTS[name]
    assert len(check.source.records) == 2
