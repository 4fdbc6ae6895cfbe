"""Pictures of detections beside the ground truth, in TensorBoard while training."""

from __future__ import annotations

import dataclasses
from typing import Optional

from ...data.images.decode import read_picture
from ...data.pipeline.evaluation_batches import evaluation_batches
from ...data_settings import evaluation_batch_settings
from ...dataset import read_source
from ..display.visualize import found_beside_annotated
from ..inference.detections import detect
from ..training.weight_average import average_entries
from .evaluation import Evaluation, EvaluationNetwork
from .hook import Hook, Step
from .metrics import Metrics

PICTURES = 4  # the first ones of the evaluation split
SCORE_THRESHOLD = 0.5


class DetectionPictures(Hook):
    """What the network detects in four fixed pictures of the evaluation split, beside what is annotated.

    After each evaluation, or every `picture_interval` steps. The first rank draws; the others wait for it at
    the next step.
    """

    def __init__(self, metrics: Metrics, evaluation: Optional[Evaluation] = None):
        self.metrics = metrics
        self.evaluation = evaluation

    def before_train(self, trainer) -> None:
        if trainer.device.rank != 0:
            return
        if self.evaluation is None:
            source = read_source(trainer.config, "val")
            self.evaluation_network = EvaluationNetwork(trainer)
        else:
            source = self.evaluation.source
            self.evaluation_network = self.evaluation.evaluation_network
        self.sample = dataclasses.replace(source, records=source.records[:PICTURES])
        if self.evaluation is None:  # else the pictures are checked already
            for record in self.sample.records:
                read_picture(record.path, (record.height, record.width))  # what cannot be read is told now

    def after_step(self, trainer, step: Step) -> None:
        interval = trainer.config.picture_interval
        if interval is not None and step.global_step % interval == 0:
            self.draw(trainer)

    def after_epoch(self, trainer) -> None:
        if trainer.config.picture_interval is None and self.evaluation.evaluated_at == trainer.global_step:
            self.draw(trainer)

    def draw(self, trainer) -> None:
        if trainer.device.rank != 0:
            return
        config = trainer.config
        trainer.device.group.report("while it drew pictures of detections", idle_limit=None)
        weights = average_entries(trainer.step_cell) or trainer.network.parameters_dict()
        network = self.evaluation_network.load(weights)
        records = iter(enumerate(self.sample.records))
        for batch in evaluation_batches(evaluation_batch_settings(config), self.sample.records):
            for detections in detect(network, batch):
                number, record = next(records)
                picture = read_picture(record.path, (record.height, record.width))
                both = found_beside_annotated(
                    picture, detections, record, config.coco_classes, SCORE_THRESHOLD, config.mask_thr_binary
                )
                self.metrics.add_picture(trainer, f"picture_{number}", both)
