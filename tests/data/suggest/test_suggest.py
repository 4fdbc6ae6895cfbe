"""All suggestions for a data set: a file that train.py takes, reasons, and what is said about the data."""

from __future__ import annotations

import pytest
import yaml

from src.config import load_config
from src.data.check.statistics import measure_objects
from src.data.suggest.config_text import config_text, suggestion_lines
from src.data.suggest.facts import TrainingTarget, data_facts
from src.data.suggest.suggest import suggest
from src.data_settings import statistics_settings
from src.dataset import read_source
from tests.conftest import ROOT
from tests.data.suggest.drawn_facts import coco_like, demo_like, facts, nuclei_like

BASES = ("from the data", "measured", "scaled", "published", "default")
CPU = TrainingTarget()
CARD = TrainingTarget("Ascend", validation="val.json")
CARD_WITH_WEIGHTS = TrainingTarget("Ascend", "resnet50.ckpt", validation="val.json")
CASES = {
    "nuclei": (nuclei_like(), CPU),
    "demo": (demo_like(), TrainingTarget("CPU", validation="val.json")),
    "COCO on a CPU": (coco_like(), CPU),
    "COCO on a card": (coco_like(), CARD),
    "COCO on a card with weights": (coco_like(), CARD_WITH_WEIGHTS),
    "nuclei with weights on a CPU": (nuclei_like(), TrainingTarget("CPU", "coco.ckpt")),
    "one picture": (facts((300, 400), [40], [12]), CPU),
    "5000 tiny objects": (facts((3000, 4000), [12], [5000] * 20), CPU),
    "panoramas": (facts((1000, 8000), [40], [30] * 50), CPU),
    "boxes alone": (facts((480, 640), [60], [3] * 100, has_masks=False), CPU),
    "a pixel a side": (facts((1, 1), [1], [2] * 30), CPU),
}


@pytest.mark.parametrize(("data", "target"), CASES.values(), ids=CASES)
def test_the_file_loads_and_every_setting_has_a_reason(tmp_path, data, target):
    found = suggest(data, target)
    path = tmp_path / "suggested.yaml"
    text = config_text(found, {"coco_root": "/data/a b"}, "Title", "python train.py --config suggested.yaml")
    path.write_text(text)
    config = load_config([], path)
    assert config.written - {"sgd_momentum"} == {"coco_root", *found.settings}
    assert {key: value for key, value in yaml.safe_load(text).items() if key != "coco_root"} == found.settings
    assert config.img_width * config.img_height <= (512 * 512 if target.device == "CPU" else 768 * 1280)
    assert all(len(line) <= 110 for line in text.splitlines() if line.startswith("#"))
    blocks = text.strip().split("\n\n")[1:]
    assert len(blocks) == len(found.items) + 1
    for block, item in zip(blocks[1:], found.items):
        comment = " ".join(line[2:] for line in block.splitlines() if line.startswith("#"))
        assert comment.endswith(f"[{item.basis}]") and item.basis in BASES
        assert sum(not line.startswith("#") for line in block.splitlines()) == len(item.settings)


def test_no_key_is_suggested_twice():
    for data, target in CASES.values():
        keys = [key for item in suggest(data, target).items for key in item.settings]
        assert len(keys) == len(set(keys))


def test_coco_on_a_card_is_near_the_1x_recipe():
    """configs/coco_r50_1x.yaml: detectron2's rate, batch, warm-up and length, and no network of one's own."""
    recipe = load_config([], ROOT / "configs" / "coco_r50_1x.yaml")
    settings = suggest(coco_like(), CARD_WITH_WEIGHTS).settings
    for key in ("base_lr", "base_batch", "warmup_step", "warmup_ratio", "momentum", "weight_decay"):
        assert settings[key] == recipe[key], key
    for key in ("batch_size", "freeze_at", "expand_ratio", "gt_mask_size", "test_max_per_img"):
        assert settings[key] == recipe[key], key
    assert settings["epoch_size"] == 12  # 1,440,000 pictures of 117,266 are 12.3 epochs
    # The anchors and the network are the weights', the numbers of proposals and RoIs the defaults.
    for key in ("anchor_scales", "resnet_block", "norm", "rpn_max_num", "num_expected_pos_stage2"):
        assert key not in settings


