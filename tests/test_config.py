"""The configuration: names and defaults, precedence, derived keys, aliases, freezing, and errors that say what to write instead."""

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

ROOT = Path(__file__).resolve().parents[1]
# "not set" by design: the data set's steps, a folder named after the data's digest, ./data
OVERRIDDEN = {"base_step": None, "mindrecord_dir": None, "coco_root": "./data"}


def failure(*words, config_file=None):
    with pytest.raises(ConfigError) as caught:
        load_config(words, config_file)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def plain(value):
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


# ---- names and defaults ----------------------------------------------------------------------------------------------


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


# ---- precedence ------------------------------------------------------------------------------------------------------


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


# ---- derived keys ----------------------------------------------------------------------------------------------------


def test_shapes_follow_the_canvas():
    config = load_config(["img_width=384", "img_height=320"])
    # P2..P6 have strides 4..64: ceil(320/64) = 5, ceil(384/64) = 6
    assert config.feature_shapes == ((80, 96), (40, 48), (20, 24), (10, 12), (5, 6))
    assert config.num_bboxes == 3 * (80 * 96 + 40 * 48 + 20 * 24 + 10 * 12 + 5 * 6)


def test_the_coarsest_level_rounds_up():
    assert load_config(["img_width=96", "img_height=96"]).feature_shapes[-1] == (2, 2)  # 96 / 64 = 1.5


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["anchor_scales=[4, 8]"], "num_anchors", 6),
        (["anchor_ratios=[1.0]"], "num_bboxes", 245520 // 3),
        (["max_instance_count=20"], "num_gts", 20),
        (["num_expected_pos_stage2=16", "num_expected_neg_stage2=64"], "roi_sample_num", 80),
        (["rpn_proposal_max_num=300"], "num_bboxes_stage2", 300),
        (["resnet_out_channels=[64, 128, 256, 512]"], "fpn_in_channels", (64, 128, 256, 512)),
        (["resnet_out_channels=[64, 128, 256, 512]"], "resnet_in_channels", (64, 64, 128, 256)),
        (["fpn_out_channels=64"], "rpn_in_channels", 64),
        (["fpn_out_channels=64"], "roi_align_out_channels", 64),
        (["fpn_out_channels=64"], "rcnn_in_channels", 64),
        (["use_sigmoid_cls=False"], "rpn_cls_out_channels", 2),
        (["coco_classes=[background, cell]"], "num_classes", 2),
    ],
)
def test_derived_keys_follow(words, name, value):
    assert load_config(words)[name] == value


def test_a_derived_key_may_be_written_if_it_agrees():
    assert (
        load_config(["img_width=640", "img_height=640", "num_bboxes=102300", "num_gts=128"]).num_bboxes
        == 102300
    )


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["num_bboxes=7"], ("num_bboxes=7", "245520")),
        (["num_gts=64"], ("num_gts=64", "max_instance_count")),
        (["num_classes=4"], ("num_classes=4", "coco_classes", "81")),
        (["mask_shape=[14, 14]"], ("mask_shape=[14, 14]", "roi_layer", "[28, 28]")),
        (["feature_shapes=[[1, 2]]"], ("feature_shapes", "img_height")),
        (["rpn_in_channels=128"], ("rpn_in_channels=128", "fpn_out_channels=256")),
        (["rpn_cls_out_channels=2"], ("rpn_cls_out_channels=2", "use_sigmoid_cls=True")),
    ],
)
def test_a_contradiction_names_both_keys(words, names):
    text = failure(*words)
    assert all(name in text for name in names), text


# ---- aliases ---------------------------------------------------------------------------------------------------------


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


# ---- freezing --------------------------------------------------------------------------------------------------------


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


