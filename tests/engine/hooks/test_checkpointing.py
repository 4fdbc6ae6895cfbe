"""When checkpoints are written, what happens to those of other runs, and which one resume=auto takes."""

import contextlib
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn

from src.config import load_config
from src.engine.distributed.rank_group import RankGroup
from src.engine.hooks.checkpointing import Checkpointing
from src.engine.training.resume import find_resumed, restore_step_cell, resumed_config
from src.errors import CheckpointError, ConfigError, TrainingError
from src.weights.checkpoint_file import read_checkpoint, read_training
from src.weights.checkpoint_settings import network_settings
from tests.conftest import ROOT


class Net(nn.Cell):
    def __init__(self, value=0.0):
        super().__init__()
        self.weight = Parameter(Tensor(np.full((2, 3), value, np.float32)), name="weight")


class Step(nn.Cell):
    """The network and states of any kind: an array, a scalar, a counter, half precision."""

    checkpoint_parameters = nn.Cell.parameters_dict

    def __init__(self, network, value=0.0):
        super().__init__(auto_prefix=False)
        self.network = network
        self.moment = Parameter(Net(value).weight, name="moments.weight", requires_grad=False)
        self.power = Parameter(Tensor(np.float32(value)), name="power", requires_grad=False)
        self.count = Parameter(Tensor(np.int32(value)), name="count", requires_grad=False)
        self.half = Parameter(Tensor(np.full(3, value, np.float16)), name="half", requires_grad=False)


def make_trainer(folder, *words, value=1.0, epoch=0, step=0, resumed=None):
    network = Net(value)
    config = load_config(["coco_classes=[background, cat]", *words])
    trainer = SimpleNamespace(
        config=config,
        network=network,
        step_cell=Step(network, value),
        network_settings=network_settings(config, "bn"),
        device=SimpleNamespace(rank=0, num=1, group=RankGroup()),
        checkpoint_dir=folder,
        epoch=epoch,
        step_in_epoch=step,
        total_steps=100,
        resumed=resumed,
    )
    trainer.position_text = lambda: f"after epoch {trainer.epoch + 1} step {trainer.step_in_epoch}"
    trainer.state_dict = lambda: {
        "epoch": trainer.epoch,
        "place": trainer.step_in_epoch,
        "config": {name: config[name] for name in config.written},
    }
    return trainer


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def found(folder, resume="auto", *words):
    return find_resumed(load_config([f"resume={resume}", *words]), folder, RankGroup())


def test_latest_is_there_from_the_start_and_goes_when_a_numbered_one_is_newer(tmp_path):
    trainer, hook = make_trainer(tmp_path), Checkpointing(1, 12, every_steps=5)
    hook.before_train(trainer)
    assert names(tmp_path) == ["latest.ckpt"]
    trainer.step_in_epoch = 5
    hook.after_step(trainer, SimpleNamespace(global_step=5))
    assert names(tmp_path) == ["mask_rcnn-1_5.ckpt"] and hook.saved == tmp_path / "mask_rcnn-1_5.ckpt"
    trainer.step_in_epoch = 6
    hook.on_interrupt(trainer)
    assert names(tmp_path) == ["latest.ckpt", "mask_rcnn-1_5.ckpt"] and found(tmp_path).position == (0, 6)
    # Who reads the weights alone gets nothing else.
    assert set(read_checkpoint(tmp_path / "latest.ckpt")[0]) == {"weight"}


@pytest.mark.parametrize(
    ("minutes", "cost", "began", "seconds"),
    [
        ("auto", 0.001, 0, 1.0),
        ("auto", 0.1, 0, 5.0),
        ("auto", 0.1, 1000, 50.0),
        ("auto", 0.1, 10**6, 600.0),
        ("auto", 30.0, 10**6, 1500.0),
        ("2", 99.0, 0, 120.0),
        ("0", 0.1, 0, float("inf")),
    ],
)
def test_the_interval(minutes, cost, began, seconds):
    """2% of the time for writing, a twentieth of the time so far to be lost, ten minutes at most."""
    config = load_config([f"save_checkpoint_minutes={minutes}"])
    hook = Checkpointing(1, 12, every_minutes=config.save_checkpoint_minutes)
    hook.write_seconds = cost
    hook.began = time.monotonic() - began
    assert hook.interval() == pytest.approx(seconds, rel=1e-3)


