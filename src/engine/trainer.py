"""Training: data, network, weights, and the loop over epochs and steps. What else happens around a step is in hooks (`hooks.py`)."""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Tensor

from ..config import changed
from ..dataset import (
    DataWorkers,
    create_maskrcnn_dataset,
    ensure_mindrecord,
    resolve_classes,
    steps_per_epoch,
)
from ..errors import DataError, RankError, TrainingError, WorkerError
from ..lr_schedule import schedule
from ..maskrcnn.build import build_network, norm_kind
from ..network_define import STEP_NAMES
from ..weights.loading import load_start, open_start
from .display.progress import LOSS_NAMES
from .distributed.agreement import check_settings
from .distributed.sentinel import HANG
from .hooks.checkpointing import Saving
from .hooks.default_hooks import watchers
from .hooks.hook import LossLines, Step, Stopwatch
from .hooks.sync_check import SyncCheck
from .runtime.compile_cache import compile_cell
from .runtime.device import start_device
from .training.resume import LATEST, check_data, config_of, data_of, find_resumed, restore, share_parameters
from .training.stop_signals import StopSignals
from .training.summary import describe
from .training.training_step import make_step

BATCH_NAMES = ("image", "image_meta", "sample_key", "gt_boxes", "gt_labels", "gt_valid", "gt_masks")
MEETING_STEPS = 20  # between two meetings of the ranks on Ascend, where a collective waits for long; of many ranks an eighth of their number


def train(config, work_dir, hooks=()):
    """Train as configured; returns the path of the last checkpoint (None with save_checkpoint=False). hooks: more of them, before `Saving`.

    Writes loss_{rank}.log and, on rank 0, `save_checkpoint_path`/checkpoint/mask_rcnn-{epoch}_{step}.ckpt below `work_dir`, in whose name
    `{rank}` stands for the rank. Ends with exit code 143 or 130 after SIGTERM or Ctrl-C.
    """
    start = None
    if config.pre_trained is not None and config.resume is None:
        config, start = open_start(config)  # a mistake is told before the ranks look for each other
    device = start_device(config)
    with device.team as team:
        run, saving = prepare(config, start, str(work_dir), device, team, hooks)
        run.go()
    return saving.saved


def prepare(config, start, work_dir, device, team, hooks=()):
    """(the Run, its Saving hook): data, network and weights, from the Start, from scratch or as resumed, alike on all ranks."""
    resumed = find_resumed(config, checkpoint_folder(config, work_dir.replace("{rank}", "0")), team)
    if resumed is not None:
        asked_classes = (
            config.coco_classes if "coco_classes" in config.written else resumed.state["asked_classes"]
        )
        config = config_of(config, resumed)
    else:
        if config.pre_trained is not None and start is None:
            config, start = open_start(config)
        asked_classes = config.coco_classes
    folder, manifest = convert_once(config.replace(coco_classes=_tuple(asked_classes)), team)
    config = without_masks(resolve_classes(config, manifest), manifest.has_masks)
    check_settings(config, data_of(manifest), team)
    loads_weights = resumed.state["loads_weights"] if resumed is not None else start is not None
    steps = steps_per_epoch(config, manifest, device.num)
    ms.set_seed(config.seed)
    network = build_network(config, device.target, loads_weights)
    loaded = ("from scratch",)
    if resumed is not None:
        loaded = (f"resumed from {resumed.path}",)
    elif start is not None:
        loaded = load_start(network, start, config)
    network.set_train(True)
    step_cell = make_step(config, network, device.num)
    if resumed is not None:
        check_data(resumed, manifest)
        if device.rank == 0:
            restore(step_cell, network, resumed)
    share_parameters(step_cell, device)
    if device.rank == 0:
        describe(config, device, manifest, network, steps, loaded)
    saving = Saving()
    run = Run(
        config,
        work_dir.replace("{rank}", str(device.rank)),
        device,
        folder,
        steps,
        network,
        step_cell,
        [*default_hooks(config), *hooks, saving],
        resumed,
    )
    run.facts = {"loads_weights": loads_weights, "asked_classes": asked_classes, "data": data_of(manifest)}
    return run, saving


def default_hooks(config):
    """What watches a run, in the order in which it is called after a step; `Saving` follows."""
    return [LossLines(), *watchers(config), SyncCheck()]


def checkpoint_folder(config, work_dir):
    return Path(work_dir) / config.save_checkpoint_path / "checkpoint"


