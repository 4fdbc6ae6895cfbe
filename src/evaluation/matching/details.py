"""All figures of a detailed evaluation, as eval_details.json holds them."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Sequence

import numpy as np

from .bootstrap import SAMPLES, intervals
from .calibration import calibration
from .confusion import BACKGROUND, ConfusionMatrix, confusion_matrix
from .label_mistakes import label_mistakes
from .operating_points import best_common_score, best_point, class_sweeps, point_at
from .precision_recall import curves
from .sizes import counts_by_size
from .table import ALL_SIZES, MatchTable
from .tide import Errors, classify_errors, tide

_SEED = 0


class InDepth(NamedTuple):
    """A detailed evaluation of one kind.

    Attributes:
        figures: as eval_details.json holds them; docs/evaluation.md describes them.
        confusion: the confusion matrix, with what each of its cells counts.
        errors: the kind of each error.
    """

    figures: Dict[str, Any]
    confusion: ConfusionMatrix
    errors: Errors


def evaluate_in_depth(table: MatchTable, samples: int = SAMPLES) -> InDepth:
    """Everything of one kind, at the threshold `table.reference` where it is at one.

    Args:
        table: the match table. Its ground truth has an object.
        samples: of the bootstrap.
    """
    threshold = table.reference
    score = best_common_score(table, threshold)
    confusion = confusion_matrix(table, threshold, score)
    errors = classify_errors(table, threshold)
    of_classes = curves(table)
    headline = {name: interval._asdict() for name, interval in intervals(table, samples, _SEED).items()}
    figures = {
        "pictures": len(table.image_ids),
        "iou": table.settings.iou_thresholds[threshold],
        "score": score,
        "headline": headline,
        "classes": class_table(table, threshold, score, of_classes),
        "curves": of_classes,
        "confusion": {"classes": [*table.class_names, BACKGROUND], "matrix": confusion.matrix.tolist()},
        "calibration": calibration(table, threshold),
        "tide": tide(table, threshold, errors),
        "sizes": counts_by_size(table, threshold),
        "label_mistakes": label_mistakes(table, threshold, confusion),
    }
    return InDepth(figures, confusion, errors)


def detailed_figures(table: MatchTable, samples: int = SAMPLES) -> Dict[str, Any]:
    """The figures of `evaluate_in_depth`."""
    return evaluate_in_depth(table, samples).figures


def class_table(
    table: MatchTable, threshold: int, score: float, of_classes: Sequence[Dict[str, Any]]
) -> List[Dict[str, Any]]:
    """A row for each class.

    Args:
        table: the match table.
        threshold: the position of an IoU threshold, for everything but AP.
        score: detections of at least this score are counted in `at_score`.
        of_classes: the `curves` of the table, which give AP.

    Returns:
        [{"class", "category_id", "objects", "detections", "AP", "AP50", "AP75" (None without objects; a
        threshold that is not among the settings has no entry), "best_f1": the counts and rates at the score
        of the best F1, None where nothing is found, "at_score": the same at `score`}]
    """
    of_category = {entry["category_id"]: entry for entry in of_classes}
    objects = table.object_counts()
    counted = ~table.ignored[ALL_SIZES, threshold]
    detections = np.bincount(table.detections.category[counted], minlength=len(objects))
    rows = []
    for category, sweep in enumerate(class_sweeps(table, threshold)):
        category_id = table.category_ids[category]
        best = best_point(sweep)
        row = {
            "class": table.class_names[category],
            "category_id": category_id,
            "objects": int(objects[category]),
            "detections": int(detections[category]),
        }
        for figure in ("AP", "AP50", "AP75"):
            if figure in table.settings.names:
                curve = of_category.get(category_id, {}).get(f"precision{figure[2:]}")
                row[figure] = None if curve is None else float(np.mean(curve))
        row["best_f1"] = None if best is None else best.as_json()
        row["at_score"] = point_at(sweep, score).as_json()
        rows.append(row)
    return rows
