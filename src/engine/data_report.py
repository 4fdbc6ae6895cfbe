"""The job of `check_data.py`: check, print, and write the report, its plots and drawn pictures."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any, Optional, Union

from ..config import Config, load_config
from ..data.annotations.records import DataSource
from ..data.check.data_check import check_data, report_text
from ..data.check.statistics import ObjectMeasurements, data_statistics, measure_objects
from ..data.check.statistics_table import statistics_text
from ..data.suggest.config_text import config_text, suggestion_lines
from ..data.suggest.facts import TrainingTarget, data_facts
from ..data.suggest.suggest import suggest
from ..data_settings import annotation_settings, data_check_settings, statistics_settings
from ..dataset import resolve_classes
from ..environment import card_is_here
from ..errors import ConfigError, UserError, one_line
from ..settings.keys import data as data_keys
from ..whole_files import replaced_file
from .output_folder import prepare_output_file, prepare_output_folder

_SUGGESTED = "Suggested by check_data.py"  # begins the file of suggestions
_SHOWN_FILES = 6
# Keys that say where the data are and what is taken of them; `check_data` belongs to one call.
_DATA_KEYS = tuple(key.name for key in data_keys.KEYS if key.name != "check_data")


def report_data(
    config: Config,
    split: str,
    out: Union[str, Path],
    limit: int = 10_000,
    browse: int = 0,
    suggested: Optional[str] = None,
) -> int:
    """Check a split of the data and report on it.

    Args:
        config: The settings.
        split: "train" or "val".
        out: The folder for data_report.json, data_report.png and data_browse/.
        limit: The number of findings of a kind that are listed.
        browse: The number of pictures that are drawn with their objects.
        suggested: The file for suggested settings; None: nothing is suggested.

    Returns:
        The exit code of `check_data.py`.
    """
    if suggested is not None and split != "train":
        raise ConfigError(f"--suggest with --split {split}: settings are suggested from the training split")
    if limit < 1 or browse < 0:
        raise ConfigError(f"--limit {limit} --browse {browse}: a limit from 1 and a number from 0 expected")
    out = prepare_output_folder(out, "--out")
    report = prepare_output_file(out / "data_report.json", "--out")
    plots = prepare_output_file(out / "data_report.png", "--out")
    if browse:
        prepare_output_folder(out / "data_browse", "--out")
    if suggested is not None:
        _check_suggested(suggested)
    as_written = config
    check = check_data(data_check_settings(config, split), limit=limit)
    source = check.source
    title = f"{check.findings.annotation_file} (check_data={check.mode})"
    print("\n".join([title, "", *report_text(check)]), flush=True)
    written = [report]
    if source is None or not source.records:
        check.save(report)
    else:
        config = resolve_classes(config, source)
        settings = statistics_settings(config)
        objects = measure_objects(settings, source)
        check.statistics = data_statistics(settings, source, objects)
        print("\n".join(["", *statistics_text(check.statistics), ""]), flush=True)
        check.save(report)
        from .display.data_plots import plot_statistics  # matplotlib takes a second to load

        written.append(plots)
        plot_statistics(settings, source, plots, objects)
        if browse:
            from .display.browse import browse_data

            written += browse_data(config, source, browse, out / "data_browse")
    shown = ", ".join(map(str, written[:_SHOWN_FILES]))
    more = len(written) - _SHOWN_FILES
    print(one_line(f"wrote {shown}") + (f" and {more} more" if more > 0 else ""), flush=True)
    if suggested is not None:
        if source is None or not source.records or check.exit_code == 2:
            print("nothing is suggested, as training would not start", flush=True)
        else:
            _suggest_settings(as_written, source, objects, suggested)
    return check.exit_code


def _check_suggested(path: str) -> None:
    """Raise ConfigError where settings cannot be written, or would replace another file than suggestions."""
    start = f"# {_SUGGESTED}".encode()
    if prepare_output_file(path, "--suggest").exists():
        with open(path, "rb") as file:
            begin = file.read(len(start))
        if begin not in (b"", start):
            raise ConfigError(f"--suggest {path}: is there and holds something else; choose another name")


def _suggest_settings(config: Config, source: DataSource, objects: ObjectMeasurements, path: str) -> None:
    """Print suggested settings with their reasons, and write them as a file for train.py."""
    target = _training_target(config)
    facts = data_facts(objects, source.class_names, source.has_masks, config.keep_empty)
    found = suggest(facts, target)
    print("\n".join(["", *suggestion_lines(found)]), flush=True)
    if not found.items:
        return
    differing = [
        f"{name}={_plain(config[name])} (suggested: {value})"
        for name, value in found.settings.items()
        if name in config.written and value != _plain(config[name]) and name != "device_target"
    ]
    if differing:
        print(one_line(f"note: written otherwise, and not taken: {', '.join(differing)}"), flush=True)
    given = {name: config[name] for name in _DATA_KEYS if name in config.written}
    command = f"python train.py --config {shlex.quote(path)}"
    title = f"{_SUGGESTED} for {source.annotation_file}: {len(source.records)} pictures"
    with replaced_file(path) as file:
        file.write_text(config_text(found, given, title, command), encoding="utf-8")
        load_config([], file)
    print(one_line(f"wrote {path}; this trains with it:"), f"    {command}", sep="\n", flush=True)


def _plain(value: Any) -> Any:
    """A value of the configuration as a file has it: a list for a tuple."""
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _training_target(config: Config) -> TrainingTarget:
    """What the suggestions are for, of device_target, pre_trained and the evaluation split."""
    device = config.device_target
    if device == "auto":
        device = "Ascend" if card_is_here() else "CPU"
    anchors = {}
    if config.pre_trained:
        from ..weights.checkpoint_file import read_checkpoint

        settings = read_checkpoint(config.pre_trained).settings or {}
        anchors = {
            name: tuple(settings[name]) for name in ("anchor_scales", "anchor_ratios") if name in settings
        }
    return TrainingTarget(device, config.pre_trained, validation=_validation_file(config), **anchors)


def _validation_file(config: Config) -> Optional[str]:
    """The annotations of the evaluation split; None if there are none beside those of training."""
    try:
        found = annotation_settings(config, "val")
    except UserError:  # there is no such split
        return None
    training = annotation_settings(config, "train")
    is_training = os.path.abspath(found.path) == os.path.abspath(training.path)
    if is_training and found.split == training.split or not os.path.exists(found.path):
        return None
    return str(found.path)