@pytest.mark.parametrize("objects", [0, 1, 9])
def test_too_few_objects_are_one_line(objects):
    data = facts((300, 400), [40], [objects] if objects else [])
    found = suggest(data, CPU)
    assert found.items == [] and found.settings == {}
    lines = suggestion_lines(found)
    assert len(lines) == 1
    assert f"{objects} object" in lines[0] and "fewer than 10" in lines[0]


def test_ten_objects_are_enough_to_suggest_from():
    assert suggest(facts((300, 400), [40], [10]), CPU).settings["img_width"] == 448


def cautions_of(data, target=CPU):
    return "\n".join(suggest(data, target).cautions)


def test_a_clean_data_set_has_no_caution():
    assert cautions_of(demo_like(), TrainingTarget("CPU", validation="val.json")) == ""


def test_what_is_said_about_the_data():
    text = cautions_of(facts((300, 400), [40], [3] * 10, classes=2, empty=1, has_masks=False))
    assert "only 10 pictures" in text
    assert "classes with fewer than 20 objects will hardly be found: class 0 (15), class 1 (15)" in text
    assert "left out as they have no object: 1 picture;" in text
    assert "boxes alone" in text
    assert "no evaluation split, so no AP: convert_data.py" in text and "of about 2 pictures of 10" in text


def test_imbalance_is_said():
    data = facts((300, 400), [40], [6] * 100)
    for rare, is_said in ((30, True), (31, False)):  # 600 / 30 = 20
        uneven = {**data.class_objects, "rare": rare}
        text = cautions_of(type(data)(**{**data.__dict__, "class_objects": uneven}))
        assert ("imbalance: 600 objects of 'class 0', 30 of 'rare'" in text) == is_said


def test_parts_in_which_small_objects_are_large_enough():
    """Objects of 12 pixels have 8 on a canvas of 576x448 if it shows 12/8 of its size.

    sqrt(576 * 448) * 12 / 8 = 762.
    """
    text = cautions_of(facts((3000, 4000), [12], [50] * 30))
    assert "100% of the objects are under 8 pixels" in text
    assert "cut the pictures into parts of about 762 pixels" in text


def test_objects_that_are_left_out_and_a_long_run_are_said():
    assert "13464 of 15000 objects are over max_instance_count=512" in cautions_of(
        facts((3000, 4000), [12], [5000] * 3)
    )
    text = cautions_of(coco_like())
    assert "hours on 2 CPU cores" in text
    assert "here are 10000 and 80; pre_trained=FILE" in text
    assert "hours" not in cautions_of(coco_like(), CARD)


def test_the_same_settings_for_any_order_of_pictures():
    data = nuclei_like()
    order = range(len(data.picture_sizes) - 1, -1, -1)
    turned = type(data)(
        **{
            **data.__dict__,
            "objects_per_picture": data.objects_per_picture[::-1],
            "picture_index": len(order) - 1 - data.picture_index,
        }
    )
    assert suggest(turned, CPU).settings == suggest(data, CPU).settings


def test_class_names_that_cannot_be_printed_stay_on_their_line():
    data = facts((300, 400), [40], [3] * 10)
    named = type(data)(**{**data.__dict__, "class_objects": {"two\nlines": 12, "no": 18}})
    found = suggest(named, CPU)
    text = config_text(found, {"coco_classes": ("background", "no", "two\nlines")}, "Title", "command")
    assert yaml.load(text, yaml.BaseLoader)["coco_classes"] == ["background", "no", "two\nlines"]
    assert "two\\nlines (12)" in text
    assert all(line.isprintable() for line in suggestion_lines(found))


def test_the_measured_file_is_what_is_suggested_for_the_nuclei(shared):
    """configs/small_objects.yaml has figures of its own: a rule that changes it has to be measured anew."""
    words = [f"coco_root={shared}/data/nuclei", "train_data_type=train2018", "coco_classes=auto"]
    config = load_config([*words, "check_data=off"])
    source = read_source(config)
    objects = measure_objects(statistics_settings(config), source)
    found = suggest(
        data_facts(objects, source.class_names, source.has_masks),
        TrainingTarget("CPU", validation="val.json"),
    )
    written = yaml.safe_load((ROOT / "configs" / "small_objects.yaml").read_text())
    data = {"train_data_type": "train2018", "val_data_type": "val2018", "coco_classes": "auto"}
    assert written == {**data, **found.settings}
