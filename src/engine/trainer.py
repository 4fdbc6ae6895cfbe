"""Training: the loop over epochs and steps.

What a run starts with is put together in `train_setup.py`; what else happens around a step is in `hooks/`.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any, Dict, Iterable, Optional

import mindspore as ms
import numpy as np
from mindspore import Tensor

from ..config import Config
from ..data.pipeline.workers import DataWorkers
from ..dataset import create_maskrcnn_dataset, start_workers
from ..errors import DataError, RankError, TrainingError, WorkerError
from ..lr_schedule import schedule
from ..network_define import STEP_NAMES
from ..weights.checkpoint_settings import network_settings
from .display.loss_lines import LOSS_NAMES
from .hooks.default_hooks import make_checkpointing, run_hooks
from .hooks.hook import Hook, Step
from .runtime.device import start_device
from .train_setup import BATCH_NAMES, TrainSetup, checkpoint_dir_of, open_weights, set_up
from .training.batch_feed import BatchFeed, StepInputs
from .training.build_step import reads_overflow_flags
from .training.step_errors import not_finite_line, step_memory


def train(config: Config, work_dir, hooks: Iterable[Hook] = ()) -> Optional[Path]:
    """Train as configured.

    Args:
        config: The run's settings.
        work_dir: Where loss_{rank}.log and the folder `save_checkpoint_path` go; `{rank}` in it is the rank's
            number.
        hooks: Further hooks, called before the checkpoint is written.

    Returns:
        On rank 0 the path of the last checkpoint; of a finished run that was resumed, that of its last one.
        None with save_checkpoint=False.

    Raises:
        SystemExit: With code 143 or 130, after SIGTERM or Ctrl-C.
    """
    config, weights = open_weights(config)  # a wrong file is reported before the ranks connect
    device = start_device(config.device_target, config.jit_level)
    with device.group:
        setup = set_up(config, weights, str(work_dir), device)
        checkpointing = make_checkpointing(setup.config)
        all_hooks = run_hooks(
            setup.config, setup.norm, device.target, setup.evaluation_data, hooks, checkpointing
        )
        trainer = Trainer(setup, all_hooks)
        if not trainer.is_finished():
            trainer.run()
            return checkpointing.saved
    if device.rank != 0:
        return None
    print(f"{setup.resumed.path} is the end of its run: nothing is left to do", flush=True)
    return Path(setup.resumed.path)


class Trainer:
    """One run: what is trained, its position, and the loop that takes it to its end.

    Attributes:
        config, device, step_cell, resumed, steps_per_epoch: See `TrainSetup`.
        network_settings: The settings that the network's weights need; every checkpoint carries them.
        trains_masks: Whether the mask head is trained.
        images_per_step: Pictures that a step takes on all devices.
        work_dir, checkpoint_dir: Where the run writes.
        lr_schedule: The learning rate as a function of `global_step`.
        total_steps: Steps of the whole run.
        epoch: From 0.
        step_in_epoch: Steps of `epoch` that are done.
        inputs: The tensors of the current step, in the step cell's order.
        stop_reason: Why the run ends after this epoch; None: it goes on.
        elapsed_seconds: Of the run, the same on all ranks.
        compile_summary: How the graph was obtained; None before it was.
    """

    def __init__(self, setup: TrainSetup, hooks: Iterable[Hook]):
        self.config = setup.config
        self.device = setup.device
        self.data_dir = setup.data_dir
        self.step_cell = setup.step_cell
        self.resumed = setup.resumed
        self.steps_per_epoch = setup.steps_per_epoch
        self.saved_facts = setup.saved_facts
        self.network_settings = network_settings(self.config, setup.norm)
        self.trains_masks = self.config.rcnn_loss_mask_fb_weight > 0
        self.images_per_step = self.config.batch_size * self.device.num
        self.work_dir = Path(setup.work_dir.replace("{rank}", str(self.device.rank)))
        self.checkpoint_dir = checkpoint_dir_of(self.config, self.work_dir)
        self.lr_schedule = schedule(self.config, self.steps_per_epoch, self.device.num)
        self.total_steps = self.lr_schedule.steps
        if self.config.max_steps is not None:
            self.total_steps = min(self.total_steps, self.config.max_steps)
        self.hooks = list(hooks)
        self.inputs = ()
        self.stop_reason = None
        self.elapsed_seconds = 0.0
        self.compile_summary = None
        self._step_is_running = False
        self._first_epoch = self.config.pretrain_epoch_size
        self._start_epoch(self._first_epoch)
        if self.resumed is not None:
            self.load_state_dict(self.resumed.state)

    # ---- the loop

    def run(self) -> None:
        """Train to the end.

        Raises:
            TrainingError: A loss is not finite.
            SystemExit: A signal ended the run.
        """
        with contextlib.ExitStack() as stack:
            for hook in self.hooks:
                stack.callback(hook.close, self)
                hook.before_train(self)
            if self.step_in_epoch == self.steps_per_epoch and self.global_step < self.total_steps:
                self._start_epoch(self.epoch + 1)
            try:
                if self.global_step < self.total_steps:
                    workers = start_workers(self.config, self.data_dir, self.trains_masks)
                    self.train(stack.enter_context(workers))
            except (DataError, RankError, SystemExit) as error:
                self._interrupted(error)
                raise
            self.call("after_train")

    def is_finished(self) -> bool:
        """Whether the run was resumed at its end, with nothing left to do."""
        if self.resumed is None or self.global_step < self.total_steps:
            return False
        return not any(hook.is_pending(self) for hook in self.hooks)

    def train(self, workers: DataWorkers) -> None:
        """The training loop."""
        while True:
            feed = self.open_feed(workers)
            while self.global_step < self.total_steps:
                started = time.perf_counter()
                taken = self.take_batch(feed)
                if taken is None:
                    # An epoch that was resumed with another number of devices may have one step less.
                    self.step_in_epoch = self.steps_per_epoch
                    break
                batch = taken.batch
                lr = self.lr_schedule(self.global_step)
                self.inputs = (Tensor(np.float32(lr)), *taken.tensors)
                self.call("before_step", batch)
                losses = self.run_step(batch, feed)
                data_seconds = feed.waited()
                seconds = time.perf_counter() - started - data_seconds
                position = (self.epoch + 1, self.step_in_epoch, self.global_step)
                step = Step(*position, lr, losses, batch, data_seconds, seconds)
                self.call("after_step", step)
            if self.step_in_epoch == self.steps_per_epoch:
                self.call("after_epoch")
            if self.global_step >= self.total_steps or self.stop_reason is not None:
                return
            self._start_epoch(self.epoch + 1)

    def run_step(self, batch: Dict[str, Any], feed: BatchFeed) -> Dict[str, float]:
        """{name: value} of the losses and of STEP_NAMES, after one training step on `inputs`.

        Raises:
            TrainingError: One of them is not finite; the line names the batch's pictures.
            CardMemoryError: The device's memory does not suffice.
        """
        self._step_is_running = True
        try:
            with step_memory(batch["image"].shape):
                output = self.step_cell(*self.inputs)
                if self.device.target == "Ascend" and self.global_step + 1 < self.total_steps:
                    feed.prepare()  # the card works by itself; on the CPU the step is done by now
                values = feed.read(output)
        except RuntimeError as error:
            self.device.group.raise_if_rank_failed(error)  # a collective fails when another rank does
            raise
        self._step_is_running = False
        self.step_in_epoch += 1
        losses = dict(zip(LOSS_NAMES + STEP_NAMES, values.tolist()))
        if not np.isfinite(values).all():
            where = f"epoch {self.epoch + 1} step {self.step_in_epoch}, rank {self.device.rank}"
            is_half = self.network.dtype == ms.float16 and self.config.loss_scale != "dynamic"
            where += f", pictures {batch['image_id'].tolist()}"
            by_flags = reads_overflow_flags(self.config, self.network.dtype)
            raise TrainingError(not_finite_line(where, losses, is_half, by_flags))
        return losses

    def open_feed(self, workers: DataWorkers) -> BatchFeed:
        """The batches of the rest of this epoch."""
        batches = create_maskrcnn_dataset(
            self.config,
            self.data_dir,
            self.epoch,
            self.device.rank,
            self.device.num,
            workers=workers,
            images_seen=self.images_seen,
        )
        return BatchFeed(batches, BATCH_NAMES)

    def take_batch(self, feed: BatchFeed) -> Optional[StepInputs]:
        """What the next step takes; None after the epoch's last one."""
        where = f"epoch {self.epoch + 1} step {self.step_in_epoch + 1}"
        self.device.group.report(f"while it waited for the pictures of {where}")
        try:
            return feed.take()
        except WorkerError as error:
            raise WorkerError(
                f"{error} (rank {self.device.rank}, {where}); resume=auto goes on from the last checkpoint"
            ) from None

    def call(self, method: str, *arguments) -> None:
        """Call a method of every hook, in their order."""
        for hook in self.hooks:
            getattr(hook, method)(self, *arguments)

    def _interrupted(self, error: BaseException) -> None:
        if not self._step_is_running:
            self.call("on_interrupt")
        if isinstance(error, SystemExit):
            # msrun kills a rank that still saves as soon as another one has ended: wait for each other.
            self.device.group.barrier()

    @property
    def network(self) -> ms.nn.Cell:
        """The network with its weights as they are now; the step cell may hold them in another form."""
        self.step_cell.checkpoint_parameters()
        return self.step_cell.loss_net.network

    # ---- the position

    @property
    def global_step(self) -> int:
        """Steps of the run that are done; the learning rate follows it."""
        return (self.epoch - self._first_epoch) * self.steps_per_epoch + self.step_in_epoch

    @property
    def images_seen(self) -> int:
        """Pictures of this epoch that its steps have taken."""
        new_steps = self.step_in_epoch - self._resumed_step
        return self._resumed_images + new_steps * self.images_per_step

    def position_text(self) -> str:
        return f"after epoch {self.epoch + 1} step {self.step_in_epoch}"

    def next_step_text(self, batch: Dict[str, Any]) -> str:
        step = self.step_in_epoch + 1
        return f"at epoch {self.epoch + 1} step {step}, pictures {batch['image_id'].tolist()}"

    def state_dict(self) -> Dict[str, Any]:
        """Where the run is, JSON-able.

        Random numbers have no state: each is a function of (seed, epoch, row).
        """
        hooks = {type(hook).__name__: hook.state_dict() for hook in self.hooks}
        return {
            "epoch": self.epoch,
            "place": self.step_in_epoch,
            "seen": self.images_seen,
            "done": self.global_step,
            "steps": self.steps_per_epoch,
            "device_num": self.device.num,
            "config": {name: self.config[name] for name in sorted(self.config.written)},
            "hooks": {name: state for name, state in hooks.items() if state is not None},
            **self.saved_facts,
        }

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """Go to where a checkpoint was; with another batch size or number of devices, to the same picture."""
        if state["place"] >= state["steps"]:
            self._start_epoch(state["epoch"], self.steps_per_epoch)
        else:
            step = state["seen"] // self.images_per_step
            self._start_epoch(state["epoch"], step, state["seen"])
        for hook in self.hooks:
            if type(hook).__name__ in state["hooks"]:
                hook.load_state_dict(state["hooks"][type(hook).__name__])

    def _start_epoch(self, epoch: int, step_in_epoch: int = 0, images_seen: int = 0) -> None:
        self.epoch = epoch
        self.step_in_epoch = step_in_epoch
        # images_seen counts on from here: the steps before may have had another batch size.
        self._resumed_step = step_in_epoch
        self._resumed_images = images_seen
