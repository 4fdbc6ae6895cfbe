"""Whether an exported file does what its checkpoint does, measured on the user's own pictures."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from ...config import Config, changed
from ...data.annotations.records import DataSource
from ...data.images.paste_rle import pasted_rle
from ...errors import DataError, UserError
from ...evaluation.coco_engine import coco_arrays, installed_engine
from ...evaluation.coco_metrics import figures_of
from ...evaluation.coco_settings import CocoSettings
from ...evaluation.inputs import read_inputs
from ...evaluation.result_rows import detections_to_results
from ..inference.evaluation import evaluation_settings
from .measure import Measured, measure
from .partners import SAME_OBJECT, partner_share
from .pictures import proof_pictures

# Objects of pictures without annotations: what the checkpoint finds with at least this score.
OBJECT_SCORE = 0.5


@dataclass(frozen=True)
class ProofSettings:
    """How an exported file is proved.

    Attributes:
        pictures: How many pictures at most; None: all.
        limit: By how much the AP may fall, of boxes and of masks.
    """

    pictures: Optional[int] = None
    limit: float = 0.01


@dataclass(frozen=True)
class Proof:
    """What was measured. JSON can hold it, see `as_dict`.

    Attributes:
        truth: What the AP is computed with: "annotations", or "the checkpoint's detections".
        pictures: How many.
        checkpoint, file: {"bbox_AP", "segm_AP", "seconds", "memory_mb"} of each; an AP is None where there
            are no objects, or no masks.
        partners: The share of detections that both have, see `partners.SAME`.
        same_objects: The share of detections that both have, less exactly: `partners.SAME_OBJECT`.
        limit: By how much the AP might have fallen.
        machine: The processor.
    """

    truth: str
    pictures: int
    checkpoint: Dict[str, Any]
    file: Dict[str, Any]
    partners: float
    same_objects: float
    limit: float
    machine: str

    def as_dict(self) -> Dict[str, Any]:
        return asdict(self)

    def largest_fall(self) -> float:
        """By how much the AP fell, of boxes or masks; 0 where it rose."""
        falls = [0.0]
        for kind in ("bbox_AP", "segm_AP"):
            if self.checkpoint[kind] is not None:
                falls.append(self.checkpoint[kind] - self.file[kind])
        return max(falls)


def prove(config: Config, path: Path, settings: ProofSettings, files: Sequence[str] = ()) -> Proof:
    """Evaluate the checkpoint of a configuration and the file that was made of it.

    Args:
        config: The settings, with those of the checkpoint.
        path: The exported file.
        settings: How many pictures, and the limit.
        files: Pictures, folders, patterns; none: the validation split.

    Raises:
        DataError: The pictures cannot be used or have no objects, or the checkpoint finds nothing in them.
        UserError: A network could not be run.
    """
    source = proof_pictures(config, files, settings.pictures)
    paths = [record.path for record in source.records]
    of_checkpoint = measure(config, paths)
    of_file = measure(changed(config, checkpoint_path=str(path)), paths)
    if not any(len(one["scores"]) for one in of_checkpoint.found):
        raise DataError(
            f"--prove: the checkpoint finds nothing in the {len(paths)} pictures of the proof; "
            "take others, or a lower test_score_thr"
        )
    threshold = config.mask_thr_binary
    truth = source if source.has_annotations else _found_objects(source, of_checkpoint.found, threshold)
    figures = evaluation_settings(config).figures

    def figures_of_network(measured: Measured) -> Dict[str, Any]:
        return {
            **average_precisions(truth, source, measured.found, figures, threshold),
            "seconds": round(measured.seconds, 4),
            "memory_mb": measured.memory_mb,
        }

    exact = figures_of_network(of_checkpoint)
    if exact["bbox_AP"] is None or exact["bbox_AP"] < 0:
        raise DataError(
            f"--prove: the {len(paths)} pictures of the proof have no objects that count, so there is no "
            "AP to compare; take more with --pictures, or others"
        )
    return Proof(
        truth="annotations" if source.has_annotations else "the checkpoint's detections",
        pictures=len(paths),
        checkpoint=exact,
        file=figures_of_network(of_file),
        partners=partner_share(of_checkpoint.found, of_file.found),
        same_objects=partner_share(of_checkpoint.found, of_file.found, SAME_OBJECT),
        limit=settings.limit,
        machine=_processor(),
    )


def refuse_fall(proof: Proof, name: object) -> None:
    """Raises UserError where the AP fell by more than the limit."""
    if proof.largest_fall() > proof.limit:
        raise UserError(
            f"{name}: its AP is {proof.largest_fall():.4f} below the checkpoint's, more than "
            f"--ap-limit {proof.limit:g}; the file was not kept"
        )


def average_precisions(
    truth: Any,
    source: DataSource,
    found: Sequence[Mapping[str, Any]],
    figures: CocoSettings,
    threshold: float,
) -> Dict[str, Optional[float]]:
    """{"bbox_AP": ..., "segm_AP": ...} of detections in a source's pictures; None without objects.

    Args:
        truth: The objects, as `read_inputs` takes them.
        source: The pictures.
        found: Of each picture what `detect` gives.
        figures: Of the evaluation.
        threshold: The probability from which on a mask's pixel is set.
    """
    rows: Tuple[List[dict], List[dict]] = ([], [])
    with_masks = source.has_masks
    for record, one in zip(source.records, found):
        of_picture = detections_to_results(
            one, record.image_id, record.height, record.width, source.category_ids, threshold, with_masks
        )
        for all_rows, more in zip(rows, of_picture):
            all_rows.extend(more)
    answer: Dict[str, Optional[float]] = {}
    for kind, kind_rows in zip(("bbox", "segm"), rows):
        answer[f"{kind}_AP"] = None
        if kind == "segm" and not with_masks:
            continue
        inputs = read_inputs(truth, kind_rows, kind)
        if inputs.truth.annotations:
            arrays = coco_arrays(inputs, figures, installed_engine())
            answer[f"{kind}_AP"] = round(figures_of(arrays, figures)["AP"], 6)
    return answer


def _found_objects(
    source: DataSource, found: Sequence[Mapping[str, Any]], threshold: float
) -> Dict[str, Any]:
    """COCO's JSON of what a network finds with certainty, as objects."""
    annotations: List[Dict[str, Any]] = []
    for record, one in zip(source.records, found):
        for i in np.flatnonzero(np.asarray(one["scores"]) >= OBJECT_SCORE).tolist():
            x1, y1, x2, y2 = np.asarray(one["boxes"][i], np.float64).tolist()
            mask = pasted_rle(one["masks"][i], (x1, y1, x2, y2), record.height, record.width, threshold)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": record.image_id,
                    "category_id": int(one["labels"][i]),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                    "segmentation": mask,
                }
            )
    if not annotations:
        raise DataError(
            f"--prove: the checkpoint finds nothing with a score of {OBJECT_SCORE} in the "
            f"{len(source.records)} pictures of the proof; take others, or a data set with annotations"
        )
    return {
        "images": [
            {"id": record.image_id, "file_name": record.path, "height": record.height, "width": record.width}
            for record in source.records
        ],
        "categories": [
            {"id": number, "name": name} for number, name in enumerate(source.class_names) if number
        ],
        "annotations": annotations,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []  # not Linux
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
