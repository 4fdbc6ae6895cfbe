"""How often the intervals of eval_details hold the AP of the population that the pictures come from.

    python -m benchmarks.interval_coverage
    python -m benchmarks.interval_coverage --classes 80 --pictures 400 --population 3000

Draws a population of pictures with detections, takes some of them again and again, and counts how often the
95% interval of AP, AP50 and AP75 holds the population's figure. Prints a JSON object; beside the intervals'
share, that of the samples' own percentiles.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections import defaultdict
from typing import Dict, List

import numpy as np

from benchmarks.evaluation import draw_inputs
from src.evaluation.coco_settings import CocoSettings
from src.evaluation.inputs import EvaluationInputs
from src.evaluation.matching.bootstrap import draw_samples, intervals, sampled_figures
from src.evaluation.matching.table import make_match_table

SETTINGS = CocoSettings(iou_thresholds=(0.5, 0.75))  # two of the ten thresholds, for the time
SAMPLES = 200


class Population:
    """Inputs whose pictures can be taken out quickly."""

    def __init__(self, inputs: EvaluationInputs):
        self.inputs = inputs
        self.objects = self._by_image(inputs.truth.annotations)
        self.detections = self._by_image(inputs.detections)

    def _by_image(self, annotations: List[dict]) -> Dict[int, List[dict]]:
        by_image = defaultdict(list)
        for annotation in annotations:
            by_image[annotation["image_id"]].append(annotation)
        return by_image

    def part(self, image_ids: List[int]) -> EvaluationInputs:
        objects = [item for image_id in image_ids for item in self.objects[image_id]]
        return dataclasses.replace(
            self.inputs,
            truth=dataclasses.replace(self.inputs.truth, annotations=objects),
            detections=[item for image_id in image_ids for item in self.detections[image_id]],
            image_ids=image_ids,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.interval_coverage",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--population", type=int, default=1500)
    parser.add_argument("--detections", type=int, default=20, help="a picture")
    parser.add_argument("--repeats", type=int, default=60)
    args = parser.parse_args()
    population = Population(draw_inputs("bbox", args.population, args.detections, args.classes))
    everything = np.ones((1, args.population), np.int32)
    wanted = sampled_figures(make_match_table(population.inputs, SETTINGS), everything)
    rng = np.random.default_rng(1)
    held = defaultdict(list)
    for repeat in range(args.repeats):
        chosen = np.sort(rng.choice(population.inputs.image_ids, args.pictures, replace=False))
        table = make_match_table(population.part(chosen.tolist()), SETTINGS)
        samples = sampled_figures(table, draw_samples(args.pictures, SAMPLES, repeat))
        for name, interval in intervals(table, SAMPLES, repeat).items():
            value = wanted[name][0]
            low, high = np.quantile(samples[name], [0.025, 0.975])
            held[name].append((interval.low <= value <= interval.high, low <= value <= high))
    shares = {name: np.mean(pairs, axis=0).round(3).tolist() for name, pairs in held.items()}
    report = {
        **vars(args),
        "figure": {name: round(float(values[0]), 4) for name, values in wanted.items()},
        "interval_holds_it": {name: share[0] for name, share in shares.items()},
        "percentiles_hold_it": {name: share[1] for name, share in shares.items()},
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
