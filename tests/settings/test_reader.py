"""Reading settings: errors that say what to write instead."""

from __future__ import annotations

import pytest

from src.config import KEYS, load_config
from src.errors import ConfigError
from tests.settings.failure import failure


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


PATH_KEYS = [
    "mindrecord_dir",
    "coco_root",
    "instance_set",
    "ann_file",
    "IMAGE_DIR",
    "ANNO_PATH",
    "save_checkpoint_path",
    "resume",
    "pre_trained",
    "checkpoint_path",
    "compile_cache",
    "results",
]


@pytest.mark.parametrize("key", PATH_KEYS)
def test_tilde_is_the_home_folder_in_every_path(key, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_config([f"{key}=~/a b/c"])[key] == str(tmp_path / "a b" / "c")
    (tmp_path / "a.yaml").write_text(f"{key}: ~/x\n")
    assert load_config([], tmp_path / "a.yaml")[key] == str(tmp_path / "x")
    assert load_config([f"{key}=./~/x"])[key] == "./~/x"  # a folder that is really called so
    assert load_config([f"{key}=/data/~"])[key] == "/data/~"


def test_every_key_whose_meaning_is_a_file_or_folder_is_a_path():
    """By their texts: what is left out here holds names below coco_root, or is no path."""
    named = {key.name for key in KEYS if key.path}
    assert named == set(PATH_KEYS)
    speaking = {
        key.name
        for key in KEYS
        if key.meaning.startswith(("folder", "the folder", "weights to", "annotations to", "the checkpoint"))
    }
    assert speaking <= named


@pytest.mark.parametrize("value", ["True", "true", "False", "yes", "no", "on"])
@pytest.mark.parametrize(
    "key, pieces",
    [
        ("resume", ["'auto' or a path", "resume=none"]),
        ("pre_trained", ["a path", "pre_trained=none"]),
        ("checkpoint_path", ["a path", "checkpoint_path=none"]),
        ("coco_root", ["a path"]),
        ("compile_cache", ["'auto', 'off' or a path"]),
    ],
)
def test_a_truth_value_is_no_path(key, value, pieces, tmp_path):
    text = failure(f"{key}={value}")
    assert text.startswith(f"{key}={value}: ") and all(piece in text for piece in pieces)
    if key == "compile_cache" and value in ("False", "no"):
        return  # in YAML the same as off
    (tmp_path / "a.yaml").write_text(f"{key}: {value}\n")
    with pytest.raises(ConfigError, match=pieces[0]):
        load_config([], tmp_path / "a.yaml")


def test_words_of_a_path_key_stay_words(tmp_path):
    assert load_config(["resume=auto"]).resume == "auto" and load_config(["resume=none"]).resume is None
    (tmp_path / "a.yaml").write_text("compile_cache: off\n")
    assert load_config([], tmp_path / "a.yaml").compile_cache == "off"
    assert load_config(["compile_cache=off"]).compile_cache == "off"


CLASSES = ("background", "no", "yes", "on", "off", "null", "007", "1.50", "1e3", "2024-01-01", "y", "~", "真")


def test_class_names_are_texts_as_they_are_written(tmp_path):
    """YAML reads no and yes as truth values, 007 as 7, 1.50 as 1.5, and a date as a date."""
    text = f"[{', '.join(CLASSES)}]"
    assert load_config([f"coco_classes={text}"]).coco_classes == CLASSES
    (tmp_path / "a.yaml").write_text(f"coco_classes: {text}\n", encoding="utf-8")
    assert load_config([], tmp_path / "a.yaml").coco_classes == CLASSES
    lines = "".join(f"  - {name}\n" for name in CLASSES)
    (tmp_path / "b.yaml").write_text(f"batch_size: 3\ncoco_classes:\n{lines}", encoding="utf-8")
    config = load_config([], tmp_path / "b.yaml")
    assert (config.coco_classes, config.batch_size, config.num_classes) == (CLASSES, 3, len(CLASSES))


def test_names_in_quotes_lose_them_and_empty_names_are_mistakes():
    assert load_config(["coco_classes=[background, 'no', \"a, b\"]"]).coco_classes[1:] == ("no", "a, b")
    assert "a name is empty" in failure("coco_classes=[background, '']")
    assert "list of texts" in failure("coco_classes=[background, [cat]]")
