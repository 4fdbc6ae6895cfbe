"""The job of `repair.py`: from the folder of a run to the page, or to the corrected file."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import List, Optional

from ..config import Config, settings_from
from ..data_settings import annotation_settings
from ..engine.inference.evaluation import evaluation_settings
from ..engine.output_folder import prepare_output_file
from ..errors import ConfigError, DataError
from ..report.report import SETTINGS_NAME, stored_settings
from ..web.settings import ServingSettings, require_packages
from .annotation_text import CONVERT, AnnotationText
from .decision_log import ACCEPT, REJECT, SKIP, DecisionLog
from .run_files import DataPlaces, file_digest, find_run, read_run, results_of
from .session import RepairSession
from .suspects import find_suspects, kind_counts

_DATA_KEYS = ("dataset", "coco_root", "instance_set", "val_data_type", "ann_file")
_FIGURE_KEYS = ("eval_iou_thresholds", "eval_max_dets", "eval_area_limits", "test_max_per_img")
_COCO_FORMS = ("coco", "auto")
_LOG_SUFFIX = ".log.jsonl"


def repair(
    config: Config, files: List[str], out: Optional[str], settings: ServingSettings, only_write: bool = False
) -> int:
    """Serve the page of a run's suspected label mistakes until a signal ends it; returns the exit code.

    Args:
        config: the settings; they may name the data.
        files: the folder of the run.
        out: the corrected file; None: beside the annotation file.
        settings: address of the page.
        only_write: whether to write the corrected file of the decisions that are stored, and end.

    Raises:
        ConfigError: not one folder, an output that cannot be written, or an address that is in use.
        DataError: the run, its results or its annotations cannot be used.
    """
    if len(files) != 1:
        raise ConfigError(
            f"{len(files) or 'no'} folders are named: repair.py RUN, the folder of an evaluation"
        )
    require_packages("repair.py", ("starlette", "uvicorn"))
    from ..web.protocol import listen
    from .server import serve_page

    with contextlib.ExitStack() as stack:
        if not only_write:  # a port that is in use is told before the work
            listener = stack.enter_context(contextlib.closing(listen(settings.host, settings.port)))
        session = open_session(config, files[0], out)
        if only_write:
            with contextlib.closing(session):
                print(f"wrote {session.write()}: {decision_line(session)}", flush=True)
            return 0
        print(f"{suspect_line(session)}; {decision_line(session)}", flush=True)
        serve_page(session, listener, settings, str(files[0]))
        print(f"stopped; {decision_line(session)}; the decisions are in {session.log_path}", flush=True)
    return 0


def open_session(config: Config, run: str, out: Optional[str] = None) -> RepairSession:
    """The repair of a run, with the decisions that are stored already.

    Raises:
        ConfigError, DataError: as of `repair`.
    """
    base = _with_run_settings(config, Path(run))
    if base.dataset not in _COCO_FORMS:
        raise ConfigError(f"dataset={base.dataset}: repair.py takes COCO JSON; {CONVERT}")
    files = find_run(run, _stated_places(config, base), _places(base) if base is not config else DataPlaces())
    text = AnnotationText(files.places.annotations)
    path = _out_path(text.path, out)
    data = read_run(files, text, evaluation_settings(base).figures)
    suspects = find_suspects(data.table, data.inputs)
    if not suspects:
        raise DataError(f"{run}: no object is suspected; there is nothing to repair")
    results = results_of(files, data)
    log_path = path.with_name(path.name + _LOG_SUFFIX)
    if path.exists() and not log_path.exists():
        raise ConfigError(
            f"{path}: there is such a file, but no {log_path.name}; name another file with --out"
        )
    about = {
        "annotations": os.path.abspath(text.path),
        "annotations_sha256": text.digest,
        "results": os.path.abspath(results),
        "results_sha256": file_digest(results),
        "suspects": len(suspects),
    }
    return RepairSession(data, suspects, text, DecisionLog(log_path, about), path)


def suspect_line(session: RepairSession) -> str:
    """How many suspects there are, by kind."""
    counts = kind_counts(list(session.suspects.values()))
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    return f"{len(session.suspects)} suspects ({kinds}) in {session.data.source.annotation_file}"


def decision_line(session: RepairSession) -> str:
    """How many are decided, and how."""
    decisions = list(session.overview()["decisions"].values())
    counts = {ACCEPT: "accepted", REJECT: "rejected", SKIP: "skipped"}
    return ", ".join(f"{decisions.count(decision)} {word}" for decision, word in counts.items())


def _out_path(annotations: Path, out: Optional[str]) -> Path:
    path = Path(out) if out else annotations.with_name(f"{annotations.stem}.repaired{annotations.suffix}")
    path = prepare_output_file(path, "--out" if out else "the corrected file")
    if path.exists() and path.samefile(annotations):
        raise ConfigError(f"--out {path}: this is the annotation file, which is never written over")
    return path


def _places(config: Config) -> DataPlaces:
    of_file = annotation_settings(config, "val")
    return DataPlaces(of_file.path, of_file.folder)


def _stated_places(config: Config, base: Config) -> DataPlaces:
    """What the command line says of the data; its words count over the run's settings."""
    if not config.written & set(_DATA_KEYS):
        return DataPlaces()
    places = _places(base)
    return places if config.written & {"coco_root", "val_data_type"} else places._replace(pictures="")


def _with_run_settings(config: Config, run: Path) -> Config:
    """`config` with what the run's report_settings.json says of the data and the figures."""
    for path in (run / SETTINGS_NAME, run / "eval" / SETTINGS_NAME):
        if path.exists():
            values = stored_settings(path, "move it away to repair without it")
            wanted = [name for name in (*_DATA_KEYS, *_FIGURE_KEYS) if name not in config.written]
            known = {name: values[name] for name in wanted if values.get(name) is not None}
            return settings_from(config, str(path), known)
    return config
