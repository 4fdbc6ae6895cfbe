"""The job of `compare.py`: two runs on the same data, as a table and as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from ..config import Config
from ..data.annotations.mending.class_names import COMMON
from ..data.annotations.records import DataSource
from ..data.sources.read import read_annotations
from ..data_settings import annotation_settings
from ..errors import ConfigError, DataError
from ..evaluation.coco_settings import CocoSettings
from ..evaluation.ground_truth import read_annotations_alone
from ..evaluation.inputs import EvaluationInputs
from ..evaluation.matching.operating_points import best_common_score
from ..evaluation.matching.table import make_match_table
from ..evaluation.result_files import results_folder, results_name
from ..evaluation.result_rows import load_results
from ..log import logger
from ..report.comparison import (
    Difference,
    class_differences,
    class_section,
    compare_figures,
    curve_section,
    difference_lines,
    difference_table,
    lone_line,
    picture_differences,
    settings_that_differ,
)
from ..report.gallery import Found
from ..report.markup import Markup, join, note
from ..report.page import make_page, pictures_section
from ..report.report import SETTINGS_NAME, stored_settings
from ..whole_files import replaced_file
from .inference.evaluation import evaluation_settings
from .inference.run_report import training_rows, with_paths
from .output_folder import prepare_output_folder
from .results_evaluator import checked_inputs

NAME = "comparison.html"
_KINDS = ("bbox", "segm")
_NAMES = ("first", "second")


def compare_runs(
    config: Config, runs: Sequence[Union[str, Path]], work_dir: Union[str, Path]
) -> Dict[str, Dict[str, Difference]]:
    """Compare two runs; prints the differences and writes comparison.html.

    Args:
        config: the settings, which say where the annotations and pictures are.
        runs: the folders of two trainings or evaluations, with results_{bbox,segm}.json in them or in `eval`.
        work_dir: the folder for comparison.html.

    Returns:
        {kind: {figure: difference}}

    Raises:
        ConfigError: not two folders.
        DataError: a folder has no results, or none of a kind that the other has; or they are not of these
            annotations.
    """
    if len(runs) != 2:
        raise ConfigError(f"{len(runs)} folders; two are compared: compare.py FIRST SECOND [KEY=VALUE ...]")
    prepare_output_folder(work_dir, "--work-dir")
    pairs = [(str(run), results_folder(run)) for run in runs]
    _check_kinds([folder for _, folder in pairs])
    of_file = annotation_settings(config, "val")
    is_coco = of_file.format == "coco"  # its pictures are not needed
    annotations = of_file.path if is_coco else read_annotations(of_file)
    source = read_annotations_alone(of_file.path) if is_coco else annotations
    settings = evaluation_settings(config).figures
    only_common = of_file.class_use == COMMON
    rows, problems = _training_rows(pairs)
    differences, tables, classes = {}, [], []
    for kind in _KINDS:
        paths = [folder / results_name(kind) for _, folder in pairs]
        sides = []
        for (run, _), path in zip(pairs, paths):
            if not path.exists():
                continue
            results = load_results(str(path))
            of_run, source = checked_inputs(annotations, source, results, kind, str(path), only_common)
            sides.append(_found(run, of_run, settings))
        if not sides or not sides[0].table.object_counts().any():
            continue  # data of boxes alone: an evaluation writes an empty file for masks
        if len(sides) == 1:
            lacking = next(place for place, path in enumerate(paths) if not path.exists())
            line = lone_line(kind, _NAMES[1 - lacking], _NAMES[lacking], paths[lacking], sides[0].table)
            print(line, flush=True)
            tables.insert(0, note(line))
            continue
        first, second = (side.table for side in sides)
        found = sides
        differences[kind] = compare_figures(first, second)
        print("\n".join(difference_lines(kind, differences[kind])), flush=True)
        tables.insert(0, difference_table(kind, differences[kind]))
        classes.insert(0, class_section(kind, class_differences(first, second)))
    if not differences:
        raise DataError(f"{source.annotation_file}: it has no object to compare the runs by")
    curves = curve_section([side.table for side in found], [side.title for side in found], rows)
    sections = [
        ("figures", "Differences", join(tables)),
        ("curves", "Curves", join([*map(note, problems), curves])),
        ("classes", "Classes", join(classes)),
        ("settings", "Settings", settings_that_differ(*(_settings(Path(run), f) for run, f in pairs))),
    ]
    pictures = _pictures(with_paths(source, of_file.folder), found, [body for _, _, body in sections])
    sections.insert(-1, ("pictures-part", "Pictures", pictures))
    path = Path(work_dir) / NAME
    heading = f"first: {runs[0]} · second: {runs[1]} · {len(source.records)} pictures of {of_file.path}"
    page = make_page("Comparison of two runs", heading, sections)
    with replaced_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    print(f"wrote {path}", flush=True)
    return differences


def _found(run: str, inputs: EvaluationInputs, settings: CocoSettings) -> Found:
    """What a run found, with its match table."""
    table = make_match_table(inputs, settings)
    return Found(run, inputs, table, best_common_score(table, table.reference))


def _check_kinds(folders: Sequence[Path]) -> None:
    """Raises DataError where the runs have no kind of results in common."""
    kinds = [[kind for kind in _KINDS if (folder / results_name(kind)).exists()] for folder in folders]
    if not set(kinds[0]) & set(kinds[1]):
        first, second = (f"{folder} has {results_name(own[0])}" for folder, own in zip(folders, kinds))
        raise DataError(
            f"nothing that both runs have: {first} alone, {second} alone; evaluate one of them anew"
        )


def _training_rows(pairs: Sequence[Tuple[str, Path]]) -> Tuple[List[Sequence[Mapping[str, Any]]], List[str]]:
    """(the rows of each run's training, a line for each run whose file cannot be read)."""
    rows: List[Sequence[Mapping[str, Any]]] = []
    problems = []
    for name, (run, folder) in zip(_NAMES, pairs):
        try:
            rows.append(training_rows([Path(run), folder, folder.parent])[0])
        except DataError as error:  # the figures do not depend on it
            rows.append([])
            problems.append(f"No curves of the training of the {name} run: {error}")
            logger.warning("%s has no curves of the training of the %s run: %s", NAME, name, error)
    return rows, problems


def _pictures(source: DataSource, found: Sequence[Found], other_parts: Sequence[Markup]) -> Markup:
    records = {record.image_id: record for record in source.records}
    lists = picture_differences(*(side.table for side in found))
    choices = (("gains", "better in the second"), ("losses", "worse in the second"))
    return pictures_section(found, records, lists, other_parts, choices)


def _settings(run: Path, folder: Path) -> Optional[Mapping[str, Any]]:
    """The settings that a report left; None without one."""
    for place in (run, folder):
        path = place / SETTINGS_NAME
        if path.exists():
            return stored_settings(path, "remove it to compare without settings")
    return None
