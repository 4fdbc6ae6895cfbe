"""What the commands do with a data set, step by step in this process, without a network."""

from __future__ import annotations

import contextlib
import io
import json
import traceback
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional

import numpy as np
from pycocotools import mask as mask_api

from src import data_settings
from src.config import Config, load_config
from src.data.annotations.records import DataSource
from src.data.check.data_check import DataCheck, check_data, report_text
from src.data.check.statistics import data_statistics, measure_objects
from src.data.check.statistics_table import statistics_text
from src.data.mindrecord.converter import Conversion
from src.data.mindrecord.row_format import StoredObjects
from src.data.mindrecord.shard_reader import ShardReader
from src.data.pipeline.evaluation_batches import evaluation_batches
from src.data.pipeline.training_example import batch_layout, fill_example
from src.dataset import ensure_mindrecord, resolve_classes
from src.engine.distributed.rank_group import RankGroup
from src.engine.inference.evaluation_data import checked_evaluation_data
from src.errors import UserError
from src.evaluation.coco_metrics import evaluate_coco
from src.evaluation.ground_truth import record_annotation

CANVAS = 128
SLOTS = 8
WORDS = [
    f"img_height={CANVAS}",
    f"img_width={CANVAS}",
    f"max_instance_count={SLOTS}",
    "gt_mask_size=28",
    "coco_classes=auto",
    "num_parallel_workers=1",
]


class Failure(NamedTuple):
    """Something that must not be.

    Attributes:
        step: what was done.
        text: what is wrong; a stack trace for an error.
    """

    step: str
    text: str


class Refused(Exception):
    """A step that ended with one line for the user; the steps after it cannot be done."""


class Steps:
    """Does steps and collects what is wrong with them.

    Attributes:
        failures: so far.
        outcomes: {step: "ok", or the error's line}.
    """

    def __init__(self):
        self.failures: List[Failure] = []
        self.outcomes: Dict[str, str] = {}

    def do(self, step: str, function: Callable[..., Any], *args: Any) -> Any:
        """function(*args). Raises Refused for a UserError; other errors are failures, and then None."""
        try:
            with warnings.catch_warnings():
                # users would see it, with a line of the code
                warnings.simplefilter("error", RuntimeWarning)
                result = function(*args)
        except UserError as error:
            line = str(error)
            if not line.isprintable():
                self.failures.append(
                    Failure(step, f"the error is not one line that can be printed: {line!r}")
                )
            self.outcomes[step] = line
            raise Refused(step) from None
        except Exception:  # all others are what the test looks for
            self.failures.append(Failure(step, traceback.format_exc()))
            self.outcomes[step] = "failed"
            return None
        self.outcomes[step] = "ok"
        return result

    def expect(self, step: str, is_right: bool, text: str) -> None:
        """A failure unless `is_right`."""
        if not is_right:
            self.failures.append(Failure(step, text))


def try_in_process(root: Path, words: List[str], folder: Path) -> Steps:
    """Check, convert, draw training examples and evaluate a data set.

    Args:
        root: the data set.
        words: its settings.
        folder: an empty one for what is written.
    """
    steps = Steps()
    config = load_config([f"coco_root={root}", f"mindrecord_dir={folder / 'records'}", *WORDS, *words])
    checks = {split: _check(steps, config, split, folder) for split in ("train", "val")}
    with contextlib.suppress(Refused):
        _train(steps, config, checks["train"])
    with contextlib.suppress(Refused):
        _evaluate(steps, config, checks)
    return steps


def _check(steps: Steps, config: Config, split: str, folder: Path) -> Optional[DataCheck]:
    """What check_data.py does; None if it fails."""
    name = f"check {split}"
    settings = data_settings.data_check_settings(config, split)
    with contextlib.suppress(Refused):
        check = steps.do(name, lambda: check_data(settings, quiet=True))
        if check is None:
            return None
        lines = report_text(check)
        lines += check.findings.summary()
        for line in lines:
            steps.expect(name, line.isprintable(), f"a line that cannot be printed: {line!r}")
        steps.expect(name, check.exit_code in (0, 1, 2), f"exit code {check.exit_code}")
        if check.source is not None and check.source.records:
            steps.do(f"statistics {split}", _measure, config, check)
        steps.do(f"report {split}", check.save, folder / f"{split}.json")
        return check
    return None


