"""The configuration: names and defaults, precedence, aliases, freezing."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from src.config import KEYS, load_config
from src.errors import ConfigError
from tests.settings.failure import failure

ROOT = Path(__file__).resolve().parents[1]
# "not set" by design: the data set's steps, a folder named after the data's digest, ./data; the scale of the
# loss, as the original's 1 is too small for float16.
OVERRIDDEN = {"base_step": None, "mindrecord_dir": None, "coco_root": "./data", "loss_scale": "auto"}


def plain(value):
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


# ---- names and defaults


def test_every_original_key_keeps_its_name_and_default(shared):
    text = (shared / "config_keys.txt").read_text(encoding="utf-8")
    original = eval(
        "{" + text + "}", {"__builtins__": {}, "dict": dict}
    )  # Python's dictionary syntax, with dict(...) and 1/3.0
    assert len(original) > 90
    config = load_config()
    for name, default in original.items():
        assert plain(config[name]) == plain(OVERRIDDEN.get(name, default)), name


def test_every_key_has_a_one_line_meaning_and_stands_once():
    assert all(key.meaning.strip() and "\n" not in key.meaning for key in KEYS)
    assert len({key.name for key in KEYS}) == len(KEYS)


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("pre_trained", None),
        ("checkpoint_path", None),
        ("ann_file", None),
        ("dataset", "coco"),
        ("IMAGE_DIR", None),
        ("ANNO_PATH", None),
        ("device_target", "auto"),
        ("seed", 1),
        ("max_steps", None),
        ("log_interval", 1),
        ("save_checkpoint_steps", None),
        ("norm", "auto"),
        ("freeze_at", 2),
        ("roi_align_aligned", True),
        ("anchor_round", False),
        ("norm_eps", 1e-5),
        ("rpn_smooth_l1_beta", 1 / 9),
        ("rcnn_smooth_l1_beta", 1.0),
        ("resize", "fit"),
        ("keep_empty", False),
        ("channel_order", "RGB"),
        ("stride_in_1x1", False),
        ("padding", "zero"),
    ],
)
def test_new_keys_and_their_defaults(name, default):
    assert load_config()[name] == default


# ---- precedence


def test_defaults_then_file_then_words(tmp_path):
    file = tmp_path / "my recipe.yaml"
    file.write_text("base_lr: 0.01\nbatch_size: 4\nimg_width: 512\n", encoding="utf-8")
    config = load_config(["batch_size=8"], file)
    assert (config.base_lr, config.batch_size, config.img_width, config.img_height) == (0.01, 8, 512, 768)
    assert config.written == {"base_lr", "batch_size", "img_width"}


def test_the_last_of_two_words_wins():
    assert load_config(["batch_size=8", "batch_size=3"]).batch_size == 3


def test_an_empty_file_changes_nothing(tmp_path):
    file = tmp_path / "empty.yaml"
    file.write_text("# nothing yet\n", encoding="utf-8")
    assert dict(load_config((), file)) == dict(load_config())


def test_values_take_their_keys_types(tmp_path):
    file = tmp_path / "types.yaml"
    file.write_text(
        "weight_decay: 1e-5\nloss_scale: 128\nanchor_ratios: [1, 2]\nkeep_ratio: false\n", encoding="utf-8"
    )
    config = load_config(
        ["coco_root=2017", "base_lr=1e-3", "pre_trained=a=b c.ckpt", "coco_classes=[background, 7 up, tea]"],
        file,
    )
    assert (config.weight_decay, config.loss_scale, config.base_lr, config.keep_ratio) == (
        1e-5,
        128.0,
        1e-3,
        False,
    )
    assert config.coco_root == "2017" and config.pre_trained == "a=b c.ckpt"
    assert config.anchor_ratios == (1.0, 2.0) and all(
        isinstance(ratio, float) for ratio in config.anchor_ratios
    )
    assert config.coco_classes == ("background", "7 up", "tea") and config.num_classes == 3


def test_none_unsets_a_key_that_may_be_unset():
    assert load_config(["pre_trained=", "max_steps=none", "ann_file=None"]).pre_trained is None
    assert "a value is needed" in failure("img_width=none")


def test_one_entry_of_a_mapping_can_be_written():
    config = load_config(["roi_layer={mask_out_size: 16}"])
    assert config.roi_layer == {"type": "RoIAlign", "out_size": 7, "mask_out_size": 16, "sample_num": 2}
    assert config.mask_shape == (32, 32)


# ---- aliases


@pytest.mark.parametrize(
    ("first", "second", "value", "other"),
    [("momentum", "sgd_momentum", 0.8, 0.7), ("use_sigmoid_cls", "rpn_head_use_sigmoid", False, True)],
)
def test_two_names_of_one_thing(first, second, value, other, tmp_path):
    for name in (first, second):
        config = load_config([f"{name}={value}"])
        assert config[first] == config[second] == value
    assert load_config([f"{first}={value}", f"{second}={value}"])[first] == value
    text = failure(f"{first}={value}", f"{second}={other}")
    assert first in text and second in text
    file = tmp_path / "alias.yaml"
    file.write_text(f"{first}: {value}\n", encoding="utf-8")
    config = load_config([f"{second}={other}"], file)  # a word over a file is no contradiction
    assert config[first] == config[second] == other


def test_the_originals_momenta_stand_when_neither_is_written():
    assert (load_config().momentum, load_config().sgd_momentum) == (0.91, 0.9)


# ---- freezing


def test_the_configuration_is_frozen():
    config = load_config()
    with pytest.raises(ConfigError, match="frozen"):
        config.img_width = 3
    with pytest.raises(ConfigError, match="frozen"):
        config.roi_layer["out_size"] = 3
    with pytest.raises(ConfigError, match="frozen"):
        config.roi_layer.update(out_size=3)
    with pytest.raises(TypeError):
        config["img_width"] = 3
    with pytest.raises(AttributeError, match="nearest is 'img_width'"):
        config.img_widht  # noqa: B018
    assert load_config().roi_layer["out_size"] == 7


def test_a_changed_copy_leaves_the_first_as_it_was():
    config = load_config()
    changed = config.replace(batch_size=9)
    assert (config.batch_size, changed.batch_size) == (2, 9) and "batch_size" in changed.written
    with pytest.raises(ConfigError, match="batch_size"):
        config.replace(batch_sise=9)


def test_it_can_be_copied_pickled_and_written_as_json():
    config = load_config(["batch_size=3"])
    for other in (pickle.loads(pickle.dumps(config)), copy.deepcopy(config)):
        assert dict(other) == dict(config) and other.written == {"batch_size"}
        with pytest.raises(ConfigError):
            other.roi_layer["out_size"] = 1
    assert json.loads(json.dumps(dict(config)))["roi_layer"]["out_size"] == 7


# ---- errors


def test_a_command_ends_with_code_2_and_one_line(tmp_path):
    run = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), "img_widht=3"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 2
    lines = run.stderr.strip().splitlines()
    assert lines[-1].startswith("error: ") and "img_widht" in lines[-1] and "'img_width'" in lines[-1]
    assert "Traceback" not in run.stderr and not list(tmp_path.iterdir())