def test_every_parameter_of_the_step_comes_back_whatever_its_type(tmp_path):
    trainer = make_trainer(tmp_path, value=2.5)
    Checkpointing(1, 12).on_interrupt(trainer)
    other = make_trainer(tmp_path, value=0.0)
    restore_step_cell(other.step_cell, other.network, found(tmp_path))
    for name, value in trainer.step_cell.parameters_dict().items():
        back = other.step_cell.parameters_dict()[name]
        assert (back.dtype, back.shape) == (value.dtype, value.shape), name
        assert (back.asnumpy() == value.asnumpy()).all(), name


def test_another_optimiser_is_refused_and_nothing_is_changed(tmp_path):
    Checkpointing(1, 12).on_interrupt(make_trainer(tmp_path, value=2.5))
    other = make_trainer(tmp_path, value=0.0)
    other.step_cell.power.name = "adam_power"
    with pytest.raises(
        CheckpointError,
        match="latest.ckpt was trained with other settings.*adam_power is missing, power is not known here",
    ):
        restore_step_cell(other.step_cell, other.network, found(tmp_path))
    assert (other.network.weight.asnumpy() == 0).all()


def test_auto_takes_the_newest_that_is_whole_and_a_named_one_has_to_be(tmp_path, caplog):
    caplog.set_level("INFO", "maskrcnn")
    hook = Checkpointing(1, 12)
    hook.before_train(make_trainer(tmp_path))
    for epoch, step in ((0, 9), (1, 3), (9, 1)):
        hook.write_numbered(make_trainer(tmp_path, epoch=epoch, step=step))
    assert found(tmp_path).path.endswith("mask_rcnn-10_1.ckpt")
    content = bytearray((tmp_path / "mask_rcnn-10_1.ckpt").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "mask_rcnn-10_1.ckpt").write_bytes(content)
    assert found(tmp_path).path.endswith("mask_rcnn-2_3.ckpt")
    assert "passed over: checkpoint" in caplog.text
    with pytest.raises(CheckpointError, match="mask_rcnn-10_1.ckpt: not a whole"):
        found(tmp_path, tmp_path / "mask_rcnn-10_1.ckpt")
    assert found(tmp_path / "empty") is None and "starts from the beginning" in caplog.text


def test_checkpoints_after_the_resumed_place_and_of_earlier_runs_are_put_aside(tmp_path):
    hook = Checkpointing(1, 12)
    hook.before_train(make_trainer(tmp_path))
    for step in (1, 2, 3):
        hook.write_numbered(make_trainer(tmp_path, step=step))
    hook.on_interrupt(make_trainer(tmp_path, step=4))
    resumed = found(tmp_path, tmp_path / "mask_rcnn-1_2.ckpt")
    Checkpointing(1, 12).before_train(make_trainer(tmp_path, step=2, resumed=resumed))
    assert names(tmp_path) == ["mask_rcnn-1_1.ckpt", "mask_rcnn-1_2.ckpt"]
    assert names(tmp_path / "superseded") == ["latest.ckpt", "mask_rcnn-1_3.ckpt"]
    Checkpointing(1, 12).before_train(make_trainer(tmp_path))
    assert names(tmp_path) == ["latest.ckpt"] and found(tmp_path).position == (0, 0)


def test_settings_come_from_the_run_unless_they_are_written_now(tmp_path, caplog):
    caplog.set_level("INFO", "maskrcnn")
    Checkpointing(1, 12).on_interrupt(
        make_trainer(tmp_path, "base_lr=0.5", "batch_size=7", "seed=3", "max_steps=9")
    )
    config = resumed_config(load_config(["resume=auto", "base_lr=0.25"]), found(tmp_path))
    assert (config.base_lr, config.batch_size, config.seed, config.max_steps, config.norm) == (
        0.25,
        7,
        3,
        None,
        "bn",
    )
    assert "base_lr=0.25 (was 0.5)" in caplog.text
    with pytest.raises(ConfigError, match="seed=4: the run .* has seed 3"):
        resumed_config(load_config(["resume=auto", "seed=4"]), found(tmp_path))


