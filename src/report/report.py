"""`Report`: takes each kind while it is evaluated, and writes the page."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from ..data.annotations.records import DataSource
from ..data.check.statistics import StatisticsSettings
from ..errors import DataError
from ..evaluation.inputs import EvaluationInputs
from ..evaluation.matching.details import InDepth
from ..evaluation.matching.table import MatchTable
from ..evaluation.result_files import write_json
from ..whole_files import replaced_file
from .gallery import Found, picture_name
from .kind_section import KindPart, make_kind_part
from .markup import Markup, details, join, note
from .page import make_page, pictures_section
from .run_sections import data_section, figure_table, headline_tiles, settings_section, training_charts

NAME = "report.html"
SETTINGS_NAME = "report_settings.json"  # for comparisons and repairs
_TITLES = {"bbox": "Boxes", "segm": "Masks"}


def stored_settings(path: Path, way_out: str) -> Dict[str, Any]:
    """The settings by name that a report left in SETTINGS_NAME.

    Args:
        path: the file.
        way_out: what to do without it, the end of the errors' text.

    Raises:
        DataError: it cannot be read.
    """
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {error}; {way_out}") from None
    if not isinstance(settings, dict):
        raise DataError(f"{path}: settings by name expected; {way_out}")
    return settings


@dataclass(frozen=True)
class ReportSettings:
    """What a report takes of the settings.

    Attributes:
        values: all settings, by name.
        changed: those that differ from their defaults.
        statistics: of the data.
        evaluated: the checkpoint or the results file; None while training.
        picture_folder: where pictures are whose paths are names alone.
    """

    values: Mapping[str, Any]
    changed: Mapping[str, Any]
    statistics: StatisticsSettings
    evaluated: Optional[str] = None
    picture_folder: str = ""


class Report:
    """The page of one run.

    report = Report(settings, source)
    report.add_kind(inputs, table, in_depth)      # boxes, then masks
    report.write("eval", metrics)

    Of the inputs only masks are kept, whose outlines are drawn at the end. Boxes stand in the match table.
    """

    def __init__(
        self,
        settings: ReportSettings,
        source: Optional[DataSource],
        training_rows: Sequence[Mapping[str, Any]] = (),
        training_file: str = "",
    ):
        """
        Args:
            settings: of the report.
            source: the evaluated data; None where nothing was evaluated.
            training_rows: the lines of metrics.jsonl, or of a loss log with "step"; none: no curves.
            training_file: where they come from.
        """
        self.settings = settings
        self.source = source
        self.training_rows = training_rows
        self.training_file = training_file
        self.parts: List[KindPart] = []
        self._last: Optional[Tuple[Optional[EvaluationInputs], MatchTable]] = None
        self._records = {record.image_id: record for record in source.records} if source else {}

    def add_kind(self, inputs: EvaluationInputs, table: MatchTable, in_depth: InDepth) -> None:
        """Add what was found for one kind.

        Args:
            inputs: of the evaluation.
            table: its match table.
            in_depth: `evaluate_in_depth` of the table.
        """
        self.parts.append(make_kind_part(table, in_depth, self._names(table)))
        self._last = (inputs if table.kind == "segm" else None, table)

    def write(self, folder: Union[str, Path], metrics: Mapping[str, Any]) -> Path:
        """Write report.html, and its settings beside it; returns its path.

        Args:
            folder: is made if it is not there.
            metrics: {kind: COCO's figures}; {} where nothing was evaluated.

        Raises:
            DataError: the file cannot be written.
        """
        path = Path(folder) / NAME
        page = make_page(*self._heading(folder), self._sections(metrics))
        with replaced_file(path) as temporary:
            temporary.write_text(page, encoding="utf-8")
        write_json(Path(folder) / SETTINGS_NAME, dict(self.settings.values), indent=1)
        return path

    def _names(self, table: MatchTable) -> Dict[Any, str]:
        return {image_id: picture_name(self._records[image_id]) for image_id in table.image_ids}

    def _heading(self, folder) -> Tuple[str, str]:
        made = time.strftime("%Y-%m-%d %H:%M:%S %z")
        parts = [f"written {made}", f"folder {Path(folder).resolve()}"]
        if self.source is not None:
            parts.append(f"{len(self.source.records)} pictures of {self.source.annotation_file}")
        if self.settings.evaluated:
            parts.append(f"evaluated {self.settings.evaluated}")
        return f"Mask R-CNN: {Path(folder).resolve().name}", " · ".join(parts)

    def _sections(self, metrics: Mapping[str, Any]) -> List[Tuple[str, str, Markup]]:
        sections = []
        if metrics:
            headlines = {part.kind: part.headline for part in reversed(self.parts)}
            sections.append(("figures", "Figures", join([headline_tiles(headlines), figure_table(metrics)])))
        if self.training_rows:
            origin = note(f"from {self.training_file}")
            sections.append(("training", "Training", join([origin, training_charts(self.training_rows)])))
        for part in reversed(self.parts):  # masks before boxes
            body = part.body
            if part is not self.parts[-1]:
                body = details("The same for boxes", body)
            sections.append((part.kind, _TITLES[part.kind], body))
        place_of_pictures = len(sections)
        if self.source is not None:
            sections.append(("data", "Data", data_section(self.settings.statistics, self.source)))
        if not metrics:
            reason = "Nothing was evaluated: there are no annotations, or eval_interval is not set."
            sections.append(("figures", "Figures", note(reason)))
        sections.append(
            (
                "settings",
                "Settings and versions",
                settings_section(self.settings.values, self.settings.changed),
            )
        )
        if self._last is not None:
            pictures = self._pictures([body for _, _, body in sections])
            sections.insert(place_of_pictures, ("pictures-part", "Pictures", pictures))
        return sections

    def _pictures(self, other_parts: Sequence[Markup]) -> Markup:
        inputs, table = self._last
        main = self.parts[-1]
        lists = dict(main.ranking)
        for part in reversed(self.parts):
            lists.update(part.lists)
        found = Found("found", inputs, table, main.score)
        return pictures_section([found], self._records, lists, other_parts)