def convert_once(config, team):
    """`ensure_mindrecord`: the first rank converts while the others wait, however long; if it fails, all end with its line."""
    made = ensure_mindrecord(config, team.rank) if team.rank == 0 else None
    team.at("while the data were converted", idle=None)
    team.meet()
    return made or ensure_mindrecord(config, team.rank)  # another host, without rank 0's files, converts now


def _tuple(value):
    return tuple(value) if isinstance(value, list) else value


def without_masks(config, has_masks):
    """The configuration for the data: without masks there is no mask loss, which is said once."""
    if has_masks or config.rcnn_loss_mask_fb_weight == 0:
        return config
    print(
        "the data has boxes but no masks: training box detection only (rcnn_loss_mask_fb_weight=0)",
        flush=True,
    )
    return changed(config, rcnn_loss_mask_fb_weight=0.0)


class Run:
    """One run: what is trained, where it is, and the loop that takes it to its end.

    steps: of an epoch; total: of the run; epoch (from 0) and place: where it is, `place` steps of `epoch` are done; done: steps in all, which
    the learning rate follows; checkpoints: their folder; norm: the kind of norm that was built; resumed: what it goes on from; finish: why to
    end after this epoch; clock: seconds that rank 0's run had taken when the ranks last met, the same on all of them, so that hooks may decide by
    time; compiled: how the graph was had, in words; facts: what else a checkpoint's state tells.
    """

    def __init__(self, config, work_dir, device, folder, steps, network, step_cell, hooks=(), resumed=None):
        self.config, self.device, self.folder, self.steps, self.network, self.step_cell = (
            config,
            device,
            folder,
            steps,
            network,
            step_cell,
        )
        self.hooks, self.resumed, self.facts = list(hooks), resumed, {}
        self.clock, self.compiled, self._began = 0.0, None, time.monotonic()
        self.work_dir = Path(work_dir)
        self.checkpoints = checkpoint_folder(config, work_dir)
        self.norm = norm_kind(config, config.pre_trained is not None)
        self.first_epoch = config.pretrain_epoch_size
        self.rate = schedule(config, steps, device.num)
        self.total = self.rate.steps if config.max_steps is None else min(self.rate.steps, config.max_steps)
        self.epoch, self.place, self.finish = self.first_epoch, 0, None
        self._seen, self._seen_at = 0, 0  # pictures of the epoch that had been seen when `place` was this
        self._busy, self._stop, self._first = False, StopSignals(), True
        if resumed is not None:
            self._go_to(resumed.state)

    @property
    def done(self):
        return (self.epoch - self.first_epoch) * self.steps + self.place

    @property
    def seen(self):
        """Pictures of this epoch that the steps so far have taken."""
        return self._seen + (self.place - self._seen_at) * self.config.batch_size * self.device.num

    def where(self):
        return f"after epoch {self.epoch + 1} step {self.place}"

    def state(self):
        """Where the run is, JSON-able, for a checkpoint; random numbers have no state, each is a function of (seed, epoch, row)."""
        hooks = {type(hook).__name__: hook.state() for hook in self.hooks}
        return {
            "epoch": self.epoch,
            "place": self.place,
            "seen": self.seen,
            "done": self.done,
            "steps": self.steps,
            "device_num": self.device.num,
            "config": {name: self.config[name] for name in sorted(self.config.written)},
            "hooks": {name: state for name, state in hooks.items() if state is not None},
            **self.facts,
        }

    def _go_to(self, state):
        """To where a checkpoint was; with another batch size or number of devices, to the same picture of the epoch."""
        self.epoch, self._seen = state["epoch"], state["seen"]
        self.place = self._seen_at = self._seen // (self.config.batch_size * self.device.num)
        if state["place"] >= state["steps"]:
            self.epoch, self.place, self._seen, self._seen_at = self.epoch + 1, 0, 0, 0
        for hook in self.hooks:
            if type(hook).__name__ in state["hooks"]:
                hook.restore(state["hooks"][type(hook).__name__])

    def go(self):
        """Train to the end. Raises TrainingError for a loss that is not finite, SystemExit after a signal, and whatever a hook raises."""
        with contextlib.ExitStack() as stack:
            for hook in self.hooks:
                stack.callback(hook.close, self)
                hook.start(self)
            stack.enter_context(self._stop)
            try:
                if self.done < self.total:
                    self.train_epochs(
                        stack.enter_context(
                            DataWorkers(self.config, self.folder, self.config.rcnn_loss_mask_fb_weight > 0)
                        )
                    )
            except (DataError, RankError, SystemExit) as error:
                if not self._busy:
                    for hook in self.hooks:
                        hook.rescue(self)
                if isinstance(error, SystemExit):
                    self.device.team.meet()  # msrun would kill the rank that saves when another one has ended
                raise
            for hook in self.hooks:
                hook.end(self)

    def train_epochs(self, workers):
        while True:
            self.train_epoch(workers)
            if self.done >= self.total or self.finish is not None:
                return
            self.epoch, self.place, self._seen, self._seen_at = self.epoch + 1, 0, 0, 0

    def train_epoch(self, workers):
        """The steps of this epoch from `place` on."""
        device = self.device
        batches = iter(
            create_maskrcnn_dataset(
                self.config, self.folder, self.epoch, device.rank, device.num, workers=workers, seen=self.seen
            )
        )
        while True:
            gone = Stopwatch()
            batch = self.next_batch(batches)
            if batch is None:
                self.place = self.steps  # after a change of devices an epoch's last step may be missing
                break
            self.step(batch, gone())
            if self.done >= self.total:
                break
        if self.place == self.steps:
            for hook in self.hooks:
                hook.epoch(self)

    def next_batch(self, batches):
        where = f"epoch {self.epoch + 1} step {self.place + 1}"
        self.device.team.at(f"while it waited for the pictures of {where}")
        try:
            return next(batches, None)
        except WorkerError as error:
            raise WorkerError(
                f"{error} (rank {self.device.rank}, {where}); resume=auto goes on from the last checkpoint"
            ) from None

    def step(self, batch, waited):
        """One training step: run, check, and tell the hooks."""
        rate = self.rate(self.done)
        pictures = batch["image_id"].tolist()
        inputs = (Tensor(np.float32(rate)), *(Tensor(batch[name]) for name in BATCH_NAMES))
        gone = Stopwatch()
        self.agree(pictures, inputs)
        figures = self.run_step(inputs)
        losses = dict(zip(LOSS_NAMES + STEP_NAMES, figures.tolist()))
        self.place += 1
        if not np.isfinite(figures).all():
            raise TrainingError(
                f"a loss is not finite at epoch {self.epoch + 1} step {self.place}, rank {self.device.rank}, pictures {pictures}: "
                + ", ".join(f"{name} {value:.5g}" for name, value in losses.items())
                + "; a lower base_lr or a longer warmup_step may help, weights saved before are untouched"
            )
        step = Step(self.epoch + 1, self.place, self.done, rate, losses, batch, waited, gone())
        for hook in self.hooks:
            hook.step(self, step)

    def agree(self, pictures, inputs):
        """Before a step: end here if a rank was told to stop, and wait for the others where MindSpore would not wait for long."""
        team, on_cpu = self.device.team, self.device.target == "CPU"
        where = f"at epoch {self.epoch + 1} step {self.place + 1}, pictures {pictures}"
        if self._first:
            team.at(f"while it compiled, {where}", idle=None, grace=3)
            gone = Stopwatch()
            done = compile_cell(self.step_cell, inputs, self.config, self.device)
            self.compiled = f"{done} in {gone():.1f} s"
        if (
            on_cpu
            or self._first
            or self.device.num == 1
            or self.done % max(MEETING_STEPS, self.device.num // 8) == 0
        ):
            team.at(where)
            stop, self.clock = team.meet([self.done, self._stop.received], self._agreed)
            if stop:
                name = signal.Signals(stop).name
                if self.device.rank == 0:
                    print(
                        f"{name}: ending {self.where()}"
                        + (
                            f"; resume=auto goes on from {self.checkpoints / LATEST}"
                            if self.config.save_checkpoint
                            else ""
                        ),
                        flush=True,
                    )
                raise SystemExit(128 + stop)
        team.at(where, idle=HANG if on_cpu else 600, grace=3)
        self._first = False

    def _agreed(self, values):
        """[the signal to stop for or 0, the clock], decided on rank 0."""
        for rank, (done, _) in enumerate(values):
            if done != values[0][0]:
                raise TrainingError(
                    f"rank {rank} is at step {done + 1} of the run, rank 0 at step {values[0][0] + 1}: their data differ"
                )
        return [max(stop for _, stop in values), time.monotonic() - self._began]

    def run_step(self, inputs):
        """The figures of a step, float32 [11], as `TrainOneStep` gives them."""
        self._busy = True
        try:
            figures = self.step_cell(*inputs).asnumpy()
        except RuntimeError as error:
            self.device.team.suspect(error)  # a collective fails when another rank does
            raise
        self._busy = False
        return figures