def test_weights_alone_are_no_run_to_go_on_from(tmp_path):
    from src.weights.checkpoint_file import save_checkpoint

    trainer = make_trainer(tmp_path)
    save_checkpoint(tmp_path / "weights.ckpt", trainer.network, trainer.network_settings, 1, 2)
    with pytest.raises(CheckpointError, match="pre_trained=.*weights.ckpt starts a new one"):
        found(tmp_path, tmp_path / "weights.ckpt")


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    trainer, hook = make_trainer(tmp_path, step=3), Checkpointing(1, 12)
    hook.before_train(trainer)
    good = (tmp_path / "latest.ckpt").read_bytes()
    trainer.network.weight.set_data(Tensor(np.full((2, 3), np.inf, np.float32)))
    with pytest.raises(
        TrainingError,
        match="weights are not finite after epoch 1 step 3 .*weight.*latest.ckpt was saved before",
    ):
        hook.write_numbered(trainer)
    assert (tmp_path / "latest.ckpt").read_bytes() == good


FULL = """
import sys
from pathlib import Path
from tests.engine.hooks.test_checkpointing import make_trainer
from src.engine.hooks.checkpointing import Checkpointing
from src.engine.entry import run_main

def main():
    trainer, hook = make_trainer(Path(sys.argv[1])), Checkpointing(1, 12)
    if sys.argv[2] == "start":
        return hook.before_train(trainer)
    hook.before_train(trainer)
    print("started", flush=True)
    sys.stdin.readline()
    trainer.step_in_epoch = 1
    hook.on_interrupt(trainer)
    print("went on", flush=True)
    hook.write_numbered(trainer)
run_main(main)
"""


def script(folder, what, **more):
    return subprocess.Popen(
        [sys.executable, "-c", FULL, str(folder), what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        **more,
    )


def test_a_full_disk_leaves_the_last_good_one_and_says_so(tmp_path):
    """A real file system that fills up, where one may be mounted; else a limit on the size of files."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, check=False
        ).returncode
        == 0
    )
    if not mounted:
        pytest.skip(
            "a small file system cannot be mounted here; test_checkpoint.py fills a file up to a limit"
        )
    try:
        process = script(disk, "go on")
        assert process.stdout.readline() == "started\n", process.stderr.read()
        good = (disk / "latest.ckpt").read_bytes()
        with open(disk / "other", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(512)):
                pass
        out, err = process.communicate("\n", timeout=300)
        assert process.returncode == 2
        assert "warning: checkpoint" in err and "No space left" in err and "went on" in out
        assert (
            "mask_rcnn-1_1.ckpt could not be written" in err
            and "what was saved before is untouched" in err
            and "Traceback" not in err
        )
        assert (disk / "latest.ckpt").read_bytes() == good and names(disk) == ["latest.ckpt", "other"]
        assert read_training(disk / "latest.ckpt")[3]["place"] == 0
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_cannot_be_written_is_told_at_the_start(tmp_path):
    (tmp_path / "checkpoint").write_text("a file in the way, which stops root too")
    process = script(tmp_path / "checkpoint", "start")
    _, err = process.communicate(timeout=300)
    assert process.returncode == 2 and "latest.ckpt could not be written" in err and "Traceback" not in err


def test_a_run_killed_while_it_writes_leaves_the_last_good_one_and_no_rest(tmp_path):
    code = """
import os, sys
from pathlib import Path
from src.weights import checkpoint_file
from src.engine.hooks.checkpointing import Checkpointing
from tests.engine.hooks.test_checkpointing import make_trainer
trainer, hook = make_trainer(Path(sys.argv[1])), Checkpointing(1, 12)
hook.before_train(trainer)
checkpoint_file._sync_to_disk = lambda path: os.kill(os.getpid(), 9)  # written beside, not yet renamed
trainer.step_in_epoch = 1
hook.on_interrupt(trainer)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, timeout=300, check=False, capture_output=True
    )
    assert done.returncode == -9 and len(list(tmp_path.iterdir())) == 2, done.stderr
    resumed = found(tmp_path)
    assert resumed.position == (0, 0)
    Checkpointing(1, 12).before_train(make_trainer(tmp_path, resumed=resumed))
    assert [path.name for path in tmp_path.iterdir()] == ["latest.ckpt"]
