"""The training loop and the feed of its batches: what a card waits for, and errors in their place."""

from __future__ import annotations

import itertools
import time
from types import SimpleNamespace

import numpy as np
import pytest

from src.engine.distributed.rank_group import RankGroup
from src.engine.hooks.hook import Hook
from src.engine.trainer import Trainer
from src.engine.training.batch_feed import BatchFeed
from src.errors import WorkerError

STEPS = 5
FETCH = 0.05  # seconds until a batch is there


class Card:
    """A step cell that is its own result; what happens is noted in `events`.

    A step has ended `seconds` after its launch.
    """

    def __init__(self, events, seconds):
        self.events = events
        self.seconds = seconds

    def __call__(self, lr, image):
        self.events.append("launch")
        self.ends = time.perf_counter() + self.seconds
        return self

    def asnumpy(self):
        self.events.append("read")
        left = self.ends - time.perf_counter()
        if left > 0:
            time.sleep(left)
        return np.ones(11, np.float32)


class Recorder(Hook):
    def __init__(self):
        self.steps = []
        self.batches = []

    def before_step(self, trainer, batch):
        self.batches.append(float(trainer.inputs[1].asnumpy()[0, 0, 0, 0]))

    def after_step(self, trainer, step):
        self.steps.append(step)


class OneEpoch(Trainer):
    """A trainer of STEPS steps on a `Card`."""

    def __init__(self, target, fails_at=None, total_steps=STEPS, card_seconds=0.0):
        self.device = SimpleNamespace(target=target, rank=0, num=1, group=RankGroup(0, 1))
        self.events = []
        self.step_cell = Card(self.events, card_seconds)
        self.recorder = Recorder()
        self.hooks = [self.recorder]
        self.lr_schedule = lambda step: 0.1
        self.steps_per_epoch = STEPS
        self.total_steps = total_steps
        self.stop_reason = None
        self.images_per_step = 1
        self.fails_at = fails_at
        self._first_epoch = 0
        self._step_is_running = False
        self._start_epoch(0)

    def open_feed(self, workers):
        return BatchFeed(self.slow_batches(), ["image"])

    def slow_batches(self):
        for number in range(STEPS):
            self.events.append("fetch")
            time.sleep(FETCH)
            if number == self.fails_at:
                raise WorkerError("data worker 0 died", [number])
            yield {"image": np.full((1, 2, 2, 3), number, np.float32), "image_id": np.array([number])}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("CPU", ["fetch", "launch", "read"] * STEPS),
        ("Ascend", ["fetch", *["launch", "fetch", "read"] * (STEPS - 1), "launch", "read"]),
    ],
)
def test_the_next_batch_is_fetched_while_a_card_works(target, expected):
    trainer = OneEpoch(target)
    trainer.train(None)
    assert trainer.events == expected
    assert trainer.recorder.batches == list(range(STEPS))


@pytest.mark.parametrize(
    ("target", "card_seconds", "batches"),
    [
        ("CPU", 0.0, STEPS),
        ("CPU", 10 * FETCH, STEPS),
        ("Ascend", 0.0, STEPS),
        ("Ascend", 10 * FETCH, 1),  # an epoch's first: the others came while the card worked
    ],
)
def test_a_second_counts_as_waiting_or_as_the_steps_own(target, card_seconds, batches):
    """`batches` are those that the card, or the CPU, waits for."""
    trainer = OneEpoch(target, card_seconds=card_seconds)
    started = time.perf_counter()
    trainer.train(None)
    elapsed = time.perf_counter() - started
    steps = trainer.recorder.steps
    waits = [step.data_seconds for step in steps]
    assert batches * FETCH <= sum(waits)
    assert sum(wait >= FETCH for wait in waits) == min(batches, STEPS - (target == "Ascend"))
    assert STEPS * card_seconds <= sum(step.seconds for step in steps) <= elapsed - sum(waits)


@pytest.mark.parametrize("target", ["CPU", "Ascend"])
def test_a_worker_that_dies_ends_the_run_after_the_step_before(target):
    """The step that ran meanwhile counts: hooks have seen it, and a checkpoint can be written after it."""
    trainer = OneEpoch(target, fails_at=2)
    with pytest.raises(WorkerError, match=r"data worker 0 died \(rank 0, epoch 1 step 3\); resume=auto"):
        trainer.train(None)
    assert [step.global_step for step in trainer.recorder.steps] == [1, 2]
    assert trainer.global_step == 2
    assert not trainer._step_is_running


@pytest.mark.parametrize("target", ["CPU", "Ascend"])
def test_no_batch_is_fetched_after_the_last_step(target):
    trainer = OneEpoch(target, total_steps=3)
    trainer.train(None)
    assert trainer.events.count("fetch") == 3
    assert [step.step_in_epoch for step in trainer.recorder.steps] == [1, 2, 3]


def test_the_feed_ends_once_and_stays_at_its_end():
    feed = BatchFeed(({"image": np.zeros(number)} for number in range(2)), ["image"])
    lengths = []
    for prepares in itertools.islice(itertools.cycle([True, False]), 5):
        if prepares:
            feed.prepare()
        taken = feed.take()
        lengths.append(taken and len(taken.batch["image"]))
    assert lengths == [0, 1, None, None, None]
