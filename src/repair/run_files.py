"""Where a run has its results, and which annotations they belong to."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional, Union

from ..engine.inference.run_report import with_paths
from ..engine.results_evaluator import checked_inputs
from ..errors import DataError
from ..evaluation.coco_settings import CocoSettings
from ..evaluation.ground_truth import read_annotations_alone
from ..evaluation.matching.table import make_match_table
from ..evaluation.result_files import EVALUATED_NAME, results_folder
from ..evaluation.result_rows import load_results
from .annotation_text import AnnotationText
from .session import RepairData, object_ids


class DataPlaces(NamedTuple):
    """Where annotations and pictures are; "" where it is not known.

    Attributes:
        annotations: the annotation file.
        pictures: the folder of the pictures.
    """

    annotations: str = ""
    pictures: str = ""


class RunFiles(NamedTuple):
    """The files of a run.

    Attributes:
        places: of its data.
        results: {"bbox": path, "segm": path}, those that it has.
        annotation_digest: sha256 of the annotation file when it was evaluated; None: the run does not tell.
    """

    places: DataPlaces
    results: Dict[str, Path]
    annotation_digest: Optional[str]


def find_run(run: Union[str, Path], stated: DataPlaces, by_settings: DataPlaces) -> RunFiles:
    """The files of a run.

    Args:
        run: the folder of an evaluation, or of a training with eval_interval.
        stated: what the command line says; it comes first.
        by_settings: what the run's report_settings.json says; it comes last.

    Raises:
        DataError: the folder has no results, they have changed, or nothing tells which data they are of.
    """
    run = Path(run)
    if not run.is_dir():
        raise DataError(f"{run}: no such folder; give the folder that eval.py or train.py wrote")
    folder = _evaluated_folder(run)
    evaluated = _evaluated_data(folder / EVALUATED_NAME)
    results = {
        kind: folder / path for kind, path in evaluated.get("results", {}).items() if (folder / path).exists()
    }
    for kind in ("bbox", "segm"):
        if not evaluated and (folder / f"results_{kind}.json").exists():
            results[kind] = folder / f"results_{kind}.json"
    if not results:
        raise DataError(f"{folder / EVALUATED_NAME}: the results that it names are not there; evaluate again")
    for kind, path in results.items():
        digest = evaluated.get("results_sha256", {}).get(kind)
        if digest is not None and digest != file_digest(path):
            raise DataError(f"{path}: it has changed since it was evaluated; evaluate again")
    told = DataPlaces(evaluated.get("annotation_file", ""), evaluated.get("picture_folder", ""))
    places = DataPlaces(
        stated.annotations or told.annotations or by_settings.annotations,
        stated.pictures or told.pictures or by_settings.pictures,
    )
    if not places.annotations:
        raise DataError(
            f"{folder}: nothing in it tells which annotations it evaluated; name them: "
            "coco_root=FOLDER val_data_type=SPLIT, or ann_file=FILE"
        )
    if not Path(places.annotations).exists():
        raise DataError(
            f"annotation file {places.annotations}: no such file; name the one that {run} evaluated: "
            "coco_root=FOLDER val_data_type=SPLIT, or ann_file=FILE"
        )
    return RunFiles(places, results, evaluated.get("annotation_sha256"))


def read_run(files: RunFiles, text: AnnotationText, settings: CocoSettings) -> RepairData:
    """What the suspects of a run come from.

    Args:
        files: of the run.
        text: its annotation file.
        settings: as its evaluation had them.

    Raises:
        DataError: the annotations have changed since, or the results are not of them.
    """
    if files.annotation_digest not in (None, text.digest):
        raise DataError(
            f"{text.path}: it has changed since it was evaluated; evaluate again, with the same words, or "
            f"with eval.py results={files.results.get('segm') or files.results['bbox']} ann_file={text.path}"
        )
    path = str(text.path)
    source = read_annotations_alone(path)
    if not source.has_annotations:
        raise DataError(f"{path}: it has no annotations that could be repaired")
    kind = "segm" if source.has_masks and "segm" in files.results else "bbox"
    if kind not in files.results:
        raise DataError(f"{path}: boxes alone are annotated, and the run has results of masks alone")
    name = str(files.results[kind])
    inputs, source = checked_inputs(path, source, load_results(name), kind, name, only_common=True)
    table = make_match_table(inputs, settings)
    source = with_paths(source, files.places.pictures)
    return RepairData(source, inputs, table, object_ids(source, inputs, table))


def results_of(files: RunFiles, data: RepairData) -> Path:
    """The results file that the suspects come from."""
    return files.results[data.table.kind]


def file_digest(path: Union[str, Path]) -> str:
    """sha256 of a file's bytes, in hexadecimal. Raises DataError if it cannot be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None


def _evaluated_folder(run: Path) -> Path:
    """The folder of the results: where an evaluation says what it evaluated, or has left results."""
    for folder in (run, run / "eval"):
        if (folder / EVALUATED_NAME).exists():
            return folder
    return results_folder(run)


def _evaluated_data(path: Path) -> Dict[str, Any]:
    """What an evaluation tells of its data; {} of one that tells nothing."""
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {error}; evaluate again") from None
    if not _is_whole(content):
        raise DataError(f"{path}: not what an evaluation writes; evaluate again")
    return content


def _is_whole(content: Any) -> bool:
    if not isinstance(content, dict):
        return False
    dicts = [content.get(key, {}) for key in _DICTS]
    texts = [content[key] for key in _TEXTS if content.get(key) is not None]
    texts += [value for one in dicts if isinstance(one, dict) for value in one.values()]
    return all(isinstance(one, dict) for one in dicts) and all(isinstance(text, str) for text in texts)


_TEXTS = ("annotation_file", "annotation_sha256", "picture_folder")
_DICTS = ("results", "results_sha256")
