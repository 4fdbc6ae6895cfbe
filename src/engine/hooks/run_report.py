"""report.html at the end of a run."""

from __future__ import annotations

from typing import Optional

from ...evaluation.coco_settings import CocoSettings
from ...log import logger
from ...report.report import ReportSettings
from ..inference.evaluation import FAILURES
from ..inference.run_report import report_of_files
from .evaluation import Evaluation
from .hook import Hook


class RunReport(Hook):
    """report.html in the work folder, written by the first rank after the last evaluation.

    The run's results are complete without it: where it fails there is a warning.
    """

    def __init__(self, settings: ReportSettings, figures: CocoSettings, evaluation: Optional[Evaluation]):
        self.settings = settings
        self.figures = figures
        self.evaluation = evaluation

    def after_train(self, trainer) -> None:
        if trainer.device.rank != 0:
            return
        trainer.device.group.report("while rank 0 wrote the report", idle_limit=None)
        source = None if self.evaluation is None else self.evaluation.source
        if source is not None and self.evaluation.has_failed:
            logger.warning("the report has no figures: the last evaluation failed")
            source = None
        evaluated = trainer.work_dir / "eval"
        try:
            path = report_of_files(self.settings, self.figures, source, evaluated, trainer.work_dir)
        except FAILURES as error:
            logger.warning("the report was not written: %s", error)
            return
        print(f"wrote {path}", flush=True)