def _measure(config: Config, check: DataCheck) -> None:
    config = resolve_classes(config, check.source)
    settings = data_settings.statistics_settings(config)
    check.statistics = data_statistics(settings, check.source, measure_objects(settings, check.source))
    for line in statistics_text(check.statistics):
        assert line.isprintable(), line
    json.dumps(check.as_json()).encode()


def _train(steps: Steps, config: Config, check: Optional[DataCheck]) -> None:
    """Convert, draw every training example, and compare with what evaluation would take of the same file."""
    is_fatal = check is None or check.exit_code == 2
    try:
        conversion = steps.do("conversion", ensure_mindrecord, config, 1)
    except Refused:
        steps.expect("conversion", is_fatal, f"not fatal for check_data.py: {steps.outcomes['conversion']}")
        raise
    if conversion is None:
        return
    steps.expect("conversion", not is_fatal, "fatal for check_data.py, but converted")
    config = resolve_classes(config, conversion.manifest)
    stored = _stored_objects(conversion)
    steps.do("training examples", _draw_examples, config, conversion, stored)
    try:
        source = steps.do("evaluation of train", _read, config.replace(val_data_type=config.train_data_type))
    except Refused:
        steps.expect("evaluation of train", False, steps.outcomes["evaluation of train"])
        raise
    if source is not None:
        steps.do("equal objects", compare_objects, stored, source)


def _stored_objects(conversion: Conversion) -> Dict[int, StoredObjects]:
    """{image id: what is stored of it}."""
    reader = ShardReader(conversion.folder, conversion.manifest)
    stored = {int(reader.rows[row]["image_id"]): reader.read(row).objects for row in range(len(reader.rows))}
    reader.close()
    return stored


def _draw_examples(config: Config, conversion: Conversion, stored: Dict[int, StoredObjects]) -> None:
    """Every row as a training example, its boxes within the canvas."""
    settings = data_settings.example_settings(config)
    reader = ShardReader(conversion.folder, conversion.manifest)
    arrays = {name: np.zeros(shape, dtype) for name, (dtype, shape) in batch_layout(settings, 1).items()}
    for row in range(len(reader.rows)):
        fill_example(settings, reader, 0, row, conversion.manifest.has_masks, arrays, 0)
        boxes = arrays["gt_boxes"][0][arrays["gt_valid"][0]]
        assert np.isfinite(boxes).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all(), boxes
        assert (boxes >= 0).all(), boxes
        assert (boxes <= CANVAS + 1e-3).all(), boxes
        labels = arrays["gt_labels"][0][arrays["gt_valid"][0]]
        assert ((labels >= 1) & (labels < config.num_classes)).all(), labels
    reader.close()


def _read(config: Config) -> DataSource:
    """The pictures and objects of an evaluation."""
    return checked_evaluation_data(data_settings.data_check_settings(config, "val"), RankGroup())


def compare_objects(stored: Dict[int, StoredObjects], source: DataSource) -> None:
    """Assert that evaluation takes the objects that training takes.

    Of pictures with more than SLOTS objects, training takes SLOTS of evaluation's.
    """
    evaluated = {}
    for record in source.records:
        kept = np.flatnonzero(~record.crowd)
        if len(kept):
            evaluated[record.image_id] = (record, kept)
    assert set(evaluated) == {image_id for image_id, objects in stored.items() if len(objects.labels)}
    for image_id, (record, kept) in evaluated.items():
        objects = stored[image_id]
        if len(kept) > SLOTS:
            assert len(objects.labels) == SLOTS
            kept = [i for i in kept if (record.boxes[i].astype(np.float32) == objects.boxes).all(1).any()][
                :SLOTS
            ]
        np.testing.assert_array_equal(objects.labels, record.labels[kept])
        np.testing.assert_allclose(objects.boxes, record.boxes[kept], rtol=1e-6, atol=1e-4)
        if source.has_masks:
            for segmentation, i in zip(objects.segmentations, kept):
                _compare_masks(segmentation, record.segmentations[i])


