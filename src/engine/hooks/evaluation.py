"""Evaluation while training: COCO AP of the weights and of their average, the best checkpoint, early stop, and pictures of what is found."""

from __future__ import annotations

import dataclasses

from mindspore import Tensor

from ...config import changed
from ...data.images.decode import read_picture
from ...dataset import evaluation_batches, read_source, resolve_classes
from ...errors import ConfigError
from ...maskrcnn.build import build_network
from ...weights.checkpoint import network_settings, write_checkpoint
from ..display.visualize import draw_detections, draw_ground_truth, side_by_side
from ..inference.evaluation import evaluate_network
from ..inference.predictor import detect
from ..training.weight_average import average_entries
from .hook import Hook

BEST = "best.ckpt"
PICTURES = 4  # fixed pictures that are shown
SHOWN_FROM = 0.5  # score


class InferenceTwin:
    """The trained network once more in evaluation mode, with weights of its own: the training graph is not touched.

    Its graph is compiled at the first use and kept.
    """

    def __init__(self, run):
        self.network = build_network(changed(run.config, norm=run.norm), run.device.target).set_train(False)

    def load(self, values):
        """Take {name: Tensor or Parameter} over."""
        for name, parameter in self.network.parameters_dict().items():
            parameter.set_data(Tensor(values[name].asnumpy()))
        return self.network


class Evaluation(Hook):
    """Evaluates on the evaluation split after every `eval_interval` epochs and at the end; every rank takes its share of the pictures.

    The weights, and with `ema_decay` their average too. The best by segm AP (bbox AP for data without masks) is kept as best.ckpt, ready for
    eval.py, predict.py and export.py; after `early_stop` evaluations without a better one the run ends.
    """

    def __init__(self, metrics):
        self.metrics, self.best, self.since, self.evaluated_at = metrics, None, 0, None

    def state(self):
        return {"best": self.best, "since": self.since}

    def restore(self, state):
        self.best, self.since = state["best"], state["since"]

    def start(self, run):
        """Read the data now: what is wrong with them is said before the first step."""
        config = run.config
        self.source = read_source(config, "val")
        found = resolve_classes(config, self.source)
        if found.coco_classes != config.coco_classes:
            raise ConfigError(
                f"the evaluation split's classes {list(found.coco_classes)} are not those of training, {list(config.coco_classes)}"
            )
        if not self.source.has_annotations:
            raise ConfigError(
                f"eval_interval={config.eval_interval}: {self.source.name} has no annotations to evaluate with"
            )
        self.twin = InferenceTwin(run)

    def epoch(self, run):
        if (run.epoch + 1) % run.config.eval_interval == 0:
            self.evaluate(run)

    def end(self, run):
        if self.evaluated_at != run.done:
            self.evaluate(run)

    def evaluate(self, run):
        self.evaluated_at = run.done
        candidates = {"weights": run.network.parameters_dict(), "average": average_entries(run.step_cell)}
        found = {}
        for what, values in candidates.items():
            if values is None:
                continue
            folder = run.work_dir / ("eval" if what == "weights" else "eval_average")
            figures = evaluate_network(
                self.twin.load(values), run.config, self.source, folder, run.device.team
            )
            shown = {
                kind: {name: value for name, value in part.items() if name != "per_class"}
                for kind, part in figures.items()
            }
            self.metrics.note(
                run,
                {"evaluated": what, **shown},
                {
                    f"{kind}{'' if what == 'weights' else '_average'}/{name}": value
                    for kind, part in shown.items()
                    for name, value in part.items()
                },
            )
            found[what] = figures.get("segm", figures.get("bbox"))["AP"]
        self.judge(run, candidates, found)

    def judge(self, run, candidates, found):
        """Keep the best, count evaluations without a better one."""
        what = max(found, key=found.get)
        better = self.best is None or found[what] > self.best
        self.since = 0 if better else self.since + 1
        if better:
            self.best = found[what]
            if run.config.save_checkpoint and run.device.rank == 0:
                write_checkpoint(
                    run.checkpoints / BEST,
                    candidates[what],
                    network_settings(run.config, run.norm),
                    {"epoch_num": run.epoch + 1, "step_num": run.place},
                )
        if run.device.rank == 0:
            kind = "segm" if self.source.has_masks else "bbox"
            print(
                f"epoch {run.epoch + 1}: {kind} AP {', '.join(f'{value:.4f} of the {name}' for name, value in found.items())}; best "
                f"{self.best:.4f}"
                + (f", now in {run.checkpoints / BEST}" if better and run.config.save_checkpoint else ""),
                flush=True,
            )
        if run.config.early_stop is not None and self.since >= run.config.early_stop:
            run.finish = f"no better AP than {self.best:.4f} in {self.since} evaluations (early_stop={run.config.early_stop})"


class Pictures(Hook):
    """What the network finds in four fixed pictures of the evaluation split, beside what is annotated, in TensorBoard.

    After each evaluation, or every `picture_interval` steps. The first rank's work; the others wait for it at the next step.
    """

    def __init__(self, metrics, evaluation=None):
        self.metrics, self.evaluation, self.twin = metrics, evaluation, None

    def start(self, run):
        if run.device.rank != 0:
            return
        source = read_source(run.config, "val") if self.evaluation is None else self.evaluation.source
        self.sample = dataclasses.replace(source, records=source.records[:PICTURES])
        self.twin = InferenceTwin(run) if self.evaluation is None else self.evaluation.twin

    def step(self, run, step):
        every = run.config.picture_interval
        if every is not None and step.done % every == 0:
            self.show(run)

    def epoch(self, run):
        if run.config.picture_interval is None and self.evaluation.evaluated_at == run.done:
            self.show(run)

    def show(self, run):
        if run.device.rank != 0:
            return
        config, number = run.config, 0
        run.device.team.at("while it drew what the network finds", idle=None)
        network = self.twin.load(average_entries(run.step_cell) or run.network.parameters_dict())
        for batch in evaluation_batches(config, self.sample):
            for record, found in zip(self.sample.records[number:], detect(network, batch)):
                picture = read_picture(record.path, (record.height, record.width))
                drawn = draw_detections(
                    picture, found, config.coco_classes, SHOWN_FROM, config.mask_thr_binary
                )
                truth = draw_ground_truth(
                    picture,
                    record.boxes,
                    record.labels,
                    config.coco_classes,
                    record.segmentations,
                    record.crowd,
                )
                self.metrics.picture(
                    run, f"picture_{number}", side_by_side([drawn, truth], ["found", "annotated"])
                )
                number += 1