# ---- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("img_widht=3", ("img_widht", "nearest is 'img_width'")),
        ("Momentum=0.9", ("Momentum", "nearest is 'momentum'")),
        ("roi_layer={outsize: 3}", ("roi_layer.outsize", "nearest is 'roi_layer.out_size'")),
        ("zzzz=1", ("zzzz", "src/config.py")),
        ("batch_size=two", ("batch_size=two", "a whole number")),
        ("batch_size=2.0", ("batch_size=2.0", "a whole number")),
        ("batch_size=True", ("batch_size=True", "a whole number")),
        ("base_lr=fast", ("base_lr=fast", "a number")),
        ("base_lr=nan", ("base_lr=nan", "a number")),
        ("base_lr=.inf", ("base_lr", "a number")),
        ("base_lr=1" + "0" * 400, ("base_lr", "a number")),
        ("img_width=2001-99-99", ("img_width=2001-99-99", "a whole number")),
        ("img_width=[[", ("img_width=[[", "a whole number")),
        ("keep_ratio=1", ("keep_ratio=1", "True or False")),
        ("anchor_ratios=1", ("anchor_ratios=1", "a list of numbers")),
        ("anchor_scales=[]", ("anchor_scales=[]", "a list of numbers")),
        ("norm=bm", ("norm=bm", "nearest is 'bn'")),
        ("device_target=GPU", ("device_target=GPU", "Ascend", "CPU")),
        ("img_width=1290", ("img_width=1290", "multiple of 32", "1280")),
        ("img_height=32", ("img_height=32", "at least 64")),
        ("flip_ratio=1.5", ("flip_ratio=1.5", "0 to 1")),
        ("batch_size=0", ("batch_size=0", "at least 1")),
        ("loss_scale=0", ("loss_scale=0", "more than 0")),
        ("seed=4294967296", ("seed=4294967296", "0 to 4294967295")),
        ("roi_layer={sample_num: -1}", ("roi_layer.sample_num=-1", "at least 0")),
        ("roi_layer={type: RoIPool}", ("roi_layer.type=RoIPool", "RoIAlign")),
        ("neg_iou_thr=0.8", ("neg_iou_thr=0.8", "pos_iou_thr=0.7")),
        ("resize_short=1400", ("resize_short=1400", "resize_long=1333")),
        ("anchor_strides=[4, 8, 16]", ("anchor_strides", "4, 8, 16, 32, 64")),
        ("resnet_block=[1, 1]", ("resnet_block=[1, 1]", "four")),
        ("img_mean=[1, 2]", ("img_mean", "3 numbers")),
        ("coco_classes=[background]", ("coco_classes", "at least one class")),
        ("coco_classes=[cat, dog]", ("coco_classes", "'cat'", "background")),
        ("coco_classes=[background, cat, cat]", ("coco_classes", "'cat'", "twice")),
        ("img_width", ("img_width", "KEY=VALUE")),
        ("=3", ("KEY=VALUE",)),
    ],
)
def test_an_error_names_the_key_the_value_and_what_is_expected(word, parts):
    text = failure(word)
    assert all(part in text for part in parts), text


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"img_widht: 3\n", ("img_widht", "img_width", "recipe.yaml")),
        (b"- 1\n- 2\n", ("recipe.yaml", "list")),
        (b"a: [1\n", ("recipe.yaml", "YAML")),
        (b"\xff\xfe\x00", ("recipe.yaml", "YAML")),
        (b"img_width:\n", ("img_width", "a value is needed")),
        (b"base_lr: 2001-99-99\n", ("recipe.yaml",)),
    ],
)
def test_a_bad_file_is_named(content, parts, tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_bytes(content)
    text = failure(config_file=file)
    assert all(part in text for part in parts), text


def test_bare_on_and_off_in_yaml_are_words_where_they_are_meant(tmp_path):
    """YAML 1.1 reads them as True and False."""
    path = tmp_path / "config.yaml"
    path.write_text("cpu_kernels: on\ncheck_data: off\ncompile_cache: off\n")
    config = load_config(config_file=path)
    assert (config.cpu_kernels, config.check_data, config.compile_cache) == ("on", "off", "off")
    path.write_text("coco_root: off\n")
    with pytest.raises(ConfigError, match="coco_root=False: a text expected"):
        load_config(config_file=path)


def test_a_missing_file_is_named(tmp_path):
    assert "nowhere.yaml" in failure(config_file=tmp_path / "nowhere.yaml")


def test_yaml_cannot_run_code(tmp_path):
    file, trace = tmp_path / "evil.yaml", tmp_path / "trace"
    call = f"!!python/object/apply:os.system ['touch {trace}']"
    file.write_text(f"base_lr: {call}\n", encoding="utf-8")
    assert "evil.yaml" in failure(config_file=file)
    failure(f"base_lr={call}")
    assert not trace.exists()


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