def _compare_masks(stored: Any, evaluated: Any) -> None:
    """Assert that a stored segmentation and a record's are the same."""
    if isinstance(stored, list):
        assert len(stored) == len(evaluated)
        for polygon, other in zip(stored, evaluated):
            np.testing.assert_allclose(polygon, np.asarray(other), rtol=1e-6, atol=1e-4)
        return
    left, top = stored["origin"]
    cropped = mask_api.decode({"size": stored["size"], "counts": stored["counts"]})
    whole = mask_api.decode(evaluated)
    assert (whole[top : top + cropped.shape[0], left : left + cropped.shape[1]] == cropped).all()


def _evaluate(steps: Steps, config: Config, checks: Dict[str, Optional[DataCheck]]) -> None:
    """Evaluate the validation split with the training split's classes: its own objects as detections."""
    train = checks["train"]
    if train is not None and train.source is not None and train.exit_code != 2:
        config = resolve_classes(config, train.source)
    val = checks["val"]
    is_fatal = val is None or val.exit_code == 2
    try:
        source = steps.do("evaluation", _read, config)
    except Refused:
        line = steps.outcomes["evaluation"]
        has_other_classes = "not in coco_classes" in line
        steps.expect("evaluation", is_fatal or has_other_classes, f"not fatal for check_data.py: {line}")
        raise
    if source is None:
        return
    config = resolve_classes(config, source)
    steps.expect("evaluation", not is_fatal, "fatal for check_data.py, but evaluated")
    batches = data_settings.evaluation_batch_settings(config.replace(test_batch_size=2))
    steps.do("evaluation's pictures", lambda: list(evaluation_batches(batches, source.records)))
    for kind in ("bbox", "segm") if source.has_masks else ("bbox",):
        steps.do(f"figures of {kind}", _check_figures, source, kind)


def _check_figures(source: DataSource, kind: str) -> None:
    """Assert that detections which are the objects themselves get AP 1; -1 without an object.

    pycocotools leaves objects over 1e10 square pixels out. A mask without a pixel, as that of a tiny polygon,
    overlaps with nothing.
    """
    rows = []
    for record in source.records:
        for i in np.flatnonzero(~record.crowd).tolist():
            annotation = record_annotation(record, i, source.category_ids)
            row = {"image_id": annotation["image_id"], "category_id": annotation["category_id"], "score": 0.5}
            if kind == "bbox":
                row["bbox"] = annotation["bbox"]
            else:
                row["segmentation"] = _as_rle(annotation["segmentation"], record.height, record.width)
                if not mask_api.area(row["segmentation"]):
                    return
            rows.append(row)
    with contextlib.redirect_stdout(io.StringIO()):
        figures = evaluate_coco(source, rows, kind)
    if not figures:
        assert not any(len(record.boxes) for record in source.records) or kind == "segm"
        return
    assert figures["AP"] == -1 or figures["AP"] > 0.99, (kind, figures)


def _as_rle(segmentation: Any, height: int, width: int) -> dict:
    """A record's segmentation as compressed RLE with text, as result files have it."""
    if isinstance(segmentation, list):
        polygons = [np.asarray(polygon, np.float64).tolist() for polygon in segmentation]
        rle = mask_api.merge(mask_api.frPyObjects(polygons, height, width))
    elif isinstance(segmentation["counts"], list):
        rle = mask_api.frPyObjects(segmentation, height, width)
    else:
        return segmentation
    return {"size": rle["size"], "counts": rle["counts"].decode()}
