"""Pictures of detections beside the ground truth, in TensorBoard while training."""

from __future__ import annotations

from typing import Optional

from ...data.annotations.records import DataSource
from ...data.images.decode import read_picture
from ...data.pipeline.evaluation_batches import evaluation_batches
from ..display.visualize import found_beside_annotated
from ..inference.detections import detect
from ..inference.evaluation import EvaluationSettings
from ..training.weight_average import average_entries
from .evaluation import Evaluation, EvaluationNetwork
from .hook import Hook, Step
from .metrics import Metrics

PICTURES = 4  # the first ones of the evaluation split
SCORE_THRESHOLD = 0.5


class DetectionPictures(Hook):
    """What the network detects in four fixed pictures of the evaluation split, beside what is annotated.

    After each evaluation, or every `interval` steps. The first rank draws; the others wait for it at the next
    step.

    Args:
        metrics: The hook that shows the pictures.
        network: The network that detects.
        source: The checked evaluation split, with training's classes.
        settings: Of an evaluation.
        interval: Steps from one drawing to the next; None: after each evaluation.
        evaluation: The hook that evaluates; None: there is none.
    """

    def __init__(
        self,
        metrics: Metrics,
        network: EvaluationNetwork,
        source: DataSource,
        settings: EvaluationSettings,
        interval: Optional[int],
        evaluation: Optional[Evaluation],
    ):
        self.metrics = metrics
        self.network = network
        self.records = source.records[:PICTURES]
        self.class_names = source.class_names
        self.settings = settings
        self.interval = interval
        self.evaluation = evaluation

    def before_train(self, trainer) -> None:
        if trainer.device.rank == 0:
            self.network.build()

    def after_step(self, trainer, step: Step) -> None:
        if self.interval is not None and step.global_step % self.interval == 0:
            self.draw(trainer)

    def after_epoch(self, trainer) -> None:
        if self.interval is None and self.evaluation.evaluated_at == trainer.global_step:
            self.draw(trainer)

    def draw(self, trainer) -> None:
        if trainer.device.rank != 0:
            return
        trainer.device.group.report("while it drew pictures of detections", idle_limit=None)
        weights = average_entries(trainer.step_cell) or trainer.network.parameters_dict()
        network = self.network.load(weights)
        records = iter(enumerate(self.records))
        for batch in evaluation_batches(self.settings.batches, self.records):
            for detections in detect(network, batch):
                number, record = next(records)
                picture = read_picture(record.path, (record.height, record.width))
                both = found_beside_annotated(
                    picture,
                    detections,
                    record,
                    self.class_names,
                    SCORE_THRESHOLD,
                    self.settings.mask_threshold,
                )
                self.metrics.add_picture(trainer, f"picture_{number}", both)
